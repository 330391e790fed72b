import type { Build, Step, StepFailure } from "../engine/engine.js";
import type { Breakpoints } from "./breakpoints.js";
import type { ConditionFacts } from "./condition.js";
import type { Runner, RunOutcome } from "./runner.js";
import type { StopReason } from "./state.js";

/** Where a movement of the session came to. */
export type Arrival =
  | {
      readonly kind: "position";
      /** A step's number, or one more than the last for the end. */
      readonly position: number;
      readonly reason: StopReason;
      /** How it came there, for people. */
      readonly note?: string | undefined;
    }
  | { readonly kind: "failure"; readonly failure: StepFailure; readonly note?: string | undefined }
  /** Everything is built: the image can be made. */
  | { readonly kind: "built" };

export interface AdvanceParts {
  readonly build: Build;
  readonly runner: Runner;
  readonly breakpoints: Breakpoints;
  /** What breakpoints' conditions are about. */
  readonly facts: (position: number) => ConditionFacts;
}

/** Runs the build forwards: to a place, a breakpoint that holds, a failure, a pause or the end, whichever comes first. */
export class Advance {
  private readonly parts: AdvanceParts;

  constructor(parts: AdvanceParts) {
    this.parts = parts;
  }

  /** To the end, with a stop at every breakpoint from a position on, it included. */
  async from(position: number): Promise<Arrival> {
    const { build, breakpoints, runner } = this.parts;
    const hit = await this.toBreakpoint(breakpoints.positionsFrom(position));
    if (hit) return hit;
    return this.stopped(await runner.before(build.steps.length + 1)) ?? { kind: "built" };
  }

  /** To a position; breakpoints from another one on stop it on the way. */
  async to(position: number, from: number, note: string): Promise<Arrival> {
    const { breakpoints, runner } = this.parts;
    const hit = await this.toBreakpoint(breakpoints.positionsFrom(from).filter((one) => one < position));
    if (hit) return hit;
    return this.stopped(await runner.before(position)) ?? { kind: "position", position, reason: "step", note };
  }

  /** Over a step; undefined where nothing came in between. */
  async over(step: Step): Promise<Arrival | undefined> {
    return this.stopped(await this.parts.runner.step(step));
  }

  /** To the first of some positions whose breakpoint holds; undefined where none does and nothing came in between. */
  async toBreakpoint(positions: readonly number[]): Promise<Arrival | undefined> {
    const { breakpoints, facts, runner } = this.parts;
    for (const position of positions) {
      const stopped = this.stopped(await runner.before(position));
      if (stopped) return stopped;
      const hit = await breakpoints.stopAt(position, () => facts(position));
      if (hit) return { kind: "position", position, reason: "breakpoint", note: hit };
    }
    return undefined;
  }

  private stopped(outcome: RunOutcome): Arrival | undefined {
    if (outcome.status === "built") return undefined;
    if (outcome.status === "failed") return { kind: "failure", failure: outcome.failure };
    const { build } = this.parts;
    const first = build.steps.find((step) => !build.isBuilt(step));
    return { kind: "position", position: first?.number ?? build.steps.length + 1, reason: "pause" };
  }
}
