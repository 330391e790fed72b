import type { Step } from "../engine/engine.js";

/** Which stages were gone into from which steps, and where the session has been. */
export class CallStack {
  private readonly calls: { readonly caller: number; readonly stage: number }[] = [];
  private readonly visited = new Set<number>();

  /** The session stops at a step: its stage need not be entered any more. */
  visit(step: Step): void {
    this.visited.add(step.stage.index);
  }

  hasVisited(step: Step): boolean {
    return this.visited.has(step.stage.index);
  }

  /** A stage is entered from a step that reads it. */
  enter(caller: Step, inside: Step): void {
    this.calls.push({ caller: caller.number, stage: inside.stage.index });
  }

  /** Where the end of a stage leads: to the step it was entered from; undefined where it was not, or has not ended. */
  returnFrom(step: Step, steps: readonly Step[]): number | undefined {
    const call = this.calls.at(-1);
    if (call?.stage !== step.stage.index || lastOfStage(step, steps) !== step) return undefined;
    this.calls.pop();
    return call.caller;
  }

  /** The session goes somewhere by itself: nothing returns any more. */
  clear(): void {
    this.calls.length = 0;
  }

  /** A new beginning: stages can be entered again. */
  forget(): void {
    this.clear();
    this.visited.clear();
  }
}

/** The first step of a stage that `step` reads and where the session has not been yet. */
export function stageToEnter(step: Step, steps: readonly Step[], callers: CallStack): Step | undefined {
  for (const number of step.dependsOn) {
    const other = steps[number - 1];
    if (!other || other.stage === step.stage || callers.hasVisited(other)) continue;
    return steps.find((one) => one.stage === other.stage);
  }
  return undefined;
}

/** The last step of a step's stage. */
export function lastOfStage(step: Step, steps: readonly Step[]): Step {
  return steps.findLast((one) => one.stage === step.stage) ?? step;
}

/** The number of the first step of a new plan that is not the same in the old one; one more than its last where all are. */
export function firstDifference(old: readonly Step[], next: readonly Step[]): number {
  const differs = next.findIndex((step, index) => {
    const before = old[index];
    return before?.instruction.source !== step.instruction.source || before.stage.label !== step.stage.label;
  });
  return differs < 0 ? next.length + 1 : differs + 1;
}
