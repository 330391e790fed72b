import { formatCount } from "../../debugger/format.js";
import { StringDecoder } from "node:string_decoder";
import { setTimeout as sleep } from "node:timers/promises";
import type { ContainerInfo, Containers } from "../../docker/containers.js";
import { engineEvents } from "../../docker/events.js";
import { followLogs, type LogEvent, type LogOptions } from "../../docker/logs.js";
import { currentUsage, type Usage } from "../../docker/stats.js";
import { DfdebugError, UsageError, cancellation } from "../../errors.js";
import { binarySize, decimalSize } from "../../frontends/terminal/docker-units.js";
import { LineSanitizer } from "../../frontends/terminal/sanitize.js";
import { detectStyle, type Style } from "../../frontends/terminal/style.js";
import { writeAll } from "../../write-all.js";
import type { CliIo } from "../io.js";
import { jsonLine } from "../output.js";
import type { EngineFlags } from "../program.js";
import { Deaths, eventJson, eventText } from "./events.js";
import { logOptions } from "./logs.js";
import { nameOf } from "../../sidecar/target.js";
import { findContainer, untilInterrupted, withContainers } from "./with-containers.js";

export interface WatchFlags {
  readonly tail: string;
  readonly since?: string;
  /** Seconds. */
  readonly interval: string;
  readonly json?: boolean;
}

/** Commands that look into a container from the outside: `exec`, and what dfdebug itself starts. They are not its story. */
const quiet = /^exec_|^top$|^resize$|^attach$|^archive-path$|^extract-to-dir$|^export$|^commit$/;

/**
 * `dfdebug watch`: what a container writes, what happens to it and what it uses, in one timeline that goes on over restarts.
 * Resolves with 0 when the container was removed, 130 when it was interrupted. Rejects with UsageError or EngineError.
 */
export function runWatch(name: string, flags: WatchFlags, engineFlags: EngineFlags, io: CliIo): Promise<number> {
  const interval = Number(flags.interval) * 1000;
  if (!(interval >= 500)) throw new UsageError(`--interval ${flags.interval}: it is a number of seconds, from 0.5 on`);
  const options = logOptions(flags, io);
  return untilInterrupted(io, () =>
    withContainers(engineFlags, io, async (containers) => {
      const info = await findContainer(containers, name, io);
      if (!info.State.Running && flags.json !== true)
        io.stderr.write(`${nameOf(info)} does not run (${info.State.Status}): its start is waited for\n`);
      await new Timeline(containers, info, interval, flags.json === true, io).run(options);
      return 0;
    }),
  );
}

class Timeline {
  private readonly containers: Containers;
  private readonly info: ContainerInfo;
  private readonly interval: number;
  private readonly json: boolean;
  private readonly io: CliIo;
  private readonly style: Style;
  private readonly stopping = new AbortController();
  private readonly signal: AbortSignal;

  constructor(containers: Containers, info: ContainerInfo, interval: number, json: boolean, io: CliIo) {
    this.containers = containers;
    this.info = info;
    this.interval = interval;
    this.json = json;
    this.io = io;
    this.style = detectStyle(io.stdout, io.env);
    this.signal = AbortSignal.any([io.signal, this.stopping.signal]);
  }

  /** Until the container is removed, or nobody reads. */
  async run(options: LogOptions): Promise<void> {
    // The log's end is the container's: what it wrote last is told before.
    const log = this.log({ ...options, signal: this.signal, untilRemoved: true });
    const others = [this.events(), this.usage()];
    try {
      await Promise.race([log, ...others.map(failure)]);
    } finally {
      this.stopping.abort();
      await Promise.allSettled([log, ...others]);
    }
    if (this.io.signal.aborted) throw cancellation(this.io.signal);
  }

  private async log(options: LogOptions): Promise<void> {
    const print = this.json ? jsonLog() : textLog(this.style);
    for await (const event of followLogs(this.containers, this.info, options))
      if (!(await this.write(print(event)))) return;
  }

  private async events(): Promise<void> {
    const filters = { type: ["container"], container: [this.info.Id] };
    const deaths = new Deaths();
    for await (const event of engineEvents(this.containers.connection, { filters, signal: this.signal })) {
      const fact = deaths.take(event);
      if (quiet.test(event.Action)) continue;
      await this.write(this.json ? eventJson(fact) : `${eventText(fact, this.style)}\n`);
    }
  }

  private async usage(): Promise<void> {
    const { Id: id } = this.info;
    while (!this.signal.aborted) {
      const usage = await currentUsage(this.containers.connection, id, this.signal).catch((error: unknown) => {
        if (error instanceof DfdebugError && error.code === "NOT_FOUND") return undefined;
        throw error;
      });
      // A container that does not run uses nothing: there is nothing to tell.
      if (usage && usage.pids > 0) {
        const { time, ...numbers } = usage;
        await this.write(this.json ? jsonLine("stats", time, numbers) : usageText(usage, this.style));
      }
      await sleep(this.interval, undefined, { signal: this.signal }).catch(() => undefined);
    }
  }

  private write(text: string): Promise<boolean> {
    return text === "" ? Promise.resolve(true) : writeAll(this.io.stdout, text);
  }
}

/** Settles when the work fails only. */
async function failure(work: Promise<void>): Promise<never> {
  await work;
  return new Promise<never>(() => undefined);
}

function jsonLog(): (event: LogEvent) => string {
  const decoders = { 1: new StringDecoder("utf8"), 2: new StringDecoder("utf8") };
  return (event) => {
    if (event.kind !== "message") return "";
    const { stream, time, data } = event;
    return jsonLine("log", time, { stream: stream === 2 ? "stderr" : "stdout", text: decoders[stream].write(data) });
  };
}

function textLog(style: Style): (event: LogEvent) => string {
  const { colour } = style;
  const outputs = {
    1: { name: "out", lines: new LineSanitizer({ colour }), time: "" },
    2: { name: style.yellow("err"), lines: new LineSanitizer({ colour }), time: "" },
  };
  const show = (output: (typeof outputs)[1], lines: readonly string[]): string =>
    lines.map((line) => `${milliseconds(output.time)}  ${output.name}  ${line}\n`).join("");
  return (event) => {
    // A last line without an end does not run into the next run's first.
    if (event.kind !== "message") return [outputs[1], outputs[2]].map((each) => show(each, each.lines.end())).join("");
    const output = outputs[event.stream];
    output.time = event.time;
    return show(output, output.lines.push(event.data));
  };
}

function usageText({ time, cpuPercent, memory, network, block, pids }: Usage, style: Style): string {
  const parts = [
    `CPU ${(cpuPercent ?? 0).toFixed(2)}%`,
    `memory ${binarySize(memory.used)} / ${binarySize(memory.limit)} (${memory.percent.toFixed(2)}%)`,
    `net ${decimalSize(network.received)} / ${decimalSize(network.sent)}`,
    `disk ${decimalSize(block.read)} / ${decimalSize(block.written)}`,
    formatCount(pids, "process", "processes"),
  ];
  return `${style.dim(`${milliseconds(time)}  use  ${parts.join(", ")}`)}\n`;
}

/** An engine's time with three of its nine decimals. */
function milliseconds(time: string): string {
  return time.replace(/\.(\d{3})\d*Z$/, ".$1Z");
}
