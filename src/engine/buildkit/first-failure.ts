import type { Step } from "../engine.js";
import { cleaned, type CallError } from "./failures.js";
import type { Edge } from "./graph.js";
import type { PlannedGraph } from "./planned-graph.js";
import type { SolvedFailure, SolvedState } from "./solver.js";

/** What a failure is looked for in: an open build after a solve of it failed. */
export interface FailedBuild {
  /** As it is now: it may be another one after a solve. */
  planned(): PlannedGraph;
  isBuilt(step: Step): boolean;
  /** Builds `steps` up to an edge of the last one. */
  solve(steps: readonly Step[], edge: Edge | undefined): Promise<SolvedState | SolvedFailure>;
  /** Tells people why they wait. */
  warn(step: Step, message: string): void;
}

/** So long nobody asks why nothing more is said of a step that failed; milliseconds. */
const patience = 1_000;

/** A step and how it failed. */
export interface Culprit {
  readonly step: Step;
  readonly failure: SolvedFailure;
}

/**
 * The step that failed where the engine names none of this build: it makes one of equal work of two clients, and tells the
 * failure by the other one's op. So the steps are solved one by one, first those whose command the error has in it. Undefined
 * where none of them fails.
 */
export async function searchFailure(
  build: FailedBuild,
  error: CallError,
  steps: readonly Step[],
): Promise<Culprit | undefined> {
  const planned = build.planned();
  const unbuilt = steps.filter((step) => planned.place(step).vertex && !build.isBuilt(step));
  const named = unbuilt.filter((step) => {
    const command = commandOf(planned, step);
    return command !== undefined && error.message.includes(command);
  });
  for (const step of new Set([...named, ...unbuilt])) {
    const solved = await build.solve([...planned.ancestors(step), step], planned.place(step).after);
    if (solved.status === "failed") return step.instruction.keyword === "FROM" ? undefined : { step, failure: solved };
  }
  return undefined;
}

/**
 * How the steps below a failed one fail: BuildKit looks for a COPY's files before they have run. Undefined where they do not.
 * `words`: what the engine says of the failed one.
 */
export async function failureBelow(build: FailedBuild, step: Step, words: string): Promise<SolvedFailure | undefined> {
  const planned = build.planned();
  const steps = planned.ancestors(step);
  if (steps.every((one) => build.isBuilt(one))) return undefined;
  const number = String(step.number);
  const slow = setTimeout(() => {
    build.warn(step, `step ${number} fails: ${cleaned(words)}. What it stands on is built first, to open it there.`);
  }, patience);
  try {
    const solved = await build.solve(steps, planned.place(step).before);
    return solved.status === "failed" ? solved : undefined;
  } finally {
    clearTimeout(slow);
  }
}

/** The words of a RUN's process, as the engine's errors have them. */
function commandOf(planned: PlannedGraph, step: Step): string | undefined {
  const op = planned.place(step).vertex?.op.op;
  return op?.$case === "exec" ? op.value.meta?.args.join(" ") : undefined;
}
