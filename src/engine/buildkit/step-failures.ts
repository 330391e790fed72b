import { status as grpcStatus } from "@grpc/grpc-js";
import { ContainerError } from "../../errors.js";
import { log } from "../../log.js";
import type { BuildRequest, EngineCapabilities, Step, StepFailure } from "../engine.js";
import { failureBelow, searchFailure, type Culprit, type FailedBuild } from "./first-failure.js";
import { CallError } from "./failures.js";
import { describeFailure } from "./failure-report.js";
import type { PlannedGraph, StateSource } from "./planned-graph.js";
import type { SolvedFailure } from "./solver.js";
import type { StatusReader } from "./status.js";
import type { Vertex } from "./graph.js";
import type { StepPlace } from "./step-map.js";

/** What a report is made from. */
export interface FailureContext {
  readonly source: () => StateSource;
  readonly request: BuildRequest;
  readonly capabilities: Promise<EngineCapabilities>;
  /** The step that was asked for. */
  readonly wanted: Step | undefined;
  /** The steps that were solved. */
  readonly steps: readonly Step[];
  /** Where the failure is looked for when it is not known whose it is. Its plan and its solve may be others after that. */
  readonly build: FailedBuild;
  readonly signal: AbortSignal | undefined;
}

/** Milliseconds after which a failure in the stream is no longer looked for. */
const longestSolve = 24 * 3_600_000;
/** Milliseconds that the engine has to stop what runs beside a failed step, and to answer. */
const longestStop = 1_000;

/** Whose failure it is, and the op that failed; undefined where that is the step's own. */
interface Blamed extends Culprit {
  readonly digest?: string;
}

/** What failed in one build: whose failure it is, and what is to be said and opened of it. */
export class StepFailures {
  private readonly status: StatusReader;
  private readonly solved = new Map<number, SolvedFailure>();
  /** The ops of base images' ONBUILD triggers that failed, by their FROM. */
  private readonly triggers = new Map<number, Vertex>();
  private readonly reports = new Map<number, StepFailure>();
  /** Of the open solve, in any plan: digests of ops, and the texts of their instructions. */
  private readonly keptByEngine = new Set<string>();
  private hasStops = false;

  constructor(status: StatusReader) {
    this.status = status;
  }

  /** How a step of this plan failed. */
  of(step: Step): SolvedFailure | undefined {
    return this.solved.get(step.number);
  }

  /** Where a step stands; a FROM whose base image has a trigger that failed, where that one does. */
  place(step: Step, planned: PlannedGraph): StepPlace {
    const place = planned.place(step);
    const trigger = this.triggers.get(step.number);
    return trigger ? { ...place, before: planned.graph.baseOf(trigger), vertex: trigger } : place;
  }

  /** Whether the engine would give a failure again, without running anything, in place of one of these steps. */
  areKeptFor(steps: readonly Step[], planned: PlannedGraph): boolean {
    const kept = this.keptByEngine;
    // Equal work is the same to BuildKit, whatever op it is in: a context that was read again makes other ops of it.
    return steps.some(
      (step) => kept.has(planned.place(step).vertex?.digest ?? "") || kept.has(step.instruction.source),
    );
  }

  /** In the open solve a step failed, or was stopped. */
  get haveStopped(): boolean {
    return this.hasStops || this.keptByEngine.size > 0;
  }

  /** A step was stopped before its end. */
  noteStop(): void {
    this.hasStops = true;
  }

  /** Another plan, with other numbers; the engine keeps what failed all the same. */
  forgetPlan(): void {
    this.solved.clear();
    this.triggers.clear();
    this.reports.clear();
  }

  /** The engine keeps nothing any longer. */
  forgetAll(): void {
    this.forgetPlan();
    this.keptByEngine.clear();
    this.hasStops = false;
  }

  /**
   * What a solve of these steps comes to. The engine answers a failure when all steps beside the failed one have ended, and
   * it does not always succeed in stopping those that are just starting. For a step that leaves nothing to look into, which
   * the stream says failed, the answer is not waited for.
   */
  async answered<T>(
    steps: readonly Step[],
    planned: PlannedGraph,
    signal: AbortSignal | undefined,
    solve: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T | SolvedFailure> {
    const { status } = this;
    const digests = steps
      .filter((step) => !status.isBuilt(step))
      .map((step) => planned.place(step).vertex)
      .filter((vertex) => vertex?.op.op?.$case === "file")
      .map((vertex) => vertex?.digest ?? "");
    if (digests.length === 0) return solve(signal);
    const abandon = new AbortController();
    let isAnswered = false;
    const answer = solve(signal ? AbortSignal.any([signal, abandon.signal]) : abandon.signal).finally(() => {
      isAnswered = true;
    });
    const told = async (): Promise<T | SolvedFailure> => {
      const failed = (): string | undefined => status.failed().find((digest) => digests.includes(digest));
      await status.until(() => isAnswered || failed() !== undefined, longestSolve);
      if (failed() !== undefined) await status.until(() => isAnswered, longestStop);
      const digest = isAnswered ? undefined : failed();
      if (digest === undefined) return answer;
      log("buildkit", "failure taken from the stream");
      this.noteStop();
      const error = new CallError(status.ended(digest)?.error ?? "", { code: grpcStatus.UNKNOWN, vertex: digest });
      return { status: "failed", error };
    };
    try {
      return await Promise.race([answer, told()]);
    } finally {
      abandon.abort();
    }
  }

  /** Notes and describes the failure of a solve, or of what is below it; undefined where it is none of a step. */
  async report(failure: SolvedFailure, context: FailureContext): Promise<StepFailure | undefined> {
    const { request, build, wanted, steps } = context;
    log("buildkit", "step failed", { code: failure.error.code });
    let found = await this.blame(failure, build.planned(), { wanted });
    found ??= await searchFailure(build, failure.error, steps);
    while (found && request.opensFailures) {
      const earlier = await failureBelow(build, found.step, this.words(found));
      const among = build.planned().ancestors(found.step);
      const first: Blamed | undefined = earlier && (await this.blame(earlier, build.planned(), { among }));
      if (!first) break;
      found = first;
    }
    return found && this.describe(found, context);
  }

  /** An engine without error details says it in the stream alone. */
  private words({ digest, failure }: Blamed): string {
    return (digest && this.status.ended(digest)?.error) || failure.error.message;
  }

  private async describe(blamed: Blamed, context: FailureContext): Promise<StepFailure> {
    const { status } = this;
    const { request, capabilities, signal } = context;
    const planned = context.build.planned();
    const { step, failure: solved } = blamed;
    const digest = planned.place(step).vertex?.digest ?? blamed.digest;
    const trigger = step.instruction.keyword === "FROM" ? triggerOp(planned.graph.vertex(digest)) : undefined;
    if (digest) await status.until(() => status.ended(digest) !== undefined, 300);
    status.finishStep(step, "failed", 0);
    this.solved.set(step.number, solved);
    if (trigger) this.triggers.set(step.number, trigger);
    if (digest) this.keptByEngine.add(digest);
    this.keptByEngine.add(step.instruction.source);
    const failure = await describeFailure({
      source: context.source(),
      request,
      signal,
      solved,
      step,
      trigger,
      failedOp: planned.graph.vertex(blamed.digest ?? digest),
      planned,
      streamError: digest && status.ended(digest)?.error,
      capabilities: await capabilities,
    });
    this.reports.set(step.number, failure);
    log("buildkit", "failure described", { step: step.number });
    return failure;
  }

  /** Rejects with ContainerError NO_DIRTY_STATE where what the step left is not to be had. */
  requireDirty(step: Step): void {
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

  /**
   * The step that an error is about: by the vertex in its details, else (20.10) by the vertex that the stream says failed.
   * `among`: it is one of these.
   */
  private async blame(
    failure: SolvedFailure,
    planned: PlannedGraph,
    { wanted, among }: { wanted?: Step | undefined; among?: readonly Step[] },
  ): Promise<Blamed | undefined> {
    const { status } = this;
    const pick = (digest: string): Step | undefined => {
      const steps = planned.stepsOf(digest);
      const step = (wanted && steps.includes(wanted) ? wanted : steps[0]) ?? planned.userOf(digest);
      return step && (among?.includes(step) ?? true) ? step : undefined;
    };
    const { vertex } = failure.error;
    if (vertex) {
      const step = pick(vertex);
      return step && { step, digest: vertex, failure };
    }
    await status.until(() => status.failed().some((digest) => pick(digest)), 1000);
    for (const digest of status.failed()) {
      const step = pick(digest);
      if (step) return { step, digest, failure };
    }
    return undefined;
  }
}

/** An op of a base image that its trigger made: everything but the image itself. */
function triggerOp(vertex: Vertex | undefined): Vertex | undefined {
  return vertex && vertex.op.op?.$case !== "source" ? vertex : undefined;
}
