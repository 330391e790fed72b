import { setTimeout as sleep } from "node:timers/promises";
import { formatCount } from "../../debugger/format.js";
import { UsageError } from "../../errors.js";
import { binarySize } from "../../frontends/terminal/docker-units.js";
import { LiveScreen } from "../../frontends/terminal/live-screen.js";
import { canRedraw, detectStyle } from "../../frontends/terminal/style.js";
import { tableLines } from "../../frontends/terminal/table.js";
import { nameOf } from "../../sidecar/target.js";
import { writeAll } from "../../write-all.js";
import type { CliIo } from "../io.js";
import { jsonLine } from "../output.js";
import type { EngineFlags } from "../program.js";
import { readLiveKeys } from "./live-keys.js";
import { ProcessWatch, type ProcessSample } from "./process-watch.js";
import { untilInterrupted } from "./with-containers.js";

export interface TopFlags {
  readonly sort: "cpu" | "memory" | "pid";
  /** Seconds. */
  readonly delay: string;
  readonly image?: string;
  readonly json?: boolean;
}

/** Milliseconds between the two samples of a first look. */
const firstInterval = 300;

/**
 * `dfdebug top`: processes with their use of CPU, live on a terminal until q or Ctrl-C, else once. Resolves with 0, or 130.
 * Rejects with UsageError, ContainerError (also when the container ends) or EngineError.
 */
export function runTop(name: string, flags: TopFlags, engineFlags: EngineFlags, io: CliIo): Promise<number> {
  const delay = Number(flags.delay);
  if (!(delay >= 0.1)) throw new UsageError(`--delay ${flags.delay}: it is a number of seconds, from 0.1 on`);
  return untilInterrupted(io, async () => {
    await using watch = await ProcessWatch.open(name, flags, engineFlags, io);
    await watch.sample();
    await sleep(firstInterval);
    const isLive = io.stdin.isTTY && canRedraw(io.stdout, io.env) && !flags.json;
    if (isLive) return await live(watch, flags, delay * 1000, io);
    const sample = sorted(await watch.sample(), flags.sort);
    await writeAll(io.stdout, flags.json ? topJson(sample) : `${topTable(sample).join("\n")}\n`);
    return 0;
  });
}

async function live(watch: ProcessWatch, flags: TopFlags, delay: number, io: CliIo): Promise<number> {
  const screen = new LiveScreen(io.stdout);
  const { bold } = detectStyle(io.stdout, io.env);
  let { sort } = flags;
  let code: number | undefined;
  let wake: () => void = () => undefined;
  await using _keys = readLiveKeys(io, {
    key: (key) => {
      if (key === "c" || key === "P") sort = "cpu";
      else if (key === "m" || key === "M") sort = "memory";
      else if (key === "p" || key === "N") sort = "pid";
      wake();
    },
    left: (exitCode) => {
      code ??= exitCode;
      wake();
    },
  });
  const aborted = (): void => wake();
  io.signal.addEventListener("abort", aborted);
  try {
    for (;;) {
      const sample = sorted(await watch.sample(), sort);
      const { processes, cpu } = sample;
      const total = [...processes].reduce((sum, { pid }) => sum + (cpu.get(pid) ?? 0), 0);
      const head = `${nameOf(watch.info)}: ${formatCount(processes.length, "process", "processes")}, ${total.toFixed(1)}% CPU, sorted by ${sort} (c, m, p sort; q leaves)`;
      const [title = "", ...rows] = topTable(sample, screen.width);
      screen.draw([head.slice(0, screen.width), bold(title), ...rows]);
      const timer = setTimeout(() => wake(), delay);
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (code !== undefined || io.signal.aborted) resolve();
      });
      clearTimeout(timer);
      if (code !== undefined) return code;
      if (io.signal.aborted) return 130;
    }
  } finally {
    io.signal.removeEventListener("abort", aborted);
  }
}

function sorted({ processes, cpu }: ProcessSample, by: TopFlags["sort"]): ProcessSample {
  const used = (pid: number): number => cpu.get(pid) ?? 0;
  const order = [...processes].sort((left, right) => {
    if (by === "memory") return right.resident - left.resident || left.pid - right.pid;
    return (by === "cpu" ? used(right.pid) - used(left.pid) : 0) || left.pid - right.pid;
  });
  return { processes: order, cpu };
}

function topTable({ processes, cpu }: ProcessSample, width?: number): string[] {
  const rows = processes.map((process) => [
    String(process.pid),
    process.user ?? String(process.uid),
    process.state.slice(0, 1),
    (cpu.get(process.pid) ?? 0).toFixed(1),
    binarySize(process.resident),
    String(process.threads),
    process.argv.join(" ") || `[${process.name}]`,
  ]);
  return tableLines(["PID", "USER", "S", "%CPU", "RSS", "THR", "COMMAND"], rows, { right: [0, 3, 4, 5], width });
}

function topJson({ processes, cpu }: ProcessSample): string {
  const time = new Date().toISOString();
  return jsonLine("processes", time, {
    processes: processes.map(({ hostPid: _, ...process }) => ({ ...process, cpuPercent: cpu.get(process.pid) ?? 0 })),
  });
}
