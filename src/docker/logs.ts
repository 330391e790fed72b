import { copyOutput, type OutputEnd, type OutputSinks } from "./streams.js";
import type { ContainerInfo, Containers } from "./containers.js";
import type { DockerConnection, RequestOptions } from "./connection.js";
import { DfdebugError, cancellation } from "../errors.js";
import { dialError } from "./errors.js";
import { engineEvents, type EventOptions } from "./events.js";
import { follow } from "./follow.js";
import { logSplitter, type LogMessage } from "./log-messages.js";
import { laterTimestamp, toApiTimestamp } from "./timestamps.js";

export interface LogOptions {
  /** `all`, or a number of lines. */
  readonly tail?: string | undefined;
  /** `seconds.nanoseconds`. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  /** Following goes on until the container is removed, however long it does not run. */
  readonly untilRemoved?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Something in a container's log while it is followed: what it wrote, or that a run ended or began. */
export type LogEvent =
  | ({ readonly kind: "message" } & LogMessage)
  | { readonly kind: "ended"; readonly time: string; readonly exitCode: number; readonly outOfMemory: boolean }
  | { readonly kind: "started"; readonly time: string };

/** The log so far, byte for byte. Rejects with EngineError, or CancelledError. */
export async function copyLogs(
  connection: DockerConnection,
  info: ContainerInfo,
  sinks: OutputSinks,
  options: LogOptions & { timestamps: boolean },
): Promise<OutputEnd> {
  const { signal } = options;
  const response = await connection.stream("GET", logsPath(info.Id), request(options, options.timestamps, false));
  try {
    return await copyOutput(response, sinks, { isTerminal: info.Config.Tty });
  } catch (error) {
    throw signal?.aborted ? cancellation(signal) : dialError(error, connection.endpoint);
  } finally {
    response.destroy();
  }
}

/**
 * A container's log as it grows, over restarts, nothing twice and nothing left out: docker's ends with the run. It goes on
 * while the engine will start the container again by its restart policy, and after a stop by hand for as long as
 * `docker restart` takes; it ends when the container ended for good or was removed, and at `until`.
 * Rejects with EngineError, or CancelledError.
 */
export async function* followLogs(
  containers: Containers,
  container: ContainerInfo,
  options: LogOptions,
): AsyncGenerator<LogEvent> {
  let info = container;
  let current: LogOptions = options;
  /** The latest moment in the log, and how many messages of it were seen: standard output and error are not always in order. */
  let latest = { time: "", seen: 0 };
  for (;;) {
    let repeated = latest.seen;
    const repeatedTime = latest.time;
    const messages = stampedMessages(containers.connection, info, current);
    for await (const message of info === container ? messages : unlessRemoved(messages)) {
      const { time } = message;
      // The engine's `since` includes that moment: what was seen of it comes again.
      if (repeated > 0 && time === repeatedTime) {
        repeated -= 1;
        continue;
      }
      // The engine's times of messages are of one length (RFC3339NanoFixed), so that their texts have their order.
      if (time > latest.time) latest = { time, seen: 1 };
      else if (time === latest.time) latest = { time, seen: latest.seen + 1 };
      yield { kind: "message", ...message };
    }
    if (options.until !== undefined) return;
    const now = await containers.find(info.Id);
    if (!now) return;
    let next: ContainerInfo | undefined = now;
    if (!isNewRun(now, info)) {
      // A container that did not run from the beginning has no end to tell of.
      const isOver = !info.State.Running && info === container;
      if (isOver && options.untilRemoved !== true) return;
      const { FinishedAt: time, ExitCode: exitCode, OOMKilled: outOfMemory } = now.State;
      if (!isOver) yield { kind: "ended", time, exitCode, outOfMemory };
      next = await nextRun(containers, now, options);
      if (!next) return;
    }
    yield { kind: "started", time: next.State.StartedAt };
    const since = latest.time === "" ? next.State.StartedAt : latest.time;
    info = next;
    current = { ...options, tail: undefined, since: toApiTimestamp(since) ?? options.since };
  }
}

/** A container that is being removed refuses to tell its log, before it is gone. */
async function* unlessRemoved(messages: AsyncIterable<LogMessage>): AsyncGenerator<LogMessage> {
  try {
    yield* messages;
  } catch (error) {
    if (!(error instanceof DfdebugError) || (error.code !== "NOT_FOUND" && error.code !== "CONFLICT")) throw error;
  }
}

/** Also one that has ended again meanwhile. */
function isNewRun(now: ContainerInfo, before: ContainerInfo): boolean {
  return now.State.StartedAt !== before.State.StartedAt;
}

/** As long as a container that was stopped by hand is waited for: `docker restart` starts it again at once. */
const restartPatience = 5_000;

/** The container when it was started again; undefined where it will not be. */
async function nextRun(
  containers: Containers,
  ended: ContainerInfo,
  options: LogOptions,
): Promise<ContainerInfo | undefined> {
  const { signal } = options;
  const { StartedAt, FinishedAt, Restarting } = ended.State;
  const { connection } = containers;
  const container = [ended.Id];
  // The engine's own clock: what happened between the run's end and this question is told too.
  const finished = toApiTimestamp(FinishedAt);
  const waits = Restarting || options.untilRemoved === true;
  if (!waits) {
    // `docker stop`, `kill` and `restart` send a signal, which the engine tells of.
    const filters = { container, event: ["kill"] };
    const started = toApiTimestamp(StartedAt);
    // What lives for a moment only is noted as ended before it is noted as started; the engine refuses such a span.
    const until = laterTimestamp(started, finished);
    if (!(await happened(connection, { filters, since: started, until, signal }))) return undefined;
  }
  const patience = waits ? undefined : AbortSignal.timeout(restartPatience);
  const waiting = AbortSignal.any([signal, patience].filter((entry) => entry !== undefined));
  const filters = { container, event: ["start", "destroy"] };
  try {
    for await (const { Action } of engineEvents(connection, { filters, since: finished, signal: waiting })) {
      const now = Action === "destroy" ? undefined : await containers.find(ended.Id);
      if (!now || isNewRun(now, ended)) return now;
    }
  } catch (error) {
    if (patience?.aborted === true && signal?.aborted !== true) return undefined;
    throw error;
  }
  return undefined;
}

async function happened(connection: DockerConnection, options: EventOptions): Promise<boolean> {
  for await (const _event of engineEvents(connection, options)) return true;
  return false;
}

async function* stampedMessages(
  connection: DockerConnection,
  info: ContainerInfo,
  options: LogOptions,
): AsyncGenerator<LogMessage> {
  const splitter = logSplitter(info.Config.Tty);
  for await (const chunk of follow(connection, logsPath(info.Id), request(options, true, true)))
    yield* splitter.push(chunk);
  yield* splitter.end();
}

function logsPath(id: string): string {
  return `/containers/${encodeURIComponent(id)}/logs`;
}

function request(options: LogOptions, timestamps: boolean, follow: boolean): RequestOptions {
  const { tail, since, until, signal } = options;
  return { query: { stdout: true, stderr: true, follow, timestamps, tail, since, until }, signal };
}
