import type { Step } from "../engine/engine.js";

/** A step's identity across plans: a retry may renumber steps, but stage and place in it stay. */
export type StepKey = string;

/** See StepKey. */
export function stepKey(step: Step): StepKey {
  return `${String(step.stage.index)}/${String(step.stageStep)}`;
}

/** The steps of one plan as the graph that they are: the only place that follows `dependsOn`. Immutable. */
export class Route {
  readonly steps: readonly Step[];
  readonly #byNumber: ReadonlyMap<number, Step>;
  readonly #byKey: ReadonlyMap<StepKey, Step>;

  constructor(steps: readonly Step[]) {
    this.steps = steps;
    this.#byNumber = new Map(steps.map((step) => [step.number, step]));
    this.#byKey = new Map(steps.map((step) => [stepKey(step), step]));
  }

  get first(): Step | undefined {
    return this.steps[0];
  }

  get last(): Step | undefined {
    return this.steps.at(-1);
  }

  numbered(number: number): Step | undefined {
    return this.#byNumber.get(number);
  }

  /** The step of this plan that stands where `step`, of this plan or an earlier one, stood. */
  same(step: Step): Step | undefined {
    return this.#byKey.get(stepKey(step));
  }

  has(key: StepKey): boolean {
    return this.#byKey.has(key);
  }

  /** The steps that `targets` need, themselves included, in file order. */
  closure(targets: readonly Step[]): Step[] {
    const wanted = new Set<number>();
    const open = [...targets];
    for (let step = open.pop(); step; step = open.pop()) {
      if (wanted.has(step.number)) continue;
      wanted.add(step.number);
      for (const number of step.dependsOn) {
        const dependency = this.numbered(number);
        if (dependency) open.push(dependency);
      }
    }
    return this.steps.filter((step) => wanted.has(step.number));
  }

  /** The steps that must have run before `step`, in file order. */
  needs(step: Step): Step[] {
    return this.closure([step]).filter((other) => other.number !== step.number);
  }

  /** The steps that read the state of `step`, itself included, in file order. */
  dependents(step: Step): Step[] {
    const reached = new Set([step.number]);
    // One pass is enough where stages only name earlier ones; a stage never depends on a later one.
    for (const other of this.steps)
      if (other.dependsOn.some((number) => reached.has(number))) reached.add(other.number);
    return this.steps.filter((other) => reached.has(other.number));
  }

  /** The next step of the same stage. */
  nextInStage(step: Step): Step | undefined {
    const next = this.numbered(step.number + 1);
    return next?.stage.index === step.stage.index ? next : undefined;
  }

  previousInStage(step: Step): Step | undefined {
    const previous = this.numbered(step.number - 1);
    return previous?.stage.index === step.stage.index ? previous : undefined;
  }

  /** From `step` to the end of its stage. */
  restOfStage(step: Step): Step[] {
    return this.steps.filter((other) => other.stage.index === step.stage.index && other.number >= step.number);
  }

  /** The steps whose states the others of `steps` do not already include: running these runs all of them. */
  heads(steps: readonly Step[]): Step[] {
    const needed = new Set(steps.flatMap((step) => step.dependsOn));
    return steps.filter((step) => !needed.has(step.number));
  }
}
