import { chmod, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { unifiedDiff } from "../dockerfile/edit.js";
import type { Build, BuildOutcome, Step, StepFailure, StepResult } from "../engine/engine.js";
import { CancelledError, DfdebugError, SessionStateError, UsageError } from "../errors.js";
import { LogBuffer } from "./log-buffer.js";
import type { PendingFix, SessionEvent, SessionResult, SessionState, StoppedState } from "./state.js";

export interface SessionOptions {
  readonly signal?: AbortSignal;
  /** The Dockerfile on this machine, for writing fixes; undefined where there is none. */
  readonly dockerfilePath?: string | undefined;
  /** Runs while the build is still open: before its image is made, or when the session ends without one. */
  readonly beforeEnd?: (() => Promise<void>) | undefined;
}

/**
 * One debugging session over one build: where it is, and the commands that move it. A command that is illegal in the
 * present state rejects with SessionStateError and changes nothing; one command runs at a time.
 */
export class DebugSession implements AsyncDisposable {
  readonly build: Build;
  /** What each step printed, bounded. */
  readonly logs = new LogBuffer();
  private readonly options: SessionOptions;
  private readonly listeners = new Set<(event: SessionEvent) => void>();
  private readonly unsubscribe: () => void;
  /** The Dockerfile as the build began: what fixes are compared with. */
  private original: string;
  private current: SessionState = { kind: "idle" };
  private fix: PendingFix | undefined;

  constructor(build: Build, options: SessionOptions = {}) {
    this.build = build;
    this.options = options;
    this.original = build.dockerfile.source;
    this.unsubscribe = build.subscribe((event) => {
      if (event.type === "log") this.logs.append(event.step, event.stream, event.data);
      this.emit(event);
    });
  }

  get state(): SessionState {
    return this.current;
  }

  /** An instruction that was replaced and built, but is not in the file. */
  get pendingFix(): PendingFix | undefined {
    return this.fix;
  }

  /** Listens until the returned function is called. */
  subscribe(listener: (event: SessionEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Builds everything: ends built, or stops at the step that failed. Rejects with what is no step's failure. */
  async start(): Promise<SessionState> {
    this.require("idle", "start");
    return this.runRest();
  }

  /** Goes on with what is left of the build. */
  async continue(): Promise<SessionState> {
    this.require("stopped", "continue");
    return this.runRest();
  }

  /**
   * Replaces the instruction of the step where the session stopped, and runs it as a real step of the build. When it
   * succeeds the change is pending: `continue` goes on, `writeFix` writes it. When it fails the session stops there again.
   * Rejects with DockerfileError when the text does not parse; then nothing has changed.
   */
  async retry(text: string): Promise<StepResult> {
    const stopped = this.require("stopped", "retry");
    const { step } = stopped;
    this.current = { kind: "running" };
    let next: Step;
    try {
      await this.build.replace(step, text, this.signalOption());
      next = this.stepAt(step);
    } catch (error) {
      this.current = stopped;
      throw error;
    }
    this.logs.clear(next);
    const result = await this.guarded(() => this.build.run(next, this.signalOption()));
    if (result.status === "failed") {
      this.stop({ kind: "stopped", step: result.failure.step, reason: "failure", failure: result.failure });
      return result;
    }
    const source = this.build.dockerfile.source;
    if (source !== this.original)
      this.fix = { step: next, source, diff: unifiedDiff(this.original, source, this.build.dockerfile.file) };
    this.current = { kind: "stopped", step: next, reason: "step", failure: undefined };
    return result;
  }

  /**
   * Writes the pending fix into the Dockerfile: whole or not at all, with its permissions. Rejects with UsageError when
   * there is no file, or when it changed since the build began.
   */
  async writeFix(): Promise<void> {
    const { fix } = this;
    if (!fix) throw new SessionStateError("There is no change to write");
    const named = this.options.dockerfilePath;
    if (named === undefined)
      throw new UsageError("The Dockerfile did not come from a file of this machine: the change cannot be written");
    const path = await realpath(named);
    const onDisk = await readFile(path, "utf8");
    if (onDisk !== this.original)
      throw new UsageError(`${named} has changed since the build began: the change was not written`, {
        code: "DOCKERFILE_CHANGED",
        hint: "`diff` shows the change: make it by hand, or build again.",
      });
    const { mode } = await stat(path);
    const temporary = `${path}.${String(process.pid)}.dfdebug`;
    try {
      await writeFile(temporary, fix.source, { mode });
      await chmod(temporary, mode & 0o7777);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw new UsageError(`${named} could not be written`, { code: "DOCKERFILE_WRITE", cause: error });
    }
    this.original = fix.source;
    this.fix = undefined;
  }

  /** Keeps the fix for this build only. */
  discardFix(): void {
    this.fix = undefined;
  }

  /** Ends the session: failed where it stopped at a failure, else cancelled. */
  async terminate(): Promise<SessionResult> {
    if (this.current.kind === "ended") return this.current.result;
    const { current } = this;
    const failure = current.kind === "stopped" ? current.failure : undefined;
    return this.end(failure ? { status: "failed", failure } : { status: "cancelled" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.unsubscribe();
    this.listeners.clear();
  }

  private async runRest(): Promise<SessionState> {
    this.current = { kind: "running" };
    const outcome: BuildOutcome = await this.guarded(() => this.build.runAll(this.signalOption()));
    if (outcome.status === "failed") {
      this.stop({ kind: "stopped", step: outcome.failure.step, reason: "failure", failure: outcome.failure });
      return this.current;
    }
    await this.options.beforeEnd?.();
    const image = await this.guarded(() => this.build.finish(this.signalOption()));
    await this.end({ status: "built", image }, true);
    return this.current;
  }

  /** Runs a part of the build; an interruption ends the session instead of being an error of it. */
  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof CancelledError) await this.end({ status: "cancelled" });
      else if (error instanceof DfdebugError) await this.end({ status: "error", error }, true);
      throw error;
    }
  }

  private stepAt(step: Step): Step {
    const next = this.build.steps[step.number - 1];
    if (!next) throw new SessionStateError(`Step ${String(step.number)} is gone`);
    return next;
  }

  private stop(state: StoppedState): void {
    this.current = state;
    this.emit({ type: "stopped", state });
  }

  private async end(result: SessionResult, kept = false): Promise<SessionResult> {
    if (!kept) await this.options.beforeEnd?.().catch(() => undefined);
    this.current = { kind: "ended", result };
    this.emit({ type: "ended", result });
    return result;
  }

  private require<Kind extends SessionState["kind"]>(
    kind: Kind,
    command: string,
  ): Extract<SessionState, { kind: Kind }> {
    const { current } = this;
    if (current.kind === kind) return current as Extract<SessionState, { kind: Kind }>;
    const states = { idle: "has not started", running: "is running", stopped: "has stopped", ended: "has ended" };
    throw new SessionStateError(`${command}: the build ${states[current.kind]}`);
  }

  private signalOption(): { signal?: AbortSignal } {
    return this.options.signal ? { signal: this.options.signal } : {};
  }

  private emit(event: SessionEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}

/** A step's failure as front ends get it from a stopped session. */
export function failureOf(state: SessionState): StepFailure | undefined {
  return state.kind === "stopped" ? state.failure : undefined;
}
