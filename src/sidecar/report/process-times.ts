import { filesOf } from "./parts.js";

/** CPU time that processes used up to a moment. Seconds. */
export interface ProcessTimes {
  /** Since the machine started. */
  readonly uptime: number;
  /** By process id. */
  readonly used: ReadonlyMap<number, number>;
}

/** The kernel counts in steps of this many a second in what it tells programs (USER_HZ), on every architecture of today. */
const ticks = 100;

/** From `grep -H '' /proc/uptime /proc/PID/stat` of all processes (proc(5)). */
export function readTimes(text: string | undefined): ProcessTimes {
  const used = new Map<number, number>();
  let uptime = 0;
  for (const [path, content] of filesOf(text)) {
    const pid = /^\/proc\/(\d+)\/stat$/.exec(path)?.[1];
    if (path === "/proc/uptime") uptime = Number(content.split(" ")[0]);
    if (pid === undefined) continue;
    // The name stands in parentheses and may hold any character: what counts comes after the last one.
    const fields = content.slice(content.lastIndexOf(")") + 2).split(" ");
    used.set(Number(pid), (Number(fields[11]) + Number(fields[12])) / ticks);
  }
  return { uptime, used };
}

/** Percent of one CPU between two moments; 0 for a process that was not there before. */
export function cpuPercents(now: ProcessTimes, before: ProcessTimes): ReadonlyMap<number, number> {
  const elapsed = now.uptime - before.uptime;
  return new Map(
    [...now.used].map(([pid, used]) => {
      const spent = used - (before.used.get(pid) ?? used);
      return [pid, elapsed > 0 ? Math.max(0, (spent / elapsed) * 100) : 0];
    }),
  );
}
