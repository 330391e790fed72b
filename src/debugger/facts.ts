import type { Build, Step } from "../engine/engine.js";
import { ContainerError } from "../errors.js";
import { changesFiles, summarize, type StepChanges } from "./changes.js";
import type { ConditionFacts } from "./condition.js";

/** What is known of a session at a position. */
export interface FactSource {
  readonly build: Build;
  readonly changes: StepChanges;
  statusOf(step: Step): "cached" | "done" | undefined;
}

/** What a condition can ask at a position, before anything is told of it to anybody. */
export function factsAt(source: FactSource, position: number, signal: AbortSignal): ConditionFacts {
  const { build, changes } = source;
  const { steps } = build;
  const isEnd = position > steps.length;
  const step = steps[Math.min(position, steps.length) - 1];
  if (!step) throw new RangeError(`no position ${String(position)}`);
  const when = isEnd ? "after" : "before";
  const before = stepBefore(steps, position);
  const options = { signal };
  const changed = async () => (before ? changes.of(before, options) : []);
  return {
    escape: build.dockerfile.escape,
    async variables() {
      const { env } = await build.configuration(step, when);
      const values = new Map(env.map(({ name, value }) => [name, value]));
      return { get: (name) => values.get(name) };
    },
    async cached() {
      const worked = before && stepThatWorked(steps, before);
      return worked !== undefined && source.statusOf(worked) === "cached";
    },
    async changed(path) {
      const wanted = normalized(path);
      return (await changed()).some((change) => change.path === wanted || change.path.startsWith(`${wanted}/`));
    },
    async exists(path) {
      const wanted = normalized(path);
      if (wanted === "") return true;
      const state = isEnd ? await build.after(step, options) : await build.before(step, options);
      try {
        await state.stat(wanted, options);
        return true;
      } catch (error) {
        if (error instanceof ContainerError && error.code === "NOT_FOUND") return false;
        throw error;
      }
    },
    async size() {
      return summarize(await changed())?.bytes ?? 0;
    },
  };
}

/** The step before a position in the file, whichever stage it is in: what `next` has just run. */
export function previousStep(steps: readonly Step[], position: number): Step | undefined {
  return steps[position - 2];
}

/** The step whose work is seen at a position: the one before it in its stage; the last one at the end. */
export function stepBefore(steps: readonly Step[], position: number): Step | undefined {
  const here = steps[position - 1];
  if (here?.stageStep === 1) return undefined;
  return steps[position - 2];
}

/** Instructions that only change the configuration come from wherever the last one came from that did work. */
function stepThatWorked(steps: readonly Step[], step: Step): Step {
  return (
    steps
      .slice(0, step.number)
      .findLast((one) => one.stage === step.stage && (changesFiles(one) || one.stageStep === 1)) ?? step
  );
}

function normalized(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  return parts.map((part) => `/${part}`).join("");
}
