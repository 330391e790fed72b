import { BuildError, DockerfileError, untilAborted } from "../../errors.js";
import { configAt, type StepConfiguration } from "../../dockerfile/config.js";
import { parseDockerfile } from "../../dockerfile/parse.js";
import { planBuild } from "../../dockerfile/plan.js";
import type { Dockerfile, Instruction, Plan } from "../../dockerfile/syntax.js";
import type { BuildRequest, ImageConfig, Step } from "../engine.js";
import type { LLBBridgeClient, Result } from "./gen/gateway.js";
import type { Metadata } from "@grpc/grpc-js";
import { cleaned } from "./failures.js";
import { BuildGraph, type Edge, type Vertex } from "./graph.js";
import type { Solver } from "./solver.js";
import { BuildkitState } from "./state.js";
import { StepMap, type StepPlace } from "./step-map.js";
import type { StatusPlan } from "./status.js";

const excludePatterns = "local.excludepatterns";

/** A plan and the graph that BuildKit's frontend made of the same Dockerfile. */
export class PlannedGraph implements StatusPlan {
  readonly plan: Plan;
  readonly graph: BuildGraph;
  /** What the frontend says of the result, the image's configuration included; goes to the exporter as it is. */
  readonly resultMetadata: Record<string, Buffer>;
  private readonly request: BuildRequest;
  private readonly map: StepMap;
  private readonly bases = new Map<number, Promise<ImageConfig>>();

  constructor(plan: Plan, graph: BuildGraph, resultMetadata: Record<string, Buffer>, request: BuildRequest) {
    this.plan = plan;
    this.graph = graph;
    this.resultMetadata = resultMetadata;
    this.request = request;
    this.map = new StepMap(graph, plan.steps);
  }

  get steps(): readonly Step[] {
    return this.plan.steps;
  }

  place(step: Step): StepPlace {
    return this.map.place(step);
  }

  stepsOf(digest: string): readonly Step[] {
    return this.map.stepsOf(digest);
  }

  triggerOf(digest: string): Instruction | undefined {
    return this.map.triggerOf(digest);
  }

  userOf(digest: string): Step | undefined {
    return this.map.userOf(this.graph, digest);
  }

  isLast(step: Step, digest: string): boolean {
    return this.map.place(step).after?.digest === digest;
  }

  followers(step: Step): readonly Step[] {
    const works = (other: Step): boolean => this.stepsOf(this.place(other).after?.digest ?? "").includes(other);
    return this.steps.filter((other) => other.dependsOn.includes(step.number) && !works(other));
  }

  /** The same plan with the ops of some steps, and of no others, run again whatever the cache holds. */
  rebuilding(wanted: (step: Step) => boolean): PlannedGraph {
    const graph = this.graph.withMetadata((vertex) => {
      const steps = this.stepsOf(vertex.digest);
      if (!vertex.metadata || steps.length === 0) return undefined;
      return { ...vertex.metadata, ignore_cache: steps.some(wanted) };
    });
    return new PlannedGraph(this.plan, graph, this.resultMetadata, this.request);
  }

  /** The steps that a step's state is made of, by whatever way, in file order. */
  ancestors(step: Step): readonly Step[] {
    const needed = new Set<number>();
    const pending = [...step.dependsOn];
    for (let number = pending.pop(); number !== undefined; number = pending.pop()) {
      if (needed.has(number)) continue;
      needed.add(number);
      pending.push(...(this.steps[number - 1]?.dependsOn ?? []));
    }
    return this.steps.filter(({ number }) => needed.has(number));
  }

  /**
   * The same plan, reading the folders of this machine anew. Within one build BuildKit reads a source once, and knows it by
   * its name and patterns (source/local): a pattern that matches nothing makes another one of it, and only what differs
   * from the last transfer is sent.
   */
  readingAgain(version: number): PlannedGraph {
    const graph = this.graph.withSources(({ identifier, attrs }) => {
      if (!identifier.startsWith("local://")) return undefined;
      const known = JSON.parse(attrs[excludePatterns] ?? "[]") as string[];
      return { ...attrs, [excludePatterns]: JSON.stringify([...known, `.dfdebug-version-${String(version)}`]) };
    });
    return new PlannedGraph(this.plan, graph, this.resultMetadata, this.request);
  }

  /** Variables, user, directory and image configuration as they stand before (or behind) a step's instruction. */
  configuration(solver: Solver, step: Step, when: "before" | "after"): Promise<StepConfiguration> {
    const { buildArgs, platform } = this.request;
    return configAt(this.plan, step, { when, buildArgs, platform, base: (from) => this.baseConfig(solver, from) });
  }

  /** A state as something to look into. Rejects with BuildError where it cannot be built. */
  async state(
    source: StateSource,
    edge: Edge | undefined,
    step: Step,
    when: "before" | "after",
    signal: AbortSignal | undefined,
  ): Promise<BuildkitState> {
    const [solved, { config }] = await Promise.all([
      source.solver.solve(edge, this.graph, signal),
      untilAborted(this.configuration(source.solver, step, when), signal),
    ]);
    if (solved.status === "failed")
      throw new BuildError(
        `The state ${when} step ${String(step.number)} could not be built: ${cleaned(solved.error.message)}`,
        {
          code: "STATE_BUILD",
          cause: solved.error,
          hint: "A step below it fails: `until NUMBER` stops at that one.",
        },
      );
    return new BuildkitState(source.bridge, source.metadata, { id: solved.id, edge, config });
  }

  /** The configuration of the image that a FROM names, asked for once. */
  private baseConfig(solver: Solver, from: Step): Promise<ImageConfig> {
    const known = this.bases.get(from.number);
    if (known) return known;
    const image = imageOf(this.graph, this.place(from).after);
    const config = image ? solver.imageConfig(image.name, image.vertex.op.platform) : Promise.resolve({});
    this.bases.set(from.number, config);
    config.catch(() => this.bases.delete(from.number));
    return config;
  }
}

/** What states are read through. */
export interface StateSource {
  readonly solver: Solver;
  readonly bridge: LLBBridgeClient;
  readonly metadata: Metadata;
}

/** The image at the bottom of a state, as the engine resolved its name. */
function imageOf(graph: BuildGraph, edge: Edge | undefined): { name: string; vertex: Vertex } | undefined {
  for (let at = graph.vertex(edge?.digest); at; at = graph.vertex(graph.baseOf(at)?.digest)) {
    const { op } = at.op;
    if (op?.$case === "source" && op.value.identifier.startsWith("docker-image://"))
      return { name: op.value.identifier.slice("docker-image://".length), vertex: at };
  }
  return undefined;
}

/** The plan of a request's Dockerfile. Throws DockerfileError. */
export function planRequest(request: BuildRequest, dockerfile: Dockerfile): Plan {
  return planBuild(dockerfile, {
    target: request.target,
    buildArgs: request.buildArgs,
    platform: request.platform,
    namedContexts: new Set(request.buildContexts.keys()),
  });
}

/** Brings the frontend's answer and our own plan of the same text together. */
export function planGraph(
  result: Result,
  input: { request: BuildRequest; dockerfile: Dockerfile | undefined },
): PlannedGraph {
  const value = result.result;
  if (value?.$case === "refs" || value?.$case === "refsDeprecated")
    throw new BuildError("This build has a result for each of several platforms", {
      code: "MULTI_PLATFORM",
      hint: "Build one platform at a time with --platform.",
    });
  // FROM scratch and nothing but metadata: an empty filesystem has no definition.
  const definition = value?.$case === "ref" ? value.value.def : undefined;
  const graph = new BuildGraph(definition ?? BuildGraph.empty());
  const dockerfile = input.dockerfile ?? parseServed(graph, input.request.dockerfileName);
  const plan = planRequest(input.request, dockerfile);
  return new PlannedGraph(plan, graph, result.metadata, input.request);
}

/** The Dockerfile that the engine read by itself (git, an archive): it comes with the graph's source map. */
function parseServed(graph: BuildGraph, file: string): Dockerfile {
  const info = graph.definition.Source?.infos[0];
  if (!info)
    throw new DockerfileError(`The engine did not say what it read as ${file}`, {
      code: "NO_SOURCE_MAP",
      file,
      hint: "Clone or unpack the context and build it from a folder.",
    });
  return parseDockerfile(info.data.toString("utf8"), { file });
}
