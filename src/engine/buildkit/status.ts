import type { ClientReadableStream } from "@grpc/grpc-js";
import { log } from "../../log.js";
import type { BuildEvent, Step } from "../engine.js";
import { ownVertex } from "./build-session.js";
import type { StatusResponse, Vertex, VertexLog, VertexStatus, VertexWarning } from "./gen/control.js";
import type { Timestamp } from "./gen/google/protobuf/timestamp.js";

/** What the progress reader needs to know of the plan, which changes when the build is planned again. */
export interface StatusPlan {
  readonly steps: readonly Step[];
  /** The steps an op does the work of. */
  stepsOf(digest: string): readonly Step[];
  /** Whether the step's own op is `digest`, or (FROM) the last one of several. */
  isLast(step: Step, digest: string): boolean;
  /** Steps that are finished as soon as the given one is: instructions that change no file, FROM of a stage. */
  followers(step: Step): readonly Step[];
}

/** A wait is counted in this many slices, of 25 milliseconds at least. */
const waitSlices = 20;
/** How far the stream may lag behind a call's answer, in milliseconds: for ops that were not seen yet, and for those that began. */
const unseenLag = 500;
const begunLag = 5_000;

/** How a vertex ended, remembered for results and for engines whose errors carry no details. */
export interface VertexEnd {
  readonly cached: boolean;
  readonly error: string;
}

/**
 * Turns BuildKit's Status stream into build events. A vertex may start and end several times (its cache key first, its
 * content later): a step is started once and ended once.
 */
export class StatusReader {
  private plan: StatusPlan | undefined;
  private previous: StatusPlan | undefined;
  private readonly ends = new Map<string, VertexEnd>();
  private readonly stepStates = new Map<number, "started" | "built" | "failed">();
  private readonly activities = new Map<string, "started" | "ended">();
  private readonly waiters = new Set<() => void>();
  private readonly emit: (event: BuildEvent) => void;
  private stream: ClientReadableStream<StatusResponse> | undefined;
  private named: Vertex[] = [];

  constructor(emit: (event: BuildEvent) => void) {
    this.emit = emit;
  }

  /**
   * Reads until the stream ends, in place of the one that was read before. Errors of the stream are not the build's: the
   * calls that fail say so themselves.
   */
  read(stream: ClientReadableStream<StatusResponse>): void {
    this.stream = stream;
    this.activities.clear();
    this.named = [];
    stream.on("data", (response: StatusResponse) => {
      if (this.stream === stream) this.take(response);
    });
    const close = (): void => {
      if (this.stream === stream) this.stream = undefined;
      this.wake();
    };
    stream.on("error", close);
    stream.on("end", close);
  }

  /** Steps can be told from now on; a new plan starts with fresh steps, but for those (by number) that are built already. */
  setPlan(plan: StatusPlan, built: ReadonlySet<number>): void {
    this.previous = this.plan;
    this.plan = plan;
    this.stepStates.clear();
    for (const number of built) this.stepStates.set(number, "built");
  }

  /** How the vertex ended so far. */
  ended(digest: string): VertexEnd | undefined {
    return this.ends.get(digest);
  }

  /** Digests of vertexes that ended with an error of their own. */
  failed(): string[] {
    return [...this.ends].filter(([, end]) => end.error !== "" && !isCancellation(end.error)).map(([digest]) => digest);
  }

  /** The steps that have begun and not ended. */
  running(): readonly Step[] {
    return this.plan?.steps.filter((step) => this.isRunning(step)) ?? [];
  }

  /** Whether the step has begun and not ended. */
  isRunning(step: Step): boolean {
    return this.stepStates.get(step.number) === "started";
  }

  /** Waits until `done` holds, at most `timeoutMs`: the stream lags behind the calls' answers. */
  async until(done: () => boolean, timeoutMs: number): Promise<void> {
    // In slices: what came while this process had no turn is read before the time is up.
    const longest = Math.max(25, timeoutMs / waitSlices);
    for (let left = timeoutMs; left > 0 && !done() && this.stream;) {
      const since = performance.now();
      const slice = Math.min(left, longest);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.waiters.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, slice);
        this.waiters.add(wake);
      });
      left -= Math.min(slice, performance.now() - since);
    }
  }

  /** Waits until it is known how some ops ended that a solve has been answered for; undefined ones need no waiting. */
  async settled(digests: readonly (string | undefined)[]): Promise<void> {
    const missing = (): string[] => digests.filter((one) => one !== undefined).filter((one) => !this.ends.has(one));
    await this.until(() => missing().length === 0, unseenLag);
    // An op that was seen to begin is certain to be seen to end.
    const begun = (): boolean => missing().some((one) => this.plan?.stepsOf(one).some((step) => this.isRunning(step)));
    await this.until(() => !begun(), begunLag);
  }

  /** Marks a step as ended without a vertex of its own having said so. */
  finishStep(step: Step, status: "cached" | "done" | "failed", durationMs: number): void {
    if (this.hasEnded(step)) return;
    this.stepStates.set(step.number, status === "failed" ? "failed" : "built");
    this.emit({ type: "step", step, status, durationMs });
    if (status === "failed") return;
    for (const follower of this.plan?.followers(step) ?? [])
      this.finishStep(follower, follower.instruction.keyword === "FROM" ? "cached" : "done", 0);
  }

  /** Whether the step was built, now or before. */
  isBuilt(step: Step): boolean {
    return this.stepStates.get(step.number) === "built";
  }

  /** Steps that failed, or were left out because another one did, may run again: what was said of them no longer holds. */
  forgetFailures(): void {
    for (const [number, state] of this.stepStates) if (state === "failed") this.stepStates.delete(number);
    for (const [digest, end] of this.ends) if (end.error !== "") this.ends.delete(digest);
  }

  /** Steps that have not ended, and will not: another one failed, or they were interrupted. */
  skip(steps: readonly Step[]): void {
    for (const step of steps) {
      if (this.hasEnded(step)) continue;
      this.stepStates.set(step.number, "failed");
      this.emit({ type: "step", step, status: "skipped", durationMs: 0 });
    }
  }

  /** Steps that were stopped because another one failed are to run again, from their beginning. */
  restart(steps: readonly Step[]): void {
    for (const step of steps) {
      if (!this.isRunning(step)) continue;
      this.stepStates.delete(step.number);
      this.emit({ type: "step", step, status: "skipped", durationMs: 0 });
    }
  }

  private hasEnded(step: Step): boolean {
    const state = this.stepStates.get(step.number);
    return state === "built" || state === "failed";
  }

  private take(response: StatusResponse): void {
    for (const vertex of response.vertexes) this.told(vertex);
    for (const status of response.statuses) this.progress(status);
    for (const log of response.logs) this.log(log);
    for (const warning of response.warnings) this.warning(warning);
    this.wake();
  }

  /** What is only called cached waits for the op that it is said for. */
  private told(vertex: Vertex): void {
    if (isNamedCached(vertex)) {
      this.named.push(vertex);
      return;
    }
    if (vertex.completed && this.named.length > 0) {
      const { named } = this;
      this.named = named.filter(({ started }) => !isSameTime(started, vertex.started));
      if (!vertex.error) for (const one of named) if (isSameTime(one.started, vertex.started)) this.vertex(one);
    }
    this.vertex(vertex);
  }

  private vertex(vertex: Vertex): void {
    const durationMs = vertex.completed ? milliseconds(vertex.completed) - milliseconds(vertex.started) : 0;
    if (vertex.completed) this.ends.set(vertex.digest, { cached: vertex.cached, error: vertex.error });
    const steps = this.plan?.stepsOf(vertex.digest) ?? [];
    if (steps.length === 0) {
      // A step of an earlier plan ends late; what it was has been said.
      if (!this.previous?.stepsOf(vertex.digest).length) this.activity(vertex, durationMs);
      return;
    }
    // Its end may come when it runs again already, or in another plan.
    if (vertex.completed && isCancellation(vertex.error)) return;
    for (const step of steps) {
      if (vertex.started && !this.stepStates.has(step.number)) {
        this.stepStates.set(step.number, "started");
        this.emit({ type: "step", step, status: "started" });
      }
      if (!vertex.completed) continue;
      if (vertex.error) this.finishStep(step, "failed", durationMs);
      else if (this.plan?.isLast(step, vertex.digest))
        this.finishStep(step, vertex.cached ? "cached" : "done", durationMs);
    }
  }

  private activity(vertex: Vertex, durationMs: number): void {
    const id = vertex.digest;
    const known = this.activities.get(id);
    if (known === "ended" || !vertex.started) return;
    if (vertex.name.startsWith(ownVertex)) {
      if (vertex.completed) log("buildkit", vertex.name, { durationMs, error: vertex.error });
      return;
    }
    const name = vertex.name.replace(/^\[internal\] /, "");
    if (known === undefined) {
      this.activities.set(id, "started");
      this.emit({ type: "activity", id, name, status: "started" });
    }
    if (!vertex.completed) return;
    this.activities.set(id, "ended");
    const status = vertex.error ? "failed" : vertex.cached ? "cached" : "done";
    this.emit({ type: "activity", id, name, status, durationMs });
  }

  private progress(status: VertexStatus): void {
    const [step] = this.plan?.stepsOf(status.vertex) ?? [];
    this.emit({
      type: "progress",
      of: step ? `step ${String(step.number)}` : status.vertex,
      id: status.ID,
      current: Number(status.current),
      total: Number(status.total),
      completed: status.completed !== undefined,
    });
  }

  private log(log: VertexLog): void {
    const [step] = this.plan?.stepsOf(log.vertex) ?? [];
    if (step) this.emit({ type: "log", step, stream: log.stream === 2n ? 2 : 1, data: log.msg });
  }

  private warning(warning: VertexWarning): void {
    const [step] = this.plan?.stepsOf(warning.vertex) ?? [];
    this.emit({
      type: "warning",
      step,
      message: text(warning.short),
      detail: warning.detail.map(text),
      url: warning.url || undefined,
      line: warning.ranges[0]?.start?.line,
    });
  }

  private wake(): void {
    for (const waiter of [...this.waiters]) waiter();
  }
}

/**
 * Just before BuildKit tells of an op that it has the cache key of, it calls all that this stands on cached, with the op's time
 * as their beginning and their end: so it is where the op is found in the cache, and not where its key failed (a COPY that
 * finds nothing), whatever runs or never ran there.
 */
function isNamedCached({ cached, started, completed }: Vertex): boolean {
  return cached && completed !== undefined && isSameTime(started, completed);
}

function isSameTime(one: Timestamp | undefined, other: Timestamp | undefined): boolean {
  return one?.seconds === other?.seconds && one?.nanos === other?.nanos;
}

/** A vertex that was stopped because another one failed; BuildKit says it only in words. */
function isCancellation(error: string): boolean {
  return /context cancell?ed|: cancell?ed$/i.test(error);
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}

function milliseconds(time: Timestamp | undefined): number {
  return time ? Number(time.seconds) * 1000 + time.nanos / 1e6 : 0;
}
