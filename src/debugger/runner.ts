import type { Build, BuildEvent, Step, StepFailure } from "../engine/engine.js";
import { CancelledError } from "../errors.js";

export type RunOutcome =
  | { readonly status: "built" }
  | { readonly status: "failed"; readonly failure: StepFailure }
  /** `pause` was asked for: what ran then has ended, nothing new was begun. */
  | { readonly status: "paused" };

/**
 * How long the steps that a pause keeps may take to be known to the engine by their own name before the rest is given up:
 * an engine stops a step that nobody waits for. Milliseconds.
 */
const handOver = 150;

interface Run {
  /** Ends everything that this run has begun. */
  readonly all: AbortController;
  /** Set by the first pause: what ran then, waited for on its own. */
  kept: { readonly outcome: Promise<RunOutcome>; readonly abort: AbortController } | undefined;
}

/** Runs parts of a build so that they can be paused. One run at a time. */
export class Runner {
  private readonly build: Build;
  private readonly signal: AbortSignal;
  private readonly running = new Map<number, Step>();
  private current: Run | undefined;

  constructor(build: Build, signal: AbortSignal) {
    this.build = build;
    this.signal = signal;
  }

  /** Follows what runs; gets every event of the build. */
  take(event: BuildEvent): void {
    if (event.type === "plan") this.running.clear();
    if (event.type !== "step") return;
    if (event.status === "started") this.running.set(event.step.number, event.step);
    else this.running.delete(event.step.number);
  }

  /** Runs everything that stands before a position, the stages side by side; the whole build where it is the end. */
  async before(position: number): Promise<RunOutcome> {
    const { build } = this;
    if (position > build.steps.length) return this.pausable((signal) => build.runAll({ signal }));
    const targets = lastOfStages(build.steps.slice(0, position - 1)).filter((step) => !build.isBuilt(step));
    if (targets.length === 0) return { status: "built" };
    return this.pausable((signal) => this.together(targets, signal));
  }

  /** Runs one step, and what it needs. */
  async step(step: Step): Promise<RunOutcome> {
    if (this.build.isBuilt(step)) return { status: "built" };
    return this.pausable((signal) => this.together([step], signal));
  }

  /**
   * The first call keeps what runs now, and begins nothing new; the second interrupts it, too. Gives the steps that are
   * waited for; undefined where there is nothing left to pause.
   */
  pause(): readonly Step[] | undefined {
    const { current } = this;
    if (!current) return undefined;
    if (current.kept) {
      if (current.kept.abort.signal.aborted) return undefined;
      current.kept.abort.abort(new CancelledError());
      return [];
    }
    const steps = [...this.running.values()];
    const abort = new AbortController();
    const signal = AbortSignal.any([this.signal, abort.signal]);
    const outcome = this.together(steps, signal).then(
      (result): RunOutcome => (result.status === "failed" ? result : { status: "paused" }),
      (error: unknown): RunOutcome => {
        if (abort.signal.aborted && !this.signal.aborted) return { status: "paused" };
        throw error;
      },
    );
    outcome.catch(() => undefined);
    current.kept = { outcome, abort };
    setTimeout(() => current.all.abort(new CancelledError()), steps.length === 0 ? 0 : handOver);
    return steps;
  }

  private async pausable(work: (signal: AbortSignal) => Promise<RunOutcome>): Promise<RunOutcome> {
    const all = new AbortController();
    const run: Run = { all, kept: undefined };
    this.current = run;
    const keptNow = (): Run["kept"] => run.kept;
    try {
      const outcome = await work(AbortSignal.any([this.signal, all.signal]));
      return keptNow() && outcome.status === "built" ? { status: "paused" } : outcome;
    } catch (error) {
      const kept = keptNow();
      if (!kept || this.signal.aborted || !(error instanceof CancelledError)) throw error;
      return await kept.outcome;
    } finally {
      this.current = undefined;
    }
  }

  /** The first of them that fails ends the others. */
  private async together(steps: readonly Step[], signal: AbortSignal): Promise<RunOutcome> {
    const stop = new AbortController();
    const joined = AbortSignal.any([signal, stop.signal]);
    let failure: StepFailure | undefined;
    await Promise.all(
      steps.map(async (step) => {
        try {
          const result = await this.build.run(step, { signal: joined });
          if (result.status !== "failed") return;
          failure ??= result.failure;
          stop.abort(new CancelledError());
        } catch (error) {
          if (!stop.signal.aborted || signal.aborted) throw error;
        }
      }),
    );
    return failure ? { status: "failed", failure } : { status: "built" };
  }
}

/** The last step of each stage, of those given. */
function lastOfStages(steps: readonly Step[]): Step[] {
  return [...new Map(steps.map((step) => [step.stage, step])).values()];
}
