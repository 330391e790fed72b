import type { Instruction } from "../dockerfile/syntax.js";
import type { Build, Ref, Step } from "../engine/engine.js";
import { CancelledError, DfdebugError, EngineError, SessionStateError, UsageError } from "../errors.js";
import { Advance, type Arrival } from "./advance.js";
import { Breakpoints } from "./breakpoints.js";
import { StepChanges } from "./changes.js";
import { Draft } from "./draft.js";
import { factsAt } from "./facts.js";
import { keepSteps } from "./keep-steps.js";
import { LogBuffer } from "./log-buffer.js";
import { Moves } from "./moves.js";
import { Revision } from "./revision.js";
import { Runner } from "./runner.js";
import { matchSpec, parseSpec } from "./spec.js";
import {
  positionOf,
  type MergedFix,
  type PendingFix,
  type SessionEvent,
  type SessionResult,
  type SessionState,
  type StoppedState,
  type StopReason,
} from "./state.js";
import { StepStatuses } from "./step-statuses.js";
import { CallStack } from "./stepping.js";
import { trialsIn, type Trial } from "./trial.js";

export interface SessionOptions {
  readonly signal?: AbortSignal;
  /** The Dockerfile on this machine, for writing fixes; undefined where there is none. */
  readonly dockerfilePath?: string | undefined;
  /**
   * `--keep-steps`: the states of all built steps are tagged under this name while the build is still open, before its image
   * is made, or when the session ends without one.
   */
  readonly keepAs?: string | undefined;
}

/**
 * One debugging session over one build: where it is, and the commands that move it. It stands at a position: before a
 * step, in file order, or behind the last one. A command that is illegal in the present state rejects with
 * SessionStateError and changes nothing; one command runs at a time. docs/stepping.md has the rules.
 */
export class DebugSession implements AsyncDisposable {
  readonly build: Build;
  /** What each step printed, bounded. */
  readonly logs = new LogBuffer();
  readonly breakpoints = new Breakpoints();
  /** What steps did to the filesystem. */
  readonly changes: StepChanges;
  private readonly options: SessionOptions;
  private readonly cancel = new AbortController();
  private readonly loss = new AbortController();
  private readonly signal: AbortSignal;
  private readonly runner: Runner;
  private readonly callers = new CallStack();
  private readonly listeners = new Set<(event: SessionEvent) => void>();
  private readonly unsubscribe: () => void;
  private readonly statuses = new StepStatuses();
  private readonly draft: Draft;
  private readonly advance: Advance;
  private readonly moves: Moves;
  private readonly revision: Revision;
  private current: SessionState = { kind: "idle" };

  constructor(build: Build, options: SessionOptions = {}) {
    this.build = build;
    this.options = options;
    this.signal = options.signal ? AbortSignal.any([options.signal, this.cancel.signal]) : this.cancel.signal;
    this.draft = new Draft(build, options.dockerfilePath);
    this.changes = new StepChanges(build);
    const { breakpoints, callers, draft, signal, statuses } = this;
    this.runner = new Runner(build, signal);
    const facts = (position: number) => factsAt(this, position, signal);
    this.advance = new Advance({ build, runner: this.runner, breakpoints, facts });
    this.moves = new Moves({ build, advance: this.advance, breakpoints, callers });
    this.revision = new Revision({ build, advance: this.advance, breakpoints, callers, draft, signal, statuses });
    this.unsubscribe = build.subscribe((event) => {
      this.runner.take(event);
      if (event.type === "lost") {
        this.lose(event.error);
        return;
      }
      if (event.type === "log") this.logs.append(event.step, event.stream, event.data);
      if (event.type === "step" && event.status === "started") this.logs.clear(event.step);
      this.statuses.take(event);
      this.emit(event);
    });
  }

  get state(): SessionState {
    return this.current;
  }

  /** Aborts when the engine is lost, with that error as its reason: whoever waits for a person's next word waits in vain. */
  get lost(): AbortSignal {
    return this.loss.signal;
  }

  /** The Dockerfile's text in the file, as far as the session knows. */
  get fileSource(): string {
    return this.draft.fileSource;
  }

  /** What is built differs from the file, and nobody has decided yet what becomes of it. */
  get pendingFix(): PendingFix | undefined {
    return this.draft.pending;
  }

  /** What is built differs from the file, whatever is to become of it. */
  get fileDifference(): PendingFix | undefined {
    return this.draft.difference;
  }

  /** What `set` has in what is built, a line of the Dockerfile each. */
  get trials(): readonly string[] {
    return trialsIn(this.draft.wanted);
  }

  /** What the last retry tried in vain, as long as the session stands there: the instruction that it took the place of. */
  get attempt(): { readonly step: Step; readonly instead: Instruction } | undefined {
    const { attempt } = this.draft;
    const [step, original] = [this.build.steps, attempt?.steps].map((steps) => steps?.[(attempt?.number ?? 0) - 1]);
    return step && original && { step, instead: original.instruction };
  }

  /** The Dockerfile's text that is built, without what a retry tried in vain. */
  get wantedSource(): string {
    return this.draft.wanted;
  }

  /** Listens until the returned function is called. */
  subscribe(listener: (event: SessionEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** How a step ended in this session; undefined where it did not run yet. */
  statusOf(step: Step): "cached" | "done" | undefined {
    return this.statuses.of(step);
  }

  /** The state at a stop: before its step, or behind the last one. */
  here(stopped: StoppedState, signal = this.signal): Promise<Ref> {
    const options = { signal };
    return stopped.at === "after" ? this.build.after(stopped.step, options) : this.build.before(stopped.step, options);
  }

  /** Begins: stops before the first step with `entry`, else runs to the first breakpoint, a failure, or the end. */
  async start(options: { entry?: boolean } = {}): Promise<SessionState> {
    this.require("idle", "start");
    return this.moving(async () =>
      options.entry ? { kind: "position", position: 1, reason: "entry" } : this.advance.from(1),
    );
  }

  /** Runs to the next breakpoint, a failure, or the end, which makes the image. */
  async continue(): Promise<SessionState> {
    const stopped = this.require("stopped", "continue");
    this.callers.clear();
    return this.leaving(stopped, (here) => this.advance.from(here + 1));
  }

  /** Runs the step and stops behind it; at the end, makes the image. */
  async next(): Promise<SessionState> {
    const stopped = this.require("stopped", "next");
    if (stopped.at === "after") return this.continue();
    return this.leaving(stopped, (here) => this.moves.over(this.stepAt(here)));
  }

  /** Goes into a stage that the step reads, where the session has not stopped yet; else as `next`. */
  async stepIn(): Promise<SessionState> {
    const stopped = this.require("stopped", "step");
    const first = stopped.at === "after" ? undefined : this.moves.stageBehind(stopped.step);
    if (!first) return this.next();
    return this.leaving(stopped, async (here) => this.moves.enter(this.stepAt(here), first));
  }

  /** Runs to the end of the stage, and back to the step that it was entered from. Breakpoints on the way stop it. */
  async stepOut(): Promise<SessionState> {
    const stopped = this.require("stopped", "stepout");
    if (stopped.at === "after") return this.continue();
    return this.leaving(stopped, (here) => this.moves.out(this.stepAt(here)));
  }

  /** Goes back by steps, at most to the first; nothing runs. */
  async stepBack(count = 1): Promise<SessionState> {
    const stopped = this.require("stopped", "back");
    if (positionOf(stopped) === 1) throw new SessionStateError("back: this is the first step");
    this.callers.clear();
    return this.leaving(stopped, async (here) => this.moves.to(Math.max(1, here - count), "back"));
  }

  /** Runs to a place, or goes back to it. Breakpoints on the way forwards stop it. Rejects with UsageError for a bad SPEC. */
  async until(written: string): Promise<SessionState> {
    const stopped = this.require("stopped", "until");
    const parsed = parseSpec(written);
    if (parsed.condition !== undefined)
      throw new UsageError("until takes no condition", { hint: "`tbreak SPEC if COND`, then `continue`." });
    matchSpec(parsed, this.build);
    this.callers.clear();
    return this.leaving(stopped, (here) => this.moves.until(parsed, here));
  }

  /** Goes to the first step; nothing that is built runs again. */
  async restart(): Promise<SessionState> {
    const stopped = this.require("stopped", "restart");
    this.callers.forget();
    return this.leaving(stopped, async () => ({ kind: "position", position: 1, reason: "entry", note: "restart" }));
  }

  /**
   * While the build runs: the first call stops it before the next step, the second interrupts what runs, the third ends the
   * session. Gives the steps that are waited for. Rejects where nothing runs.
   */
  pause(): readonly Step[] {
    this.require("running", "pause");
    const waiting = this.runner.pause();
    if (waiting) return waiting;
    this.cancel.abort(new CancelledError());
    return [];
  }

  /**
   * Replaces an instruction and runs it as a real step of the build; the session stands before it then. When it succeeds
   * the change is pending: `continue` goes on, `writeFix` writes it. When it fails the session stops there again, and it was
   * an attempt: it can be looked at and retried, and what goes on from there goes on without it. Rejects with
   * DockerfileError when the text does not parse; then nothing has changed.
   */
  async retry(text: string, step?: Step): Promise<SessionState> {
    const stopped = this.require("stopped", "retry");
    return this.moving(() => this.revision.retry(step ?? stopped.step, text));
  }

  /**
   * Takes another text of the Dockerfile. The build goes on from the first step that changed, with breakpoints where their
   * instructions are now; where only later steps changed, the session stays. Rejects with DockerfileError, changing nothing.
   */
  async edit(source: string): Promise<SessionState> {
    const stopped = this.require("stopped", "edit");
    return this.moving(() => this.revision.edit(stopped, source));
  }

  /**
   * Takes the Dockerfile, and with `contextChanged` the context, as they are on disk now. At a failure the build goes on from
   * the first step that is another one, or the failed one; elsewhere what changed is built, and the session stays, or stands
   * where the build became another one. Rejects with DockerfileError, changing nothing.
   */
  async reload(source: string, options: { contextChanged: boolean }): Promise<SessionState> {
    const stopped = this.require("stopped", "reload");
    return this.moving(() => this.revision.reload(stopped, source, options));
  }

  /** Takes the Dockerfile and the context as they are on disk now. Rejects with UsageError where there is no such file. */
  async reloadFile(): Promise<SessionState> {
    this.require("stopped", "reload");
    return this.reload(await this.draft.read(), { contextChanged: true });
  }

  /** Tries another value of a variable from here on, in memory only. Rejects with SessionStateError where it has no effect. */
  async set(trial: Trial): Promise<SessionState> {
    const stopped = this.require("stopped", "set");
    if (stopped.at === "after")
      throw new SessionStateError("set: nothing runs behind the end", { hint: "`back` first." });
    return this.moving(() => this.revision.set(stopped.step, trial));
  }

  /** The pending change in the Dockerfile as somebody else has changed it; undefined where nobody has. */
  mergedFix(): Promise<MergedFix | undefined> {
    return this.draft.merged();
  }

  /**
   * Writes the pending change into the Dockerfile: whole or not at all, with its permissions; `merged` beside the changes that
   * the file has got meanwhile. Rejects with UsageError when there is no file, or when it has got others.
   */
  writeFix(merged?: MergedFix): Promise<void> {
    return this.draft.write(merged);
  }

  /** Keeps the change for this build only. */
  discardFix(): void {
    this.draft.discard();
  }

  /** Ends the session: failed where it stopped at a failure, else by the error, or cancelled. */
  async terminate(error?: DfdebugError): Promise<SessionResult> {
    if (this.current.kind === "ended") return this.current.result;
    const { current } = this;
    const failure = current.kind === "stopped" ? current.failure : undefined;
    await this.keep();
    if (failure) return this.end({ status: "failed", failure });
    return this.end(error ? { status: "error", error } : { status: "cancelled" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.unsubscribe();
    this.listeners.clear();
  }

  /** Runs a command that goes somewhere from a stop: what a retry tried in vain there is put back first. */
  private leaving(stopped: StoppedState, work: (here: number) => Promise<Arrival>): Promise<SessionState> {
    return this.moving(async () => work(await this.revision.withdraw(positionOf(stopped))));
  }

  /** Runs a command that moves the session; what fails puts it back where it was, or ends it. */
  private async moving(work: () => Promise<Arrival>): Promise<SessionState> {
    const before = this.current;
    this.current = { kind: "running" };
    try {
      return await this.arrive(await work());
    } catch (error) {
      if (error instanceof CancelledError) {
        await this.keep();
        this.end({ status: "cancelled" });
      } else if (before.kind === "stopped" && !(error instanceof EngineError)) this.current = before;
      else if (error instanceof DfdebugError) this.end({ status: "error", error });
      throw error;
    }
  }

  private async arrive(arrival: Arrival): Promise<SessionState> {
    switch (arrival.kind) {
      case "position":
        return this.stand(arrival.position, arrival.reason, arrival.note);
      case "failure": {
        const { failure, note } = arrival;
        return this.stop({ step: failure.step, at: "before", reason: "failure", failure, note });
      }
      case "built": {
        await this.keep();
        const image = await this.build.finish({ signal: this.signal });
        this.end({ status: "built", image });
        return this.current;
      }
    }
  }

  private stand(position: number, reason: StopReason, note?: string): SessionState {
    const { steps } = this.build;
    const at = position > steps.length ? "after" : "before";
    const step = this.stepAt(Math.min(position, steps.length));
    return this.stop({
      step,
      at,
      reason: at === "after" && reason === "step" ? "end" : reason,
      failure: undefined,
      note: reason === "breakpoint" || note !== reason ? note : undefined,
    });
  }

  private stepAt(number: number): Step {
    const step = this.build.steps[number - 1];
    if (!step) throw new SessionStateError(`Step ${String(number)} is gone`);
    return step;
  }

  private stop(where: Omit<StoppedState, "kind">): SessionState {
    const state: StoppedState = { kind: "stopped", ...where };
    this.callers.visit(state.step);
    this.current = state;
    this.emit({ type: "stopped", state });
    return state;
  }

  private async keep(): Promise<void> {
    if (this.options.keepAs !== undefined)
      await keepSteps(this.build, this.options.keepAs, (event) => this.emit(event));
  }

  /** At a stop there is nothing left to look at; what runs learns of it by itself. */
  private lose(error: EngineError): void {
    if (this.current.kind === "stopped") this.end({ status: "error", error });
    this.loss.abort(error);
  }

  private end(result: SessionResult): SessionResult {
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

  private emit(event: SessionEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}
