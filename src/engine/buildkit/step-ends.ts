import type { Step } from "../engine.js";
import type { StatusReader } from "./status.js";

/** How steps end that the stream of progress alone says nothing certain of. */
export class StepEnds {
  private readonly status: StatusReader;
  /** What is asked for by the calls that run. */
  private readonly wants = new Set<ReadonlySet<Step>>();

  constructor(status: StatusReader) {
    this.status = status;
  }

  /** Runs something that wants steps: those that are left running when nobody wants them any longer were stopped. */
  async wanting<T>(steps: readonly Step[], work: () => Promise<T>): Promise<T> {
    const want = new Set(steps);
    this.wants.add(want);
    try {
      return await work();
    } finally {
      this.wants.delete(want);
      this.status.skip(this.status.running().filter((step) => ![...this.wants].some((other) => other.has(step))));
    }
  }

  /**
   * Ends steps that a solve has been answered for; gives how the last of them ended. The stream lags a little behind the
   * answer, and it alone knows what came from the cache. `opOf` gives the op whose end is the step's, `durationMs` is what the
   * last one took where the stream does not say.
   */
  async settle(
    steps: readonly Step[],
    opOf: (step: Step) => string | undefined,
    durationMs = 0,
  ): Promise<"cached" | "done"> {
    const { status } = this;
    const open = steps.filter((step) => !status.isBuilt(step));
    await status.settled(open.map((step) => opOf(step)));
    const last = steps.at(-1);
    let result: "cached" | "done" = "cached";
    for (const step of steps) {
      const isCached = status.ended(opOf(step) ?? "")?.cached ?? !status.isRunning(step);
      result = isCached ? "cached" : "done";
      status.finishStep(step, result, step === last ? durationMs : 0);
    }
    return result;
  }
}
