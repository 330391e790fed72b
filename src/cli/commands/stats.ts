import type { Containers } from "../../docker/containers.js";
import { engineEvents } from "../../docker/events.js";
import { currentUsage, followUsage, type Usage } from "../../docker/stats.js";
import { DfdebugError } from "../../errors.js";
import { binarySize, decimalSize } from "../../frontends/terminal/docker-units.js";
import { LiveScreen } from "../../frontends/terminal/live-screen.js";
import { canRedraw } from "../../frontends/terminal/style.js";
import { tableLines } from "../../frontends/terminal/table.js";
import { nameOf } from "../../sidecar/target.js";
import { writeAll } from "../../write-all.js";
import type { CliIo } from "../io.js";
import { jsonLine, readerGone } from "../output.js";
import type { EngineFlags } from "../program.js";
import { readLiveKeys } from "./live-keys.js";
import { findContainer, untilInterrupted, withContainers } from "./with-containers.js";

export interface StatsFlags {
  readonly all?: boolean;
  readonly stream: boolean;
  readonly json?: boolean;
}

/** A container that is looked at; no use yet, or none any more. */
interface Row {
  readonly id: string;
  readonly name: string;
  usage: Usage | undefined;
  readonly stop: AbortController;
}

function rowOf(id: string, name: string): Row {
  return { id, name, usage: undefined, stop: new AbortController() };
}

/** Milliseconds between two drawings of the table; docker's own. */
const period = 500;
/** Milliseconds between two printings where nothing can be redrawn: the engine's own period. */
const plainPeriod = 1000;

/**
 * `dfdebug stats`: docker's numbers for the containers that were named, else for all that run. Resolves with 0 when it was
 * left with `q`, with 130 when it was interrupted. Rejects with UsageError or EngineError.
 */
export function runStats(
  names: readonly string[],
  flags: StatsFlags,
  engineFlags: EngineFlags,
  io: CliIo,
): Promise<number> {
  return untilInterrupted(io, () =>
    withContainers(engineFlags, io, async (containers) => {
      const rows = await chosen(containers, names, flags, io);
      return flags.stream
        ? new LiveStats(containers, rows, flags, io).run(names.length === 0)
        : printOnce(containers, rows, flags, io);
    }),
  );
}

async function chosen(containers: Containers, names: readonly string[], flags: StatsFlags, io: CliIo): Promise<Row[]> {
  if (names.length > 0) {
    const found = await Promise.all(names.map((name) => findContainer(containers, name, io)));
    return found.map((info) => rowOf(info.Id, nameOf(info)));
  }
  const all = await containers.list();
  return all
    .filter(({ State }) => flags.all === true || State === "running" || State === "paused")
    .map((info) => rowOf(info.Id, nameOf(info)));
}

async function printOnce(containers: Containers, rows: readonly Row[], flags: StatsFlags, io: CliIo): Promise<number> {
  await Promise.all(
    rows.map(async (row) => {
      // Each has a signal of its own: as many listeners as containers on a shared one are taken for a leak by Node.
      row.usage = await unlessGone(currentUsage(containers.connection, row.id, AbortSignal.any([io.signal])));
    }),
  );
  await writeAll(io.stdout, flags.json ? rows.map(jsonOf).join("") : `${statsTable(rows).join("\n")}\n`);
  return 0;
}

/** The uses of some containers as they change. */
class LiveStats {
  private readonly containers: Containers;
  private readonly flags: StatsFlags;
  private readonly io: CliIo;
  private readonly rows = new Map<string, Row>();
  private readonly running = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private failure: Error | undefined;
  /** Why it ends: the exit code of whoever left it, or of nobody reading what is written. */
  private code: number | undefined;
  private wake: () => void = () => undefined;

  constructor(containers: Containers, rows: readonly Row[], flags: StatsFlags, io: CliIo) {
    this.containers = containers;
    this.flags = flags;
    this.io = io;
    for (const row of rows) this.add(row);
  }

  /** `discover`: containers that start later are shown too. Ends when there is none left of those that were named. */
  async run(discover: boolean): Promise<number> {
    const { io, flags } = this;
    if (discover) this.track(this.discover());
    const isLive = canRedraw(io.stdout, io.env) && !flags.json;
    const screen = new LiveScreen(io.stdout);
    await using _keys = isLive && io.stdin.isTTY ? readLiveKeys(io, { left: (code) => this.leave(code) }) : undefined;
    try {
      for (let round = 0; this.running.size > 0 && this.code === undefined; round++) {
        // The first table comes as soon as there is something to show.
        await (round === 0 && this.rows.size > 0 ? this.changed() : this.pause(isLive ? period : plainPeriod));
        if (this.failure !== undefined) throw this.failure;
        if (this.code !== undefined) break;
        const rows = [...this.rows.values()];
        if (isLive) screen.draw(statsTable(rows, screen.width));
        else if (!flags.json) await this.write(`${statsTable(rows).join("\n")}\n`);
      }
      return this.code ?? 0;
    } finally {
      this.stopping.abort();
      await Promise.all(this.running);
    }
  }

  private get signal(): AbortSignal {
    return AbortSignal.any([this.io.signal, this.stopping.signal]);
  }

  private changed(): Promise<void> {
    return new Promise((resolve) => (this.wake = resolve));
  }

  private async pause(milliseconds: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      new Promise((resolve) => (timer = setTimeout(resolve, milliseconds))),
      new Promise<void>((resolve) => (this.wake = () => (this.mustEnd ? resolve() : undefined))),
    ]);
    clearTimeout(timer);
  }

  private async write(text: string): Promise<void> {
    if (await writeAll(this.io.stdout, text)) return;
    this.leave(readerGone);
  }

  private leave(code: number): void {
    this.code ??= code;
    this.wake();
  }

  private get mustEnd(): boolean {
    return this.code !== undefined || this.failure !== undefined || this.running.size === 0;
  }

  private add(row: Row): void {
    if (this.rows.has(row.id)) return;
    this.rows.set(row.id, row);
    this.track(this.follow(row));
  }

  private remove(id: string): void {
    this.rows.get(id)?.stop.abort();
    this.rows.delete(id);
  }

  private track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        if (!this.stopping.signal.aborted) this.failure ??= error as Error;
      })
      .finally(() => {
        this.running.delete(tracked);
        this.wake();
      });
    this.running.add(tracked);
  }

  private async follow(row: Row): Promise<void> {
    try {
      const signal = AbortSignal.any([this.signal, row.stop.signal]);
      for await (const usage of followUsage(this.containers.connection, row.id, signal)) {
        row.usage = usage;
        if (this.flags.json) await this.write(jsonOf(row));
        if ([...this.rows.values()].every(({ usage }) => usage !== undefined)) this.wake();
      }
    } catch (error) {
      if (!isGone(error) && !row.stop.signal.aborted) throw error;
    } finally {
      // Its place may have been given to the next run already.
      if (this.rows.get(row.id) === row) this.rows.delete(row.id);
    }
  }

  private async discover(): Promise<void> {
    const filters = { type: ["container"], event: ["start", "die"] };
    for await (const { Action, Actor } of engineEvents(this.containers.connection, { filters, signal: this.signal })) {
      if (Action === "start") this.add(rowOf(Actor.ID, Actor.Attributes?.["name"] ?? Actor.ID.slice(0, 12)));
      else if (this.flags.all !== true) this.remove(Actor.ID);
    }
  }
}

function isGone(error: unknown): boolean {
  return error instanceof DfdebugError && (error.code === "NOT_FOUND" || error.code === "CONFLICT");
}

async function unlessGone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

const titles = ["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS"];

/** docker's own columns and forms. */
function statsTable(rows: readonly Row[], width?: number): string[] {
  return tableLines(titles, rows.map(statsCells), { width });
}

function statsCells({ id, name, usage }: Row): string[] {
  const short = [id.slice(0, 12), name];
  if (!usage) return [...short, "--", "-- / --", "--", "--", "--", "--"];
  const { memory, network, block } = usage;
  return [
    ...short,
    usage.cpuPercent === undefined ? "--" : `${usage.cpuPercent.toFixed(2)}%`,
    `${binarySize(memory.used)} / ${binarySize(memory.limit)}`,
    `${memory.percent.toFixed(2)}%`,
    `${decimalSize(network.received)} / ${decimalSize(network.sent)}`,
    `${decimalSize(block.read)} / ${decimalSize(block.written)}`,
    String(usage.pids),
  ];
}

function jsonOf({ id, name, usage }: Row): string {
  const { time, ...numbers } = usage ?? { time: new Date().toISOString() };
  return jsonLine("stats", time, { id, name, ...numbers });
}
