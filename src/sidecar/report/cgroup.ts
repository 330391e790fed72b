/** How much of something a container waited for, percent of the last ten seconds, minute and five minutes (kernel, PSI). */
export interface Pressure {
  readonly some: readonly [number, number, number];
  /** Undefined for CPU on older kernels, which have no such line. */
  readonly full: readonly [number, number, number] | undefined;
}

/** What a control group limits and counts. Bytes; undefined: no limit, or not counted on this machine. */
export interface ControlGroup {
  readonly version: 1 | 2;
  readonly memory: {
    readonly limit: number | undefined;
    readonly current: number | undefined;
    /** `current` without the page cache that can be dropped: what docker calls its use. */
    readonly used: number | undefined;
    /** The most that was ever in use. It is no limit. */
    readonly peak: number | undefined;
    /** Memory and swap together on version 1, swap alone on version 2. */
    readonly swapLimit: number | undefined;
    /** Beyond this the kernel slows the container down (version 2, memory.high). */
    readonly high: number | undefined;
    /** How often the limit was hit. */
    readonly limitHits: number | undefined;
    readonly oomKills: number | undefined;
  };
  readonly cpu: {
    /** CPUs it may use; undefined: all. */
    readonly limit: number | undefined;
    /** cpu.shares (1024 is the default) on version 1, cpu.weight (100) on version 2. */
    readonly weight: number | undefined;
    /** CPUs it may run on, `0-3,8`. */
    readonly cpus: string | undefined;
    readonly usedSeconds: number | undefined;
    /** Periods in which it ran, and in how many of them its limit stopped it, for how long in all. */
    readonly periods: number | undefined;
    readonly throttledPeriods: number | undefined;
    readonly throttledSeconds: number | undefined;
  };
  readonly pids: {
    readonly limit: number | undefined;
    readonly current: number | undefined;
    readonly peak: number | undefined;
  };
  /** Version 2 alone counts it for each group. */
  readonly pressure:
    | {
        readonly cpu?: Pressure | undefined;
        readonly memory?: Pressure | undefined;
        readonly io?: Pressure | undefined;
      }
    | undefined;
}

/** Content of a control group's files by their names, without folders: those of all version 1 controllers together. */
export type ControlFiles = ReadonlyMap<string, string>;

/** Undefined where the files are of neither version. */
export function readControlGroup(files: ControlFiles): ControlGroup | undefined {
  if (files.has("memory.limit_in_bytes") || files.has("cpu.cfs_quota_us") || files.has("cpuacct.usage"))
    return readVersion1(files);
  if (files.has("cgroup.controllers") || files.has("memory.current") || files.has("cpu.stat"))
    return readVersion2(files);
  return undefined;
}

/** Version 1 says "no limit" with the greatest number of pages: 2^63 less a page. */
const unlimited = 2 ** 62;

function readVersion1(files: ControlFiles): ControlGroup {
  const memory = table(files.get("memory.stat"));
  const cpu = table(files.get("cpu.stat"));
  const current = number(files, "memory.usage_in_bytes");
  const quota = number(files, "cpu.cfs_quota_us") ?? -1;
  const period = number(files, "cpu.cfs_period_us") ?? 100_000;
  return {
    version: 1,
    memory: {
      limit: limited(number(files, "memory.limit_in_bytes")),
      current,
      used: withoutCache(current, memory.get("total_inactive_file")),
      peak: number(files, "memory.max_usage_in_bytes"),
      swapLimit: limited(number(files, "memory.memsw.limit_in_bytes")),
      high: undefined,
      limitHits: number(files, "memory.failcnt"),
      oomKills: table(files.get("memory.oom_control")).get("oom_kill"),
    },
    cpu: {
      limit: quota > 0 && period > 0 ? quota / period : undefined,
      weight: number(files, "cpu.shares"),
      cpus: text(files, "cpuset.cpus"),
      usedSeconds: scaled(number(files, "cpuacct.usage"), 1e9),
      periods: cpu.get("nr_periods"),
      throttledPeriods: cpu.get("nr_throttled"),
      throttledSeconds: scaled(cpu.get("throttled_time"), 1e9),
    },
    pids: {
      limit: number(files, "pids.max"),
      current: number(files, "pids.current"),
      peak: number(files, "pids.peak"),
    },
    pressure: undefined,
  };
}

function readVersion2(files: ControlFiles): ControlGroup {
  const memory = table(files.get("memory.stat"));
  const events = table(files.get("memory.events"));
  const cpu = table(files.get("cpu.stat"));
  const current = number(files, "memory.current");
  const [quota, period] = (text(files, "cpu.max") ?? "max").split(/\s+/).map(Number);
  return {
    version: 2,
    memory: {
      limit: number(files, "memory.max"),
      current,
      used: withoutCache(current, memory.get("inactive_file")),
      peak: number(files, "memory.peak"),
      swapLimit: number(files, "memory.swap.max"),
      high: number(files, "memory.high"),
      limitHits: events.get("max"),
      oomKills: events.get("oom_kill"),
    },
    cpu: {
      limit: quota !== undefined && Number.isFinite(quota) && period ? quota / period : undefined,
      weight: number(files, "cpu.weight"),
      cpus: text(files, "cpuset.cpus.effective"),
      usedSeconds: scaled(cpu.get("usage_usec"), 1e6),
      periods: cpu.get("nr_periods"),
      throttledPeriods: cpu.get("nr_throttled"),
      throttledSeconds: scaled(cpu.get("throttled_usec"), 1e6),
    },
    pids: {
      limit: number(files, "pids.max"),
      current: number(files, "pids.current"),
      peak: number(files, "pids.peak"),
    },
    pressure: {
      cpu: pressure(files.get("cpu.pressure")),
      memory: pressure(files.get("memory.pressure")),
      io: pressure(files.get("io.pressure")),
    },
  };
}

function text(files: ControlFiles, name: string): string | undefined {
  return files.get(name)?.trim() || undefined;
}

/** `max` is no number: no limit. */
function number(files: ControlFiles, name: string): number | undefined {
  const value = Number(text(files, name) ?? "none");
  return Number.isFinite(value) ? value : undefined;
}

function limited(value: number | undefined): number | undefined {
  return value !== undefined && value < unlimited ? value : undefined;
}

function scaled(value: number | undefined, unit: number): number | undefined {
  return value === undefined ? undefined : value / unit;
}

function withoutCache(current: number | undefined, droppable = 0): number | undefined {
  if (current === undefined) return undefined;
  return droppable < current ? current - droppable : current;
}

/** Lines of a name and a number. */
function table(content: string | undefined): Map<string, number> {
  const entries = (content ?? "").split("\n").map((line) => line.trim().split(/\s+/));
  return new Map(
    entries.flatMap(([name, value]) => (name && value !== undefined ? [[name, Number(value)] as const] : [])),
  );
}

function pressure(content: string | undefined): Pressure | undefined {
  const line = (kind: string): readonly [number, number, number] | undefined => {
    const match = new RegExp(`^${kind} avg10=([\\d.]+) avg60=([\\d.]+) avg300=([\\d.]+)`, "m").exec(content ?? "");
    return match ? [Number(match[1]), Number(match[2]), Number(match[3])] : undefined;
  };
  const some = line("some");
  return some && { some, full: line("full") };
}
