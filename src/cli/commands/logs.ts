import type { ContainerInfo, Containers } from "../../docker/containers.js";
import { copyLogs, followLogs, type LogEvent, type LogOptions } from "../../docker/logs.js";
import type { OutputSinks } from "../../docker/streams.js";
import { parseTimestamp } from "../../docker/timestamps.js";
import { UsageError } from "../../errors.js";
import { nameOf } from "../../sidecar/target.js";
import { detectStyle } from "../../frontends/terminal/style.js";
import { sanitizeLine } from "../../frontends/terminal/sanitize.js";
import { finishOutput, outputFor } from "../../frontends/terminal/sanitized-output.js";
import { writeAll } from "../../write-all.js";
import type { CliIo } from "../io.js";
import { readerGone } from "../output.js";
import type { EngineFlags } from "../program.js";
import { findContainer, untilInterrupted, withContainers } from "./with-containers.js";

export interface LogFlags {
  readonly follow?: boolean;
  readonly timestamps?: boolean;
  readonly tail?: string;
  readonly since?: string;
  readonly until?: string;
}

/**
 * `dfdebug logs`: what a container wrote, standard output and error apart; byte for byte but on a terminal. Resolves with 0, 130 when it was
 * interrupted, 141 when nobody reads. Rejects with UsageError or EngineError.
 */
export function runLogs(name: string, flags: LogFlags, engineFlags: EngineFlags, io: CliIo): Promise<number> {
  const options = logOptions(flags, io);
  const timestamps = flags.timestamps === true;
  return untilInterrupted(io, () =>
    withContainers(engineFlags, io, async (containers) => {
      const info = await findContainer(containers, name, io);
      const sinks = { stdout: outputFor(io.stdout, io.env), stderr: outputFor(io.stderr, io.env) };
      try {
        if (flags.follow) return await followTo(sinks, io, containers, info, { ...options, timestamps });
        const end = await copyLogs(containers.connection, info, sinks, { ...options, timestamps });
        return end === "reader gone" ? readerGone : 0;
      } finally {
        await Promise.all([finishOutput(sinks.stdout), finishOutput(sinks.stderr)]);
      }
    }),
  );
}

/** docker's grammar for what part of a log is wanted. Throws UsageError. */
export function logOptions(flags: Omit<LogFlags, "follow" | "timestamps">, io: CliIo): LogOptions {
  const { tail, since, until } = flags;
  if (tail !== undefined && !/^(all|-?\d+)$/.test(tail))
    throw new UsageError(`--tail ${tail}: it is a number of lines, or all`);
  return {
    // A negative number is docker's other word for all.
    tail: tail?.startsWith("-") ? "all" : tail,
    since: since === undefined ? undefined : parseTimestamp(since, "--since"),
    until: until === undefined ? undefined : parseTimestamp(until, "--until"),
    signal: io.signal,
  };
}

async function followTo(
  sinks: OutputSinks,
  io: CliIo,
  containers: Containers,
  info: ContainerInfo,
  options: LogOptions & { timestamps: boolean },
): Promise<number> {
  for await (const event of followLogs(containers, info, options)) {
    if (event.kind !== "message") {
      // Not for a file or a pipe: those get the container's own bytes and nothing else.
      if (io.stderr.isTTY) io.stderr.write(`${note(nameOf(info), event, io)}\n`);
      continue;
    }
    const sink = event.stream === 2 ? sinks.stderr : sinks.stdout;
    const stamp = options.timestamps ? Buffer.from(`${event.time} `) : undefined;
    if (!(await writeAll(sink, stamp ? Buffer.concat([stamp, event.data]) : event.data))) return readerGone;
  }
  return 0;
}

function note(name: string, event: Exclude<LogEvent, { kind: "message" }>, io: CliIo): string {
  const { dim } = detectStyle(io.stderr, io.env);
  if (event.kind === "started") return dim(`[dfdebug: ${sanitizeLine(name)} runs again]`);
  const why = event.outOfMemory ? ", out of memory" : "";
  return dim(`[dfdebug: ${sanitizeLine(name)} exited: ${String(event.exitCode)}${why}]`);
}
