import type { Metadata } from "@grpc/grpc-js";
import { ContainerError, EngineError } from "../../errors.js";
import { parseDockerfile } from "../../dockerfile/parse.js";
import type { Dockerfile } from "../../dockerfile/syntax.js";
import type { Lifetime } from "../../lifetime.js";
import { log } from "../../log.js";
import type {
  Build,
  BuildEvent,
  BuildOutcome,
  BuildRequest,
  BuildResult,
  EngineCapabilities,
  FileChange,
  Ref,
  Step,
  StepConfiguration,
  StepContainer,
  StepContainerOptions,
  StepFailure,
  StepResult,
} from "../engine.js";
import { compareStates, type MountableState } from "./compare.js";
import type { BuildkitConnection } from "./connection.js";
import { DirtyState } from "./dirty-state.js";
import { exportState } from "./export.js";
import { CallError } from "./failures.js";
import { describeFailure, planError } from "./failure-report.js";
import type { Result } from "./gen/gateway.js";
import { GatewayContainer } from "./container.js";
import { containerSpec, dirtyRootId, ToolboxMounter } from "./environment.js";
import { planGraph, type PlannedGraph, type StateSource } from "./planned-graph.js";
import type { AskedRegistries } from "./registry-failure.js";
import type { Solver, SolvedFailure } from "./solver.js";
import type { BuildkitState } from "./state.js";
import type { StatusReader } from "./status.js";
import type { BuildSession } from "./build-session.js";

/** Everything that `BuildkitEngine.open` has set up for one build. */
export interface BuildParts {
  readonly request: BuildRequest;
  readonly connection: BuildkitConnection;
  readonly session: BuildSession;
  readonly metadata: Metadata;
  readonly status: StatusReader;
  readonly capabilities: Promise<EngineCapabilities>;
  /** The Control.Solve that lasts as long as the build; resolves with the exporter's answer after `Return`. */
  readonly outcome: Promise<Readonly<Record<string, string>>>;
  readonly ref: string;
  readonly lifetime: Lifetime;
  readonly emitter: BuildEvents;
  readonly solver: Solver;
  readonly registries: AskedRegistries;
}

/** Listeners of one build. Events before the first listener are kept for it: planning reports progress, too. */
export class BuildEvents {
  private readonly listeners = new Set<(event: BuildEvent) => void>();
  private early: BuildEvent[] | undefined = [];

  emit(event: BuildEvent): void {
    if (this.early) this.early.push(event);
    for (const listener of this.listeners) listener(event);
  }

  subscribe(listener: (event: BuildEvent) => void): () => void {
    this.listeners.add(listener);
    const early = this.early ?? [];
    this.early = undefined;
    for (const event of early) listener(event);
    return () => this.listeners.delete(listener);
  }
}

/** Milliseconds after which nobody waits for a step to begin. */
const longestStep = 3_600_000;

/** A build on BuildKit that can be stopped anywhere: one open Control.Solve, of which dfdebug is the frontend. */
export class BuildkitBuild implements Build {
  private readonly parts: BuildParts;
  private readonly solver: Solver;
  private readonly source: StateSource;
  private readonly toolbox: ToolboxMounter;
  private planned: PlannedGraph;
  /** How often the build was planned; later plans ask for their files under new names. */
  private plans = 1;
  /** How often the context changed on disk. */
  private contextVersion = 0;
  private readonly failures = new Map<number, SolvedFailure>();
  /**
   * The steps of ops that have failed, in any plan. BuildKit runs equal work once in a build: an op that became another one
   * (its context was read again) and still does the same fails at once, and the error names the first one.
   */
  private readonly failedOps = new Map<string, Step>();
  private readonly reports = new Map<number, StepFailure>();
  private finished = false;
  private prepares = false;

  private constructor(parts: BuildParts, planned: PlannedGraph) {
    this.parts = parts;
    this.solver = parts.solver;
    this.source = { solver: parts.solver, bridge: parts.connection.bridge, metadata: parts.metadata };
    this.planned = planned;
    this.toolbox = new ToolboxMounter(parts.request.toolbox, parts.solver, parts.session);
    parts.status.setPlan(planned, new Set());
  }

  /** Plans the build: runs the frontend, which reads the Dockerfile and the base images' configurations. */
  static async plan(parts: BuildParts, signal: AbortSignal | undefined): Promise<BuildkitBuild> {
    return new BuildkitBuild(parts, await solvePlan(parts, parts.request.dockerfile, 1, signal));
  }

  get dockerfile(): Dockerfile {
    return this.planned.plan.dockerfile;
  }

  get steps(): readonly Step[] {
    return this.planned.plan.steps;
  }

  get globals(): ReadonlyMap<string, string> {
    return this.planned.plan.globals;
  }

  subscribe(listener: (event: BuildEvent) => void): () => void {
    return this.parts.emitter.subscribe(listener);
  }

  async runAll(options: { signal?: AbortSignal }): Promise<BuildOutcome> {
    this.prepareForFailure();
    this.finishEmptyBases();
    this.parts.status.forgetFailures();
    const solved = await this.solver.solve(this.planned.graph.result, this.planned.graph, options.signal);
    if (solved.status === "failed") {
      const failure = await this.report(solved, undefined, options.signal);
      this.parts.status.skipRest();
      return { status: "failed", failure };
    }
    for (const step of this.steps) this.parts.status.finishStep(step, "cached", 0);
    return { status: "built" };
  }

  async run(step: Step, options: { signal?: AbortSignal }): Promise<StepResult> {
    const { status } = this.parts;
    const place = this.planned.place(step);
    const started = performance.now();
    this.prepareForFailure();
    this.finishEmptyBases();
    status.forgetFailures();
    const solved = await this.solver.solve(place.after, this.planned.graph, options.signal);
    if (solved.status === "failed")
      return { status: "failed", failure: await this.report(solved, step, options.signal) };
    // The stream lags a little behind the answer; it alone knows what came from the cache.
    const digest = place.vertex?.digest ?? place.after?.digest;
    if (digest) await status.until(() => status.ended(digest) !== undefined, 250);
    for (const before of this.planned.ancestors(step)) status.finishStep(before, "cached", 0);
    const cached = digest === undefined || status.ended(digest)?.cached !== false;
    status.finishStep(step, cached ? "cached" : "done", performance.now() - started);
    return { status: cached ? "cached" : "done" };
  }

  async replan(source: string, options: { signal?: AbortSignal; contextChanged?: boolean }): Promise<void> {
    const dockerfile = parseDockerfile(source, { file: this.dockerfile.file });
    if (options.contextChanged) await this.parts.session.readDockerignoreAgain();
    const asked = await solvePlan(this.parts, dockerfile, this.plans + 1, options.signal);
    this.plans += 1;
    if (options.contextChanged) this.contextVersion += 1;
    const planned = this.contextVersion === 0 ? asked : asked.readingAgain(this.contextVersion);
    this.failures.clear();
    this.reports.clear();
    const { noCache, noCacheFilter } = this.parts.request;
    const kept = keptSteps(this.planned, planned, (one) => this.isBuilt(one));
    this.planned = planned.rebuilding(
      (next) => !kept.has(next.number) && (noCache || noCacheFilter.includes(next.stage.label)),
    );
    this.parts.status.setPlan(this.planned, kept);
    this.parts.emitter.emit({ type: "plan", dockerfile: this.dockerfile, steps: this.steps });
  }

  before(step: Step, options: { signal?: AbortSignal }): Promise<Ref> {
    return this.planned.state(this.source, this.planned.place(step).before, step, "before", options.signal);
  }

  after(step: Step, options: { signal?: AbortSignal }): Promise<Ref> {
    return this.planned.state(this.source, this.planned.place(step).after, step, "after", options.signal);
  }

  async dirty(step: Step, options: { signal?: AbortSignal }): Promise<Ref> {
    this.requireDirty(step);
    const solved = this.failures.get(step.number);
    const { config } = await this.planned.configuration(this.solver, step, "before");
    options.signal?.throwIfAborted();
    const rootId = solved && dirtyRootId(this.planned, step, solved);
    return new DirtyState(rootId ?? "", config, () => this.openContainer(step, { state: "dirty", view: "inside" }));
  }

  configuration(step: Step, when: "before" | "after"): Promise<StepConfiguration> {
    return this.planned.configuration(this.solver, step, when);
  }

  async compare(before: Ref, after: Ref, options: { signal?: AbortSignal }): Promise<readonly FileChange[]> {
    const { connection, metadata } = this.parts;
    const toolbox = await this.toolbox.mount(options.signal);
    return compareStates(
      { connection, metadata, toolbox },
      before as MountableState,
      after as MountableState,
      options.signal,
    );
  }

  isBuilt(step: Step): boolean {
    return this.parts.status.isBuilt(step);
  }

  async openContainer(step: Step, options: StepContainerOptions): Promise<StepContainer> {
    const failure = this.failures.get(step.number);
    if (options.state === "dirty") this.requireDirty(step);
    const when = options.state === "after" ? "after" : "before";
    const [toolbox, state] = await Promise.all([
      this.toolbox.mount(options.signal),
      this.planned.state(this.source, this.planned.place(step)[when], step, when, options.signal),
    ]);
    const spec = await containerSpec({
      planned: this.planned,
      solver: this.solver,
      step,
      state,
      when,
      failure: options.state === "dirty" ? failure : undefined,
      view: options.view,
      toolbox,
      capabilities: await this.parts.capabilities,
      signal: options.signal,
    });
    const container = await GatewayContainer.open(
      this.parts.connection.bridge,
      this.parts.metadata,
      spec,
      options.signal,
    );
    return this.parts.lifetime.own(container);
  }

  async finish(options: { signal?: AbortSignal }): Promise<BuildResult> {
    const solved = await this.solver.solve(this.planned.graph.result, this.planned.graph, options.signal);
    if (solved.status === "failed")
      throw new EngineError("The build has not succeeded yet: there is no image to make", { code: "NOT_BUILT" });
    const result: Result = {
      result: solved.id === "" ? undefined : { $case: "ref", value: { id: solved.id, def: undefined } },
      metadata: this.planned.resultMetadata,
    };
    this.finished = true;
    await this.solver.return({ result, error: undefined }, options.signal);
    const response = await this.parts.outcome;
    log("buildkit", "image made");
    return {
      imageId: response["containerimage.digest"] ?? response["containerimage.config.digest"] ?? "",
      names: this.parts.request.names,
      metadata: { ...response, "buildx.build.ref": this.parts.ref },
    };
  }

  saveImage(ref: Ref, name: string | undefined, options: { signal?: AbortSignal }): Promise<string> {
    return exportState(this.parts, this.planned, ref as BuildkitState, name, options.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.finished) log("buildkit", "build ends without an image", { ref: this.parts.ref });
    await this.parts.lifetime[Symbol.asyncDispose]();
  }

  /**
   * A failure is to be opened at once: when a step is not found in the cache, the toolbox is brought into the engine, and
   * the base image's configuration asked for, while it runs. What fails here fails again, and is said, where it is needed.
   */
  private prepareForFailure(): void {
    const { request, status } = this.parts;
    if (!request.opensFailures || this.prepares) return;
    this.prepares = true;
    void status
      .until(() => status.running().length > 0, longestStep)
      .then(() => {
        const configurations = status.running().map((step) => this.configuration(step, "before"));
        return Promise.all([this.toolbox.mount(undefined), ...configurations]);
      })
      .catch(() => undefined);
  }

  /** FROM scratch has no work that anybody could report. */
  private finishEmptyBases(): void {
    for (const step of this.steps)
      if (step.instruction.keyword === "FROM" && step.dependsOn.length === 0 && !this.planned.place(step).after)
        this.parts.status.finishStep(step, "done", 0);
  }

  private requireDirty(step: Step): void {
    const dirty = this.reports.get(step.number)?.dirty;
    if (!dirty)
      throw new ContainerError(`Step ${String(step.number)} has not failed: it left no state of its own`, {
        code: "NO_DIRTY_STATE",
      });
    if (!dirty.available)
      throw new ContainerError(`The failed step's own state cannot be opened: ${dirty.reason}`, {
        code: "NO_DIRTY_STATE",
        hint: "The state before the step can: `shell`.",
      });
  }

  private async report(solved: SolvedFailure, wanted: Step | undefined, signal?: AbortSignal): Promise<StepFailure> {
    const { status } = this.parts;
    log("buildkit", "step failed", { code: solved.error.code });
    const blamed = await this.blame(solved.error, wanted);
    if (!blamed) throw planError(solved.error, this.parts, this.dockerfile);
    const place = this.planned.place(blamed);
    const digest = place.vertex?.digest ?? solved.error.vertex;
    if (digest) await status.until(() => status.ended(digest) !== undefined, 300);
    status.finishStep(blamed, "failed", 0);
    this.failures.set(blamed.number, solved);
    if (digest) this.failedOps.set(digest, blamed);
    const failure = await describeFailure({
      solved,
      step: blamed,
      planned: this.planned,
      source: this.source,
      streamError: digest && status.ended(digest)?.error,
      request: this.parts.request,
      capabilities: await this.parts.capabilities,
      signal,
    });
    this.reports.set(blamed.number, failure);
    log("buildkit", "failure described", { step: blamed.number });
    return failure;
  }

  /** A step of an earlier plan in this one. */
  private sameStep(old: Step | undefined): Step | undefined {
    return this.steps.find(
      ({ stage, instruction }) => stage.label === old?.stage.label && instruction.source === old.instruction.source,
    );
  }

  /** The step that an error is about: by the vertex in its details, else (20.10) by the vertex that the stream says failed. */
  private async blame(error: CallError, wanted: Step | undefined): Promise<Step | undefined> {
    const { status } = this.parts;
    const pick = (digest: string): Step | undefined => {
      const steps = this.planned.stepsOf(digest);
      const own = (wanted && steps.includes(wanted) ? wanted : steps[0]) ?? this.planned.userOf(digest);
      return own ?? this.sameStep(this.failedOps.get(digest));
    };
    if (error.vertex) return pick(error.vertex);
    await status.until(() => status.failed().some((digest) => pick(digest)), 1000);
    for (const digest of status.failed()) {
      const step = pick(digest);
      if (step) return step;
    }
    // 20.10 says only once what has failed.
    return this.sameStep([...this.failedOps.values()].at(-1));
  }
}

/** Numbers of the new plan's steps whose state the old plan has built already, wherever they stand in it. */
function keptSteps(old: PlannedGraph, next: PlannedGraph, isBuilt: (step: Step) => boolean): Set<number> {
  const built = new Set(old.steps.filter(isBuilt).map((step) => old.place(step).after?.digest));
  return new Set(next.steps.filter((step) => built.has(next.place(step).after?.digest)).map(({ number }) => number));
}

async function solvePlan(
  parts: BuildParts,
  dockerfile: Dockerfile | undefined,
  generation: number,
  signal: AbortSignal | undefined,
): Promise<PlannedGraph> {
  const names = parts.session.prepare(dockerfile, generation);
  const options = parts.session.frontendOptions(names, dockerfile);
  try {
    const result = await parts.solver.frontend(options, signal);
    log("buildkit", "planned");
    return planGraph(result, { request: parts.request, dockerfile });
  } catch (error) {
    throw error instanceof CallError ? planError(error, parts, dockerfile) : error;
  }
}
