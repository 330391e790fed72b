import { setTimeout as sleep } from "node:timers/promises";
import type { DockerConnection } from "../../docker/connection.js";
import { PreparedExec } from "../../docker/exec.js";
import { DfdebugError, EngineError, UsageError } from "../../errors.js";
import { endSoleCommand } from "../../sidecar/scripts.js";
import { isAbandoned, sessionLabel, type OwnerLabels } from "../../sidecar/labels.js";
import { ConnectedEngine } from "../connect.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";

export interface PruneFlags {
  readonly all?: boolean;
  readonly force?: boolean;
  /** Only what one session made, whoever runs: a session's guard asks for it. */
  readonly session?: string;
}

/** A kind of engine object that may carry our label. */
interface Kind {
  readonly name: string;
  readonly list: string;
  readonly query?: Readonly<Record<string, string | boolean>>;
  readonly filters?: Readonly<Record<string, readonly string[]>>;
  readonly remove: (id: string) => string;
}

/** In the order in which they can be removed: what is in use later. Images that someone named stay theirs. */
const kinds: readonly Kind[] = [
  {
    name: "container",
    list: "/containers/json",
    query: { all: true },
    remove: (id) => `/containers/${id}?force=1&v=1`,
  },
  {
    name: "image",
    list: "/images/json",
    filters: { dangling: ["true"] },
    remove: (id) => `/images/${id}?force=1`,
  },
  { name: "volume", list: "/volumes", remove: (id) => `/volumes/${id}?force=1` },
  { name: "network", list: "/networks", remove: (id) => `/networks/${id}` },
];

interface EngineObject {
  readonly Id?: string;
  /** Of a container. */
  readonly State?: string;
  readonly Name?: string;
  readonly Labels?: OwnerLabels | null;
}

interface Found {
  readonly kind: Kind;
  readonly id: string;
  /** A container whose processes run. */
  readonly isRunning: boolean;
}

/** `dfdebug prune`: removes what dfdebug made in an engine and is in use by no dfdebug any more. */
export async function prune(flags: PruneFlags, engineFlags: EngineFlags, io: CliIo): Promise<number> {
  await using connected = new ConnectedEngine(engineFlags, io);
  const connection = await connected.connection();
  if (flags.session !== undefined) return pruneSession(connection, flags.session);
  const found = await find(connection, sessionLabel, (labels) => flags.all === true || isAbandoned(labels));
  if (found.length === 0) {
    io.stdout.write("Nothing to remove\n");
    return 0;
  }
  if (flags.all === true && flags.force !== true)
    throw new UsageError(`--all would remove ${String(found.length)} objects, those of running sessions included`, {
      hint: "Add --force to do it.",
    });
  for (const object of found) {
    await remove(connection, object);
    io.stdout.write(`Removed ${object.kind.name} ${object.id.replace(/^sha256:/, "").slice(0, 12)}\n`);
  }
  return 0;
}

/**
 * What a killed session had asked for may still come into being: the engine finishes a request whose client is gone. What runs
 * is ended by its own first process, which waits for those that it started; where it is killed instead, they become children of
 * the target's first process, which may never wait for them. So that one has the first rounds.
 */
const sessionPatience = { rounds: 12, runningRounds: 4, milliseconds: 150 };

async function pruneSession(connection: DockerConnection, session: string): Promise<number> {
  for (let round = 0; round < sessionPatience.rounds; round++) {
    for (const object of await find(connection, `${sessionLabel}=${session}`, () => true))
      if (!object.isRunning || round >= sessionPatience.runningRounds) await remove(connection, object);
      else await endOne(connection, object.id);
    await sleep(sessionPatience.milliseconds);
  }
  return 0;
}

/** Ends what would end by itself, had its client lived a moment longer. What cannot be started in it has ended. */
async function endOne(connection: DockerConnection, container: string): Promise<void> {
  try {
    const exec = await PreparedExec.create(connection, container, { argv: endSoleCommand, detached: true });
    await exec.startDetached();
  } catch (error) {
    if (!(error instanceof EngineError) || error.code === "ENGINE_LOST") throw error;
  }
}

async function find(
  connection: DockerConnection,
  label: string,
  wanted: (labels: OwnerLabels) => boolean,
): Promise<Found[]> {
  const lists = await Promise.all(
    kinds.map(async (kind) => {
      const filters = JSON.stringify({ ...kind.filters, label: [label] });
      const query = { ...kind.query, filters };
      const answer = await connection.json<EngineObject[] | { Volumes?: EngineObject[] | null }>("GET", kind.list, {
        query,
      });
      const objects = Array.isArray(answer) ? answer : (answer.Volumes ?? []);
      return objects
        .filter(({ Labels }) => wanted(Labels ?? {}))
        .map(({ Id, Name, State }) => ({ kind, id: Id ?? Name ?? "", isRunning: State === "running" }));
    }),
  );
  return lists.flat();
}

/** Already gone, or going, is success. */
async function remove(connection: DockerConnection, { kind, id }: Found): Promise<void> {
  try {
    await connection.json("DELETE", kind.remove(id));
  } catch (error) {
    if (!(error instanceof DfdebugError) || (error.code !== "NOT_FOUND" && error.code !== "CONFLICT")) throw error;
  }
}
