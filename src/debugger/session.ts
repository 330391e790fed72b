import { replaceInstruction } from "../dockerfile/edit.js";
import type { Build, Ref, Step } from "../engine/engine.js";
import { CancelledError, DfdebugError, EngineError, SessionStateError, UsageError } from "../errors.js";
import { Breakpoints } from "./breakpoints.js";
import { StepChanges } from "./changes.js";
import { Draft } from "./draft.js";
import { factsAt } from "./facts.js";
import { keepSteps } from "./keep-steps.js";
import { LogBuffer } from "./log-buffer.js";
import { Runner, type RunOutcome } from "./runner.js";
import { matchSpec, parseSpec } from "./spec.js";
import type { PendingFix, SessionEvent, SessionResult, SessionState, StoppedState, StopReason } from "./state.js";
import { stepMoves } from "./step-moves.js";
import { StepStatuses } from "./step-statuses.js";
import { CallStack, firstDifference, lastOfStage, stageToEnter } from "./stepping.js";
import { whatHides, withTrial, type Trial } from "./trial.js";

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
  private current: SessionState = { kind: "idle" };

  constructor(build: Build, options: SessionOptions = {}) {
    this.build = build;
    this.options = options;
    this.signal = options.signal ? AbortSignal.any([options.signal, this.cancel.signal]) : this.cancel.signal;
    this.draft = new Draft(build, options.dockerfilePath);
    this.changes = new StepChanges(build);
    this.runner = new Runner(build, this.signal);
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
  here(stopped: StoppedState): Promise<Ref> {
    const options = { signal: this.signal };
    return stopped.at === "after" ? this.build.after(stopped.step, options) : this.build.before(stopped.step, options);
  }

  /** Begins: stops before the first step with `entry`, else runs to the first breakpoint, a failure, or the end. */
  async start(options: { entry?: boolean } = {}): Promise<SessionState> {
    this.require("idle", "start");
    if (options.entry) return this.stopAt(1, "entry");
    return this.moving(() => this.runFrom(1));
  }

  /** Runs to the next breakpoint, a failure, or the end, which makes the image. */
  async continue(): Promise<SessionState> {
    const stopped = this.require("stopped", "continue");
    this.callers.clear();
    return this.moving(() => this.runFrom(positionOf(stopped) + 1));
  }

  /** Runs the step and stops behind it; at the end, makes the image. */
  async next(): Promise<SessionState> {
    const stopped = this.require("stopped", "next");
    if (stopped.at === "after") return this.continue();
    const { step } = stopped;
    return this.moving(async () => {
      const outcome = await this.runner.step(step);
      if (outcome.status !== "built") return this.stopAfter(outcome);
      return this.stopAt(this.callers.returnFrom(step, this.build.steps) ?? step.number + 1, "step");
    });
  }

  /** Goes into a stage that the step reads, where the session has not stopped yet; else as `next`. */
  async stepIn(): Promise<SessionState> {
    const stopped = this.require("stopped", "step");
    const inside = stopped.at === "after" ? undefined : stageToEnter(stopped.step, this.build.steps, this.callers);
    if (!inside) return this.next();
    this.callers.enter(stopped.step, inside);
    return this.stopAt(
      inside.number,
      "step",
      `stage ${inside.stage.label}, which step ${String(stopped.step.number)} reads`,
    );
  }

  /** Runs to the end of the stage, and back to the step that it was entered from. Breakpoints on the way stop it. */
  async stepOut(): Promise<SessionState> {
    const stopped = this.require("stopped", "stepout");
    if (stopped.at === "after") return this.continue();
    const last = lastOfStage(stopped.step, this.build.steps);
    return this.moving(async () => {
      const inside = this.breakpoints.positionsFrom(stopped.step.number + 1).filter((one) => one <= last.number);
      const hit = await this.runToBreakpoint(inside);
      if (hit) return hit;
      const outcome = await this.runner.step(last);
      if (outcome.status !== "built") return this.stopAfter(outcome);
      return this.stopAt(this.callers.returnFrom(last, this.build.steps) ?? last.number + 1, "step");
    });
  }

  /** Goes back by steps, at most to the first; nothing runs. */
  async stepBack(count = 1): Promise<SessionState> {
    const stopped = this.require("stopped", "back");
    const position = positionOf(stopped);
    if (position === 1) throw new SessionStateError("back: this is the first step");
    this.callers.clear();
    return this.stopAt(Math.max(1, position - count), "step", "back");
  }

  /** Runs to a place, or goes back to it. Breakpoints on the way forwards stop it. Rejects with UsageError for a bad SPEC. */
  async until(written: string): Promise<SessionState> {
    const stopped = this.require("stopped", "until");
    const parsed = parseSpec(written);
    if (parsed.condition !== undefined)
      throw new UsageError("until takes no condition", { hint: "`tbreak SPEC if COND`, then `continue`." });
    const positions = matchSpec(parsed, this.build);
    const here = positionOf(stopped);
    const ahead = positions.find((position) => position > here);
    const target = ahead ?? positions.at(-1) ?? here;
    this.callers.clear();
    if (target <= here) return this.stopAt(target, "step", "until");
    return this.moving(() => this.runTo(target, here + 1, "until"));
  }

  /** Goes to the first step; nothing that is built runs again. */
  async restart(): Promise<SessionState> {
    this.require("stopped", "restart");
    this.callers.forget();
    return this.stopAt(1, "entry", "restart");
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
   * the change is pending: `continue` goes on, `writeFix` writes it. When it fails the session stops there again. Rejects
   * with DockerfileError when the text does not parse; then nothing has changed.
   */
  async retry(text: string, step?: Step): Promise<SessionState> {
    const stopped = this.require("stopped", "retry");
    const wanted = step ?? stopped.step;
    return this.moving(async () => {
      await this.replan(replaceInstruction(this.build.dockerfile, wanted.instruction, text));
      const next = this.stepAt(wanted.number);
      const outcome = await this.runner.step(next);
      if (outcome.status !== "built") return this.stopAfter(outcome);
      return this.stopAt(next.number, "step", "retry");
    });
  }

  /**
   * Takes another text of the Dockerfile. The build goes on from the first step that changed, with breakpoints where their
   * instructions are now; where only later steps changed, the session stays. Rejects with DockerfileError, changing nothing.
   */
  async edit(source: string): Promise<SessionState> {
    const stopped = this.require("stopped", "edit");
    return this.moving(async () => {
      const old = this.build.steps;
      const moves = await this.replan(source);
      const changed = firstDifference(old, this.build.steps);
      const here = Math.min(moves.get(positionOf(stopped)) ?? changed, this.build.steps.length + 1);
      if (changed <= here && changed <= this.build.steps.length) return this.runFrom(changed);
      return this.stopAt(here, "step", "edit");
    });
  }

  /**
   * Takes the Dockerfile, and with `contextChanged` the context, as they are on disk now. At a failure the build goes on from
   * the first step that is another one, or the failed one; elsewhere what changed is built, and the session stays, or stands
   * where the build became another one. Rejects with DockerfileError, changing nothing.
   */
  async reload(source: string, options: { contextChanged: boolean }): Promise<SessionState> {
    const stopped = this.require("stopped", "reload");
    return this.moving(async () => {
      const old = this.build.steps;
      const moves = await this.replan(source, options);
      this.draft.reloaded(source);
      const { steps } = this.build;
      const end = steps.length + 1;
      const unbuilt = steps.find((step) => !this.build.isBuilt(step))?.number ?? end;
      const changed = Math.min(firstDifference(old, steps), unbuilt);
      const here = moves.get(positionOf(stopped)) ?? (stopped.at === "after" ? end : changed);
      if (stopped.reason === "failure") return this.runFrom(Math.min(changed, here));
      return this.runTo(Math.min(here, end), changed, "reload");
    });
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
    return this.moving(async () => {
      const before = this.build.dockerfile.source;
      const moves = await this.replan(withTrial(this.build.dockerfile, stopped.step, trial));
      const step = this.stepAt(moves.get(stopped.step.number) ?? stopped.step.number);
      const hidden = await whatHides(this.build, step, trial);
      if (hidden !== undefined) {
        await this.replan(before);
        throw new SessionStateError(`set ${trial.kind} ${trial.name} has no effect here: ${hidden}`);
      }
      const first = stopped.step.stageStep === 1 ? 1 : step.number;
      return this.stopAt(first, "step", `${trial.kind} ${trial.name} set`);
    });
  }

  /**
   * Writes the pending change into the Dockerfile: whole or not at all, with its permissions. Rejects with UsageError when
   * there is no file, or when it changed since the build began.
   */
  writeFix(): Promise<void> {
    return this.draft.write();
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

  /** From a position on, it included: to the first breakpoint that holds, a failure, a pause or the image. */
  private async runFrom(position: number): Promise<SessionState> {
    const hit = await this.runToBreakpoint(this.breakpoints.positionsFrom(position));
    if (hit) return hit;
    const outcome = await this.runner.before(this.build.steps.length + 1);
    if (outcome.status !== "built") return this.stopAfter(outcome);
    await this.keep();
    const image = await this.build.finish({ signal: this.signal });
    this.end({ status: "built", image });
    return this.current;
  }

  /** Runs to a position; breakpoints from another one on stop it on the way. */
  private async runTo(position: number, from: number, note: string): Promise<SessionState> {
    const hit = await this.runToBreakpoint(this.breakpoints.positionsFrom(from).filter((one) => one < position));
    if (hit) return hit;
    const outcome = await this.runner.before(position);
    return outcome.status === "built" ? this.stopAt(position, "step", note) : this.stopAfter(outcome);
  }

  private async runToBreakpoint(positions: readonly number[]): Promise<SessionState | undefined> {
    for (const position of positions) {
      const outcome = await this.runner.before(position);
      if (outcome.status !== "built") return this.stopAfter(outcome);
      const hit = await this.breakpoints.stopAt(position, () => factsAt(this, position, this.signal));
      if (hit) return this.stopAt(position, "breakpoint", hit);
    }
    return undefined;
  }

  private async replan(
    source: string,
    options: { contextChanged?: boolean } = {},
  ): Promise<ReadonlyMap<number, number>> {
    const old = this.build.steps;
    const rebindStatuses = this.statuses.remember();
    await this.build.replan(source, { signal: this.signal, ...options });
    const moves = stepMoves(old, this.build.steps);
    this.breakpoints.rebind(moves, this.build);
    this.callers.clear();
    rebindStatuses(moves, this.build);
    return moves;
  }

  /** Runs a command that moves the session; what fails puts it back where it was, or ends it. */
  private async moving(work: () => Promise<SessionState>): Promise<SessionState> {
    const before = this.current;
    this.current = { kind: "running" };
    try {
      return await work();
    } catch (error) {
      if (error instanceof CancelledError) {
        await this.keep();
        this.end({ status: "cancelled" });
      } else if (before.kind === "stopped" && !(error instanceof EngineError)) this.current = before;
      else if (error instanceof DfdebugError) this.end({ status: "error", error });
      throw error;
    }
  }

  private stepAt(number: number): Step {
    const step = this.build.steps[number - 1];
    if (!step) throw new SessionStateError(`Step ${String(number)} is gone`);
    return step;
  }

  private stopAfter(outcome: Exclude<RunOutcome, { status: "built" }>): SessionState {
    if (outcome.status === "failed") {
      const { failure } = outcome;
      return this.stop({ step: failure.step, at: "before", reason: "failure", failure, note: undefined });
    }
    const first = this.build.steps.find((step) => !this.build.isBuilt(step));
    return this.stopAt(first?.number ?? this.build.steps.length + 1, "pause");
  }

  private stopAt(position: number, reason: StopReason, note?: string): SessionState {
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

/** The position of a stop: its step's number, or one more at the end. */
export function positionOf(stopped: StoppedState): number {
  return stopped.at === "after" ? stopped.step.number + 1 : stopped.step.number;
}
