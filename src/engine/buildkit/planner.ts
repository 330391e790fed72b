import type { Dockerfile } from "../../dockerfile/syntax.js";
import { log } from "../../log.js";
import type { BuildRequest, Step } from "../engine.js";
import type { BuildSession } from "./build-session.js";
import { planError } from "./plan-error.js";
import { CallError } from "./failures.js";
import { planGraph, type PlannedGraph } from "./planned-graph.js";
import type { AskedRegistries } from "./registry-failure.js";
import type { Solver } from "./solver.js";

/** Plans one build, and plans it again when its Dockerfile or its context has changed. */
export class Planner {
  private readonly parts: {
    readonly request: BuildRequest;
    readonly session: BuildSession;
    readonly registries: AskedRegistries;
  };
  /** How often a plan was asked for; each asks for its files under a new name. */
  private plans = 0;
  /** How often the context changed on disk. */
  private contextVersion = 0;

  constructor(parts: Planner["parts"]) {
    this.parts = parts;
  }

  /**
   * Runs the frontend, which reads the Dockerfile and the base images' configurations. `dockerfile` is undefined where only
   * the engine can read it (a remote context); with `contextChanged` what is read of the context is read anew. Rejects with
   * what people are told.
   */
  async plan(
    solver: Solver,
    dockerfile: Dockerfile | undefined,
    options: { signal?: AbortSignal | undefined; contextChanged?: boolean },
  ): Promise<PlannedGraph> {
    const { request, session } = this.parts;
    if (options.contextChanged) await session.readDockerignoreAgain();
    // A name that failed is not asked for again: BuildKit would give the failure of the text that it had.
    this.plans += 1;
    const names = session.prepare(dockerfile, this.plans);
    let planned: PlannedGraph;
    try {
      const result = await solver.frontend(session.frontendOptions(names, dockerfile), options.signal);
      log("buildkit", "planned");
      planned = planGraph(result, { request, dockerfile });
    } catch (error) {
      throw error instanceof CallError ? planError(error, this.parts, dockerfile) : error;
    }
    if (options.contextChanged) this.contextVersion += 1;
    return this.contextVersion === 0 ? planned : planned.readingAgain(this.contextVersion);
  }

  /** What --no-cache asks for, of the steps that are not built yet. */
  rebuilding(planned: PlannedGraph, isBuilt: (step: Step) => boolean): PlannedGraph {
    const { noCache, noCacheFilter } = this.parts.request;
    return planned.rebuilding((step) => !isBuilt(step) && (noCache || noCacheFilter.includes(step.stage.label)));
  }
}

/** Numbers of the new plan's steps whose state the old plan has built already, wherever they stand in it. */
export function keptSteps(old: PlannedGraph, next: PlannedGraph, isBuilt: (step: Step) => boolean): Set<number> {
  const built = new Set(old.steps.filter(isBuilt).map((step) => old.place(step).after?.digest));
  return new Set(next.steps.filter((step) => built.has(next.place(step).after?.digest)).map(({ number }) => number));
}
