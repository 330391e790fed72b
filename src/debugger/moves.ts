import type { Build, Step } from "../engine/engine.js";
import type { Advance, Arrival } from "./advance.js";
import type { Breakpoints } from "./breakpoints.js";
import { matchSpec, type ParsedSpec } from "./spec.js";
import { lastOfStage, stageToEnter, type CallStack } from "./stepping.js";

export interface MoveParts {
  readonly build: Build;
  readonly advance: Advance;
  readonly breakpoints: Breakpoints;
  readonly callers: CallStack;
}

/** The movements that a person steps by, each from where the session stands. docs/stepping.md has the rules. */
export class Moves {
  private readonly parts: MoveParts;

  constructor(parts: MoveParts) {
    this.parts = parts;
  }

  /** Over a step, and behind it. */
  async over(step: Step): Promise<Arrival> {
    return (await this.parts.advance.over(step)) ?? this.behind(step);
  }

  /** The first step of a stage that a step reads and the session has not stopped in. */
  stageBehind(step: Step): Step | undefined {
    const { build, callers } = this.parts;
    return stageToEnter(step, build.steps, callers);
  }

  /** Into a stage, from a step that reads it; its end leads back. */
  enter(caller: Step, first: Step): Arrival {
    this.parts.callers.enter(caller, first);
    const note = `stage ${first.stage.label}, which step ${String(caller.number)} reads`;
    return { kind: "position", position: first.number, reason: "step", note };
  }

  /** To the end of a step's stage, and where that leads. Breakpoints on the way stop it. */
  async out(step: Step): Promise<Arrival> {
    const { advance, breakpoints, build } = this.parts;
    const last = lastOfStage(step, build.steps);
    const inside = breakpoints.positionsFrom(step.number + 1).filter((one) => one <= last.number);
    return (await advance.toBreakpoint(inside)) ?? this.over(last);
  }

  /** To the next place that a specification means, else back to its last one. Breakpoints on the way forwards stop it. */
  async until(spec: ParsedSpec, here: number): Promise<Arrival> {
    const { advance, build } = this.parts;
    const positions = matchSpec(spec, build);
    const target = positions.find((position) => position > here) ?? positions.at(-1) ?? here;
    return target > here ? advance.to(target, here + 1, "until") : this.to(target, "until");
  }

  /** To a position whose state is there. */
  to(position: number, note: string): Arrival {
    return { kind: "position", position, reason: "step", note };
  }

  /** Behind a step that ran: where its stage was entered from, else at the next one. */
  private behind(step: Step): Arrival {
    const { build, callers } = this.parts;
    const position = callers.returnFrom(step, build.steps) ?? step.number + 1;
    return { kind: "position", position, reason: "step" };
  }
}
