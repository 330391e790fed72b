import { replaceInstruction } from "../dockerfile/edit.js";
import type { Build, Step } from "../engine/engine.js";
import { SessionStateError } from "../errors.js";
import type { Advance, Arrival } from "./advance.js";
import type { Breakpoints } from "./breakpoints.js";
import type { Draft } from "./draft.js";
import { positionOf, type StoppedState } from "./state.js";
import { stepMoves, type StepMoves } from "./step-moves.js";
import type { StepStatuses } from "./step-statuses.js";
import { firstDifference, type CallStack } from "./stepping.js";
import { whatHides, withTrial, type Trial } from "./trial.js";

export interface RevisionParts {
  readonly build: Build;
  readonly advance: Advance;
  readonly breakpoints: Breakpoints;
  readonly callers: CallStack;
  readonly statuses: StepStatuses;
  readonly draft: Draft;
  readonly signal: AbortSignal;
}

/**
 * What is built becomes another text while the session stands: each way to change it, and where the session goes by it.
 * All reject with DockerfileError when the text does not parse; then nothing has changed.
 */
export class Revision {
  private readonly parts: RevisionParts;

  constructor(parts: RevisionParts) {
    this.parts = parts;
  }

  /** Replaces an instruction and runs it as a real step; while that has not worked it is an attempt. */
  async retry(step: Step, text: string): Promise<Arrival> {
    const { build, advance, draft } = this.parts;
    const { dockerfile, steps } = draft.attempt ?? build;
    const number = this.withoutAttempt(step.number);
    const replaced = steps[number - 1] ?? step;
    await this.replan(replaceInstruction(dockerfile, replaced.instruction, text));
    draft.attempt = build.dockerfile.source === dockerfile.source ? undefined : { number, dockerfile, steps };
    const next = this.stepAt(number);
    const arrival = await advance.over(next);
    if (build.isBuilt(next)) draft.attempt = undefined;
    if (arrival?.kind === "failure") return { ...arrival, note: "retry" };
    return arrival ?? { kind: "position", position: next.number, reason: "step", note: "retry" };
  }

  /** Puts back what a retry tried in vain; gives the position that another one has then. */
  async withdraw(position: number): Promise<number> {
    const { draft } = this.parts;
    const { attempt } = draft;
    if (!attempt) return position;
    const moved = this.withoutAttempt(position);
    await this.replan(attempt.dockerfile.source);
    return moved;
  }

  /** Another text of the whole Dockerfile: on from the first step that changed; where only later ones did, the session stays. */
  async edit(stopped: StoppedState, source: string): Promise<Arrival> {
    const { build, advance } = this.parts;
    const old = build.steps;
    const moves = await this.replan(source);
    const changed = firstDifference(old, build.steps);
    const here = Math.min(moves.get(positionOf(stopped)) ?? changed, build.steps.length + 1);
    if (changed <= here && changed <= build.steps.length) return advance.from(changed);
    return { kind: "position", position: here, reason: "step", note: "edit" };
  }

  /**
   * The Dockerfile, and with `contextChanged` the context, as they are on disk now. At a failure on from the first step that
   * is another one, or the failed one; elsewhere what changed is built, and the session stays, or stands where the build
   * became another one.
   */
  async reload(stopped: StoppedState, source: string, options: { contextChanged: boolean }): Promise<Arrival> {
    const { build, advance, draft } = this.parts;
    const old = build.steps;
    const moves = await this.replan(source, options);
    draft.reloaded(source);
    const { steps } = build;
    const end = steps.length + 1;
    const unbuilt = steps.find((step) => !build.isBuilt(step))?.number ?? end;
    const changed = Math.min(firstDifference(old, steps), unbuilt);
    const here = moves.get(positionOf(stopped)) ?? (stopped.at === "after" ? end : changed);
    if (stopped.reason === "failure") return advance.from(Math.min(changed, here));
    return advance.to(Math.min(here, end), changed, "reload");
  }

  /** Another value of a variable from a step on, in memory only. Rejects with SessionStateError where it has no effect. */
  async set(step: Step, trial: Trial): Promise<Arrival> {
    const { build, draft } = this.parts;
    const before = build.dockerfile.source;
    const { attempt } = draft;
    const { dockerfile, steps } = attempt ?? build;
    const wanted = steps[this.withoutAttempt(step.number) - 1] ?? step;
    const moves = await this.replan(withTrial(dockerfile, wanted, trial), { from: steps });
    const moved = this.stepAt(moves.get(wanted.number) ?? wanted.number);
    const hidden = await whatHides(build, moved, trial);
    if (hidden !== undefined) {
      await this.replan(before);
      draft.attempt = attempt;
      throw new SessionStateError(`set ${trial.kind} ${trial.name} has no effect here: ${hidden}`);
    }
    const position = step.stageStep === 1 ? 1 : moved.number;
    return { kind: "position", position, reason: "step", note: `${trial.kind} ${trial.name} set` };
  }

  /** Plans another text, in which there is no attempt; gives where the steps are that there were, or those of `from`. */
  private async replan(
    source: string,
    options: { contextChanged?: boolean; from?: readonly Step[] } = {},
  ): Promise<StepMoves> {
    const { build, breakpoints, callers, draft, signal, statuses } = this.parts;
    const { from, ...rest } = options;
    const old = build.steps;
    const rebindStatuses = statuses.remember();
    await build.replan(source, { signal, ...rest });
    draft.attempt = undefined;
    const moves = stepMoves(old, build.steps);
    breakpoints.rebind(moves, build);
    callers.clear();
    rebindStatuses(moves, build);
    return from ? stepMoves(from, build.steps) : moves;
  }

  /** The position that one of the present plan has without the attempt, which may have made several instructions of one. */
  private withoutAttempt(position: number): number {
    const { build, draft } = this.parts;
    const { attempt } = draft;
    if (!attempt || position <= attempt.number) return position;
    return Math.max(attempt.number, position - (build.steps.length - attempt.steps.length));
  }

  private stepAt(number: number): Step {
    const step = this.parts.build.steps[number - 1];
    if (!step) throw new SessionStateError(`Step ${String(number)} is gone`);
    return step;
  }
}
