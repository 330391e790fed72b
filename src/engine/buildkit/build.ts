import { CancelledError, EngineError, untilAborted } from "../../errors.js";
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
import type { BuildEvents } from "./build-events.js";
import { compareStates, type MountableState } from "./compare.js";
import type { BuildkitConnection } from "./connection.js";
import { DirtyState } from "./dirty-state.js";
import { exportState } from "./export.js";
import type { FailedBuild } from "./first-failure.js";
import { planError } from "./plan-error.js";
import type { Result } from "./gen/gateway.js";
import type { Edge } from "./graph.js";
import { GatewayContainer } from "./container.js";
import { containerSpec, dirtyRootId, requireShared, ToolboxMounter } from "./environment.js";
import type { PlannedGraph, StateSource } from "./planned-graph.js";
import { keptSteps, Planner } from "./planner.js";
import type { AskedRegistries } from "./registry-failure.js";
import type { OpenSolve } from "./open-solve.js";
import type { SolvedFailure, SolvedState } from "./solver.js";
import type { BuildkitState } from "./state.js";
import type { StatusReader } from "./status.js";
import { StepEnds } from "./step-ends.js";
import { StepFailures } from "./step-failures.js";
import type { BuildSession } from "./build-session.js";

/** Everything that `BuildkitEngine.open` has set up for one build. */
export interface BuildParts {
  readonly request: BuildRequest;
  readonly connection: BuildkitConnection;
  readonly session: BuildSession;
  readonly status: StatusReader;
  readonly capabilities: Promise<EngineCapabilities>;
  /** The first solve. */
  readonly solve: OpenSolve;
  /** Opens another one, whose progress goes to `status` from then on. */
  readonly openSolve: () => OpenSolve;
  readonly lifetime: Lifetime;
  readonly emitter: BuildEvents;
  readonly registries: AskedRegistries;
}

/** Milliseconds after which nobody waits for a step to begin. */
const longestStep = 3_600_000;

/**
 * A build on BuildKit that can be stopped anywhere: an open Control.Solve, of which dfdebug is the frontend. A step that
 * failed is run again in another one, where all that was built comes from the cache.
 */
export class BuildkitBuild implements Build {
  private readonly parts: BuildParts;
  private readonly failures: StepFailures;
  private readonly ends: StepEnds;
  private readonly planner: Planner;
  private solve: OpenSolve;
  private toolbox: ToolboxMounter;
  private planned: PlannedGraph;
  private finished = false;
  private prepares = false;
  private reopening: Promise<void> | undefined;

  private constructor(parts: BuildParts, planner: Planner, planned: PlannedGraph) {
    this.parts = parts;
    this.solve = parts.solve;
    this.planner = planner;
    this.planned = planned;
    this.failures = new StepFailures(parts.status);
    this.ends = new StepEnds(parts.status);
    this.toolbox = new ToolboxMounter(parts.request.toolbox, parts.solve.solver, parts.session);
    parts.status.setPlan(planned, new Set());
  }

  /** Plans the build: runs the frontend, which reads the Dockerfile and the base images' configurations. */
  static async plan(parts: BuildParts, signal: AbortSignal | undefined): Promise<BuildkitBuild> {
    const planner = new Planner(parts);
    const planned = await planner.plan(parts.solve.solver, parts.request.dockerfile, { signal });
    return new BuildkitBuild(parts, planner, planned);
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

  runAll(options: { signal?: AbortSignal }): Promise<BuildOutcome> {
    return this.ends.wanting(this.steps, () => this.solveAll(options));
  }

  run(step: Step, options: { signal?: AbortSignal }): Promise<StepResult> {
    const steps = [...this.planned.ancestors(step), step];
    return this.ends.wanting(steps, () => this.solveTo(step, steps, options));
  }

  private async solveAll(options: { signal?: AbortSignal }): Promise<BuildOutcome> {
    await this.dropFailures(this.steps);
    this.prepareForFailure();
    this.finishEmptyBases();
    this.parts.status.forgetFailures();
    const solved = await this.solveSteps(this.steps, this.planned.graph.result, options.signal);
    if (solved.status === "failed") {
      const failure = await this.report(solved, this.steps, options.signal);
      this.parts.status.skip(this.steps);
      return { status: "failed", failure };
    }
    await this.ends.settle(this.steps, (step) => this.opOf(step));
    return { status: "built" };
  }

  private async solveTo(step: Step, steps: readonly Step[], options: { signal?: AbortSignal }): Promise<StepResult> {
    await this.dropFailures(steps);
    const started = performance.now();
    this.prepareForFailure();
    this.finishEmptyBases();
    this.parts.status.forgetFailures();
    const solved = await this.solveSteps(steps, this.planned.place(step).after, options.signal);
    if (solved.status === "failed")
      return { status: "failed", failure: await this.report(solved, steps, options.signal, step) };
    const status = await this.ends.settle(steps, (one) => this.opOf(one), performance.now() - started);
    return { status };
  }

  /** The op whose end is the step's. */
  private opOf(step: Step): string | undefined {
    const { vertex, after } = this.planned.place(step);
    return vertex?.digest ?? after?.digest;
  }

  async replan(source: string, options: { signal?: AbortSignal; contextChanged?: boolean }): Promise<void> {
    const dockerfile = parseDockerfile(source, { file: this.dockerfile.file });
    const planned = await this.planner.plan(this.solve.solver, dockerfile, options);
    this.failures.forgetPlan();
    const kept = keptSteps(this.planned, planned, (one) => this.isBuilt(one));
    this.planned = this.planner.rebuilding(planned, (next) => kept.has(next.number));
    this.parts.status.setPlan(this.planned, kept);
    this.parts.emitter.emit({ type: "plan", dockerfile: this.dockerfile, steps: this.steps });
  }

  before(step: Step, options: { signal?: AbortSignal }): Promise<Ref> {
    return this.planned.state(
      this.source,
      this.failures.place(step, this.planned).before,
      step,
      "before",
      options.signal,
    );
  }

  after(step: Step, options: { signal?: AbortSignal }): Promise<Ref> {
    return this.planned.state(this.source, this.planned.place(step).after, step, "after", options.signal);
  }

  async dirty(step: Step, options: { signal?: AbortSignal }): Promise<Ref> {
    this.failures.requireDirty(step);
    const solved = this.failures.of(step);
    const { config } = await this.planned.configuration(this.solve.solver, step, "before");
    options.signal?.throwIfAborted();
    const rootId = solved && dirtyRootId(this.failures.place(step, this.planned), solved);
    return new DirtyState(rootId ?? "", config, () => this.openContainer(step, { state: "dirty", view: "inside" }));
  }

  configuration(
    step: Step,
    when: "before" | "after",
    options: { signal?: AbortSignal } = {},
  ): Promise<StepConfiguration> {
    return untilAborted(this.planned.configuration(this.solve.solver, step, when), options.signal);
  }

  async compare(before: Ref, after: Ref, options: { signal?: AbortSignal }): Promise<readonly FileChange[]> {
    const { connection } = this.parts;
    const { metadata } = this.solve;
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
    const failure = this.failures.of(step);
    if (options.state === "dirty") this.failures.requireDirty(step);
    const when = options.state === "after" ? "after" : "before";
    const place = this.failures.place(step, this.planned);
    if (options.alongside) requireShared(step, place);
    const [toolbox, state] = await Promise.all([
      this.toolbox.mount(options.signal),
      this.planned.state(this.source, place[when], step, when, options.signal),
    ]);
    const spec = await containerSpec({
      planned: this.planned,
      solver: this.solve.solver,
      step,
      place,
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
      this.solve.metadata,
      spec,
      options.signal,
    );
    return this.parts.lifetime.own(container);
  }

  async finish(options: { signal?: AbortSignal }): Promise<BuildResult> {
    const solved = await this.solve.solver.solve(this.planned.graph.result, this.planned.graph, options.signal);
    if (solved.status === "failed")
      throw new EngineError("The build has not succeeded yet: there is no image to make", { code: "NOT_BUILT" });
    const result: Result = {
      result: solved.id === "" ? undefined : { $case: "ref", value: { id: solved.id, def: undefined } },
      metadata: this.planned.resultMetadata,
    };
    this.finished = true;
    const response = await this.solve.finish(result, options.signal);
    log("buildkit", "image made");
    return {
      imageId: response["containerimage.digest"] ?? response["containerimage.config.digest"] ?? "",
      names: this.parts.request.names,
      metadata: { ...response, "buildx.build.ref": this.solve.ref },
    };
  }

  saveImage(ref: Ref, name: string | undefined, options: { signal?: AbortSignal }): Promise<string> {
    return exportState(this.parts, this.planned, ref as BuildkitState, name, options.signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.finished) log("buildkit", "build ends without an image", { ref: this.solve.ref });
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

  /** `steps`: what was solved. */
  private async report(
    solved: SolvedFailure,
    steps: readonly Step[],
    signal: AbortSignal | undefined,
    wanted?: Step,
  ): Promise<StepFailure> {
    const { request, capabilities } = this.parts;
    const source = (): StateSource => this.source;
    const build = this.failed(signal);
    const failure = await this.failures.report(solved, { source, request, capabilities, wanted, steps, build, signal });
    if (!failure) throw planError(solved.error, this.parts, this.dockerfile);
    return failure;
  }

  /** Where a failure is looked for. Its steps were stopped, and are to run. */
  private failed(signal: AbortSignal | undefined): FailedBuild {
    const { emitter } = this.parts;
    return {
      planned: () => this.planned,
      isBuilt: (step) => this.isBuilt(step),
      solve: async (steps, edge) => {
        this.failures.noteStop();
        this.parts.status.restart(steps);
        await this.dropFailures(steps);
        return this.solveSteps(steps, edge, signal);
      },
      warn: (step, message) => {
        const { start } = step.instruction.range;
        emitter.emit({ type: "warning", step, message, detail: [], url: undefined, line: start.line });
      },
    };
  }

  private get source(): StateSource {
    const { solver, metadata } = this.solve;
    return { solver, metadata, bridge: this.parts.connection.bridge };
  }

  /**
   * What failed is to run again: BuildKit keeps a failure, and gives it to all equal work, as long as the solve is open. A
   * context that came on standard input cannot be sent a second time: there a failure stays.
   */
  private async dropFailures(steps: readonly Step[]): Promise<void> {
    const { capabilities, request } = this.parts;
    // Without details of errors it is Engine 20.10, which cannot even run again what it stopped because of another step
    // (moby/buildkit#3748: duplicate output).
    const { dirtyState: runsStoppedAgain } = await capabilities;
    const isSpent = runsStoppedAgain ? this.failures.areKeptFor(steps, this.planned) : this.failures.haveStopped;
    if (!this.reopening && isSpent && request.context.kind !== "archive")
      this.reopening = this.reopen().finally(() => {
        this.reopening = undefined;
      });
    // Steps that are begun at the same moment run in the same solve: another of them may need a new one.
    await Promise.resolve();
    await this.reopening;
  }

  private async solveSteps(
    steps: readonly Step[],
    edge: Edge | undefined,
    signal: AbortSignal | undefined,
  ): Promise<SolvedState | SolvedFailure> {
    const { solver } = this.solve;
    try {
      return await this.failures.answered(steps, this.planned, signal, (either) =>
        solver.solve(edge, this.planned.graph, either),
      );
    } catch (error) {
      if (error instanceof CancelledError) this.failures.noteStop();
      throw error;
    }
  }

  private async reopen(): Promise<void> {
    log("buildkit", "solve again", { ref: this.solve.ref });
    await this.solve.close();
    this.solve = this.parts.openSolve();
    await this.solve.solver.ping();
    this.failures.forgetAll();
    this.toolbox = this.toolbox.in(this.solve.solver);
    this.planned = this.planner.rebuilding(this.planned, (step) => this.isBuilt(step));
    this.prepares = false;
  }
}
