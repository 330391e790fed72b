import type { Duplex } from "node:stream";
import type Dockerode from "dockerode";
import { DfdebugError } from "../errors.js";
import { orUndefined } from "./absent.js";
import type { DockerConnection } from "./connection.js";
import { PreparedExec, noDetachKeys, type ExecSpec, type TerminalSize } from "./exec.js";

export type { ExecSpec, PreparedExec, RunningExec, TerminalSize } from "./exec.js";

/** A container as the engine describes it. */
export type ContainerInfo = Dockerode.ContainerInspectInfo;
/** A container in a list. */
export type ContainerSummary = Dockerode.ContainerInfo;
/** What a container is made from: the Engine API's own fields. */
export type ContainerSpec = Dockerode.ContainerCreateOptions;
export type HostConfig = Dockerode.HostConfig;
export type MountSettings = Dockerode.MountSettings;

/**
 * The container part of the Engine API, with dfdebug's errors: rejects with EngineError, whose code tells 404 (NOT_FOUND),
 * 409 (CONFLICT), 401 and 403 (ENGINE_DENIED) and the rest (ENGINE_REFUSED) apart. Lives as long as its connection.
 */
export class Containers {
  readonly connection: DockerConnection;

  constructor(connection: DockerConnection) {
    this.connection = connection;
  }

  /** By name, id or an id's unambiguous beginning. */
  inspect(container: string): Promise<ContainerInfo> {
    return this.connection.json("GET", `/containers/${encodeURIComponent(container)}/json`);
  }

  /** As `inspect`; undefined where there is no such container. */
  async find(container: string): Promise<ContainerInfo | undefined> {
    return orUndefined(this.inspect(container));
  }

  /** All containers, stopped ones too, newest first. `labels`: `name` or `name=value`, all of which must be there. */
  list(labels: readonly string[] = []): Promise<ContainerSummary[]> {
    const filters = labels.length > 0 ? JSON.stringify({ label: labels }) : undefined;
    return this.connection.json("GET", "/containers/json", { query: { all: true, filters } });
  }

  /** The new container's id. */
  async create(spec: ContainerSpec): Promise<string> {
    const { name, platform, ...body } = spec;
    const query = { name, platform };
    return (await this.connection.json<{ Id: string }>("POST", "/containers/create", { query, body })).Id;
  }

  async start(id: string): Promise<void> {
    await this.connection.json("POST", `/containers/${id}/start`);
  }

  /** Standard input, output and error of the first process, as one connection; it may be made before the start. */
  attach(id: string): Promise<Duplex> {
    const query = { stream: true, stdin: true, stdout: true, stderr: true, detachKeys: noDetachKeys };
    return this.connection.hijack(`/containers/${id}/attach`, { query });
  }

  /** Of its first process's terminal. */
  async resize(id: string, { columns, rows }: TerminalSize): Promise<void> {
    await this.connection.json("POST", `/containers/${id}/resize`, { query: { h: rows, w: columns } });
  }

  /** Resolves with the exit code when the container ended, or when it is gone (`removed`). */
  async wait(id: string, condition: "not-running" | "removed" = "not-running"): Promise<number> {
    return (await this.watchExit(id, condition)).code;
  }

  /** As `wait`, for a container that is about to be started: resolves when the engine watches it. */
  async watchExit(id: string, condition: "next-exit" | "not-running" | "removed"): Promise<{ code: Promise<number> }> {
    // The engine sends its answer's head at once, and the code at the end.
    const path = `/containers/${id}/wait`;
    const taken = await this.connection.ask<{ StatusCode: number }>("POST", path, { query: { condition } });
    const code = taken.answer().then(({ StatusCode }) => StatusCode);
    code.catch(() => undefined);
    return { code };
  }

  /** Removes it with its anonymous volumes, running or not. Already gone is success. */
  async remove(id: string): Promise<void> {
    const path = `/containers/${id}`;
    await ignoreGone(this.connection.json("DELETE", path, { query: { force: true, v: true } }));
  }

  /** Makes an image of a container's files and configuration, without pausing it; the image's id. */
  async commit(id: string, labels: Readonly<Record<string, string>>): Promise<string> {
    const changes = Object.entries(labels).map(([name, value]) => `LABEL ${name}=${JSON.stringify(value)}`);
    const query = { container: id, pause: false, changes: changes.join("\n"), comment: "dfdebug: temporary" };
    return (await this.connection.json<{ Id: string }>("POST", "/commit", { query, body: {} })).Id;
  }

  /** Unpacks a tar archive in a container's folder, running or not. */
  async putArchive(id: string, folder: string, archive: Buffer): Promise<void> {
    const headers = { "Content-Type": "application/x-tar" };
    await this.connection.json("PUT", `/containers/${id}/archive`, { query: { path: folder }, headers, body: archive });
  }

  /** A small file's bytes, read into memory; undefined where it is not there, or no file. Follows no symlink. */
  async readFile(id: string, path: string): Promise<Buffer | undefined> {
    const request = this.connection.stream("GET", `/containers/${id}/archive`, { query: { path } });
    const archive = await orUndefined(request);
    if (!archive) return undefined;
    const { extract } = (await import("tar-stream")).default;
    for await (const entry of archive.pipe(extract())) {
      if (entry.header.type !== "file") return undefined;
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    }
    return undefined;
  }

  /** The last lines of a container's output, both streams in their order, as bytes. */
  async lastLogs(id: string, lines: number, isTerminal: boolean): Promise<Buffer> {
    const query = { stdout: true, stderr: true, tail: lines };
    const chunks: Buffer[] = [];
    for await (const chunk of await this.connection.stream("GET", `/containers/${id}/logs`, { query }))
      chunks.push(chunk as Buffer);
    const bytes = Buffer.concat(chunks);
    if (isTerminal) return bytes;
    const parts: Buffer[] = [];
    for (let at = 0; at + 8 <= bytes.length;) {
      const end = at + 8 + bytes.readUInt32BE(at + 4);
      parts.push(bytes.subarray(at + 8, end));
      at = end;
    }
    return Buffer.concat(parts);
  }

  /** Prepares a process in a running container; nothing runs yet. */
  createExec(id: string, spec: ExecSpec): Promise<PreparedExec> {
    return PreparedExec.create(this.connection, id, spec);
  }
}

/** Already gone, or about to be, is success. */
async function ignoreGone(answer: Promise<unknown>): Promise<void> {
  try {
    await answer;
  } catch (error) {
    if (!(error instanceof DfdebugError) || (error.code !== "NOT_FOUND" && error.code !== "CONFLICT")) throw error;
  }
}
