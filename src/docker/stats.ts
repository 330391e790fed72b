import { EngineError } from "../errors.js";
import { compareVersions, type DockerConnection } from "./connection.js";
import { follow } from "./follow.js";
import { jsonLines } from "./json-lines.js";

/** One sample as the engine gives it (Docker Engine API, ContainerStats); only what dfdebug reads. */
export interface StatsSample {
  readonly read: string;
  readonly pids_stats?: { readonly current?: number };
  readonly blkio_stats?: {
    readonly io_service_bytes_recursive?: readonly { readonly op: string; readonly value: number }[] | null;
  };
  readonly cpu_stats: CpuSample;
  readonly precpu_stats?: CpuSample;
  readonly memory_stats?: {
    readonly usage?: number;
    readonly limit?: number;
    readonly stats?: Readonly<Record<string, number>>;
  };
  readonly networks?: Readonly<Record<string, { readonly rx_bytes: number; readonly tx_bytes: number }>>;
}

interface CpuSample {
  readonly cpu_usage?: { readonly total_usage?: number; readonly percpu_usage?: readonly number[] | null };
  readonly system_cpu_usage?: number;
  readonly online_cpus?: number;
}

/** A container's use of the machine at one moment, in docker's own terms. Bytes throughout. */
export interface Usage {
  /** ISO 8601. */
  readonly time: string;
  /** Percent of one CPU; undefined where there is no earlier sample to compare with. */
  readonly cpuPercent: number | undefined;
  readonly memory: { readonly used: number; readonly limit: number; readonly percent: number };
  readonly network: { readonly received: number; readonly sent: number };
  readonly block: { readonly read: number; readonly written: number };
  readonly pids: number;
}

/**
 * The numbers that `docker stats` prints (docker/cli, cli/command/container/stats_helpers.go): memory is what is charged
 * without the page cache that can be dropped, CPU is the share of the machine's time between two samples times its CPUs.
 * `before` takes the place of the sample's own earlier one.
 */
export function usageOf(sample: StatsSample, before: StatsSample | undefined): Usage {
  const { memory_stats: memory = {}, networks = {}, blkio_stats: block = {} } = sample;
  const used = usedMemory(memory);
  const limit = memory.limit ?? 0;
  const interfaces = Object.values(networks);
  const operations = block.io_service_bytes_recursive ?? [];
  const bytesOf = (letter: string): number =>
    operations.reduce((sum, { op, value }) => sum + (op[0]?.toLowerCase() === letter ? value : 0), 0);
  return {
    time: sample.read,
    cpuPercent: cpuPercent(sample.cpu_stats, before?.cpu_stats ?? sample.precpu_stats),
    memory: { used, limit, percent: limit > 0 ? (used / limit) * 100 : 0 },
    network: {
      received: interfaces.reduce((sum, { rx_bytes }) => sum + rx_bytes, 0),
      sent: interfaces.reduce((sum, { tx_bytes }) => sum + tx_bytes, 0),
    },
    block: { read: bytesOf("r"), written: bytesOf("w") },
    pids: sample.pids_stats?.current ?? 0,
  };
}

/** cgroup v1 calls what can be dropped total_inactive_file, v2 inactive_file. */
function usedMemory({ usage = 0, stats = {} }: NonNullable<StatsSample["memory_stats"]>): number {
  const droppable = stats["total_inactive_file"] ?? stats["inactive_file"] ?? 0;
  return droppable < usage ? usage - droppable : usage;
}

function cpuPercent(now: CpuSample, before: CpuSample | undefined): number | undefined {
  if (before?.system_cpu_usage === undefined) return undefined;
  const used = (now.cpu_usage?.total_usage ?? 0) - (before.cpu_usage?.total_usage ?? 0);
  const elapsed = (now.system_cpu_usage ?? 0) - before.system_cpu_usage;
  const cpus = now.online_cpus || (now.cpu_usage?.percpu_usage?.length ?? 1);
  return used > 0 && elapsed > 0 ? (used / elapsed) * cpus * 100 : 0;
}

/** How far apart the two samples of a first look are: CPU time is counted in steps of 10 ms. */
const firstInterval = 250;

/**
 * A container's use now. docker waits two seconds for it; two samples that are not waited for take a quarter of a second
 * (Engine 20.10, which lets the second one wait for its collector: one second). Rejects with EngineError.
 */
export async function currentUsage(
  connection: DockerConnection,
  id: string,
  signal: AbortSignal | undefined,
): Promise<Usage> {
  // one-shot came with API 1.41; before it the engine takes the two samples.
  if (compareVersions(connection.apiVersion, "1.41") < 0)
    return usageOf(await sampleNow(connection, id, false, signal), undefined);
  const first = await sampleNow(connection, id, true, signal);
  const { setTimeout: sleep } = await import("node:timers/promises");
  await sleep(firstInterval);
  return usageOf(await sampleNow(connection, id, true, signal), first);
}

async function sampleNow(
  connection: DockerConnection,
  id: string,
  oneShot: boolean,
  signal: AbortSignal | undefined,
): Promise<StatsSample> {
  const query = { stream: false, ...(oneShot ? { "one-shot": true } : {}) };
  for await (const sample of jsonLines<StatsSample>(follow(connection, statsPath(id), { query, signal })))
    return sample;
  // That is how the engine answers when the container is removed while it looks.
  throw new EngineError(`No such container: ${id.slice(0, 12)}`, { code: "NOT_FOUND" });
}

function statsPath(id: string): string {
  return `/containers/${encodeURIComponent(id)}/stats`;
}

/**
 * A container's use about once a second, the first time after what `currentUsage` takes. Goes on while the container is
 * there, also while it does not run (then with zeros). Rejects with EngineError, or CancelledError.
 */
export async function* followUsage(
  connection: DockerConnection,
  id: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Usage> {
  yield await currentUsage(connection, id, signal);
  const samples = follow(connection, statsPath(id), { query: { stream: true }, signal });
  for await (const sample of jsonLines<StatsSample>(samples)) {
    const usage = usageOf(sample, undefined);
    // The stream's own first sample has nothing to compare with, and was shown.
    if (usage.cpuPercent !== undefined) yield usage;
  }
}
