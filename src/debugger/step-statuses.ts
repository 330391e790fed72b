import type { Build, BuildEvent, Step } from "../engine/engine.js";
import type { StepMoves } from "./step-moves.js";

/** How steps ended in a session: what was run, and what came from the cache. */
export class StepStatuses {
  private readonly statuses = new Map<number, "cached" | "done">();

  /** Gets every event of the build. */
  take(event: BuildEvent): void {
    if (event.type === "step" && (event.status === "cached" || event.status === "done"))
      this.statuses.set(event.step.number, event.status);
  }

  /** Undefined where the step did not run yet. */
  of(step: Step): "cached" | "done" | undefined {
    return this.statuses.get(step.number);
  }

  /** For a plan that takes the place of another: what is still built ended as it did. Called before the build is planned. */
  remember(): (moves: StepMoves, build: Build) => void {
    const before = new Map(this.statuses);
    return (moves, build) => {
      this.statuses.clear();
      for (const [from, to] of moves) {
        const status = before.get(from);
        const step = build.steps[to - 1];
        if (status && step && build.isBuilt(step)) this.statuses.set(to, status);
      }
    };
  }
}
