import type { Duplex, Readable } from "node:stream";
import { orUndefined } from "./absent.js";
import type { DockerConnection } from "./connection.js";
import { EngineError } from "../errors.js";

/** A path of a container as the engine's archive API describes it. */
export interface ArchiveStat {
  readonly kind: "file" | "directory" | "symlink" | "other";
  /** Permissions. */
  readonly mode: number;
  readonly size: number;
  /** A symlink's, resolved in the container; the target need not exist. */
  readonly target: string | undefined;
}

/*
 * The archive API: it mounts the container's filesystem and volumes as the engine sees them, running or not. A running
 * container's tmpfs is not in it.
 */

/** The last part is not followed. Undefined where nothing is there (or no such container). Rejects with EngineError. */
export async function statArchive(
  connection: DockerConnection,
  container: string,
  path: string,
): Promise<ArchiveStat | undefined> {
  const response = await orUndefined(
    connection.stream("HEAD", `/containers/${container}/archive`, { query: { path } }),
  );
  if (!response) return undefined;
  response.resume();
  const header = response.headers["x-docker-container-path-stat"];
  if (typeof header !== "string")
    throw new EngineError(`The engine says nothing about ${path}`, { code: "ENGINE_REFUSED" });
  const { mode, size, linkTarget } = JSON.parse(Buffer.from(header, "base64").toString("utf8")) as {
    mode: number;
    size: number;
    linkTarget: string;
  };
  return { kind: kindOf(mode), mode: mode & 0o777, size, target: linkTarget === "" ? undefined : linkTarget };
}

/** Go's fs.FileMode: the kind in its high bits. */
function kindOf(mode: number): ArchiveStat["kind"] {
  const bits = BigInt(mode);
  if (bits & (1n << 31n)) return "directory";
  if (bits & (1n << 27n)) return "symlink";
  return bits & ((1n << 26n) | (1n << 25n) | (1n << 24n) | (1n << 19n)) ? "other" : "file";
}

/** A path as a tar archive, its names beginning with the path's last part. Rejects with EngineError (NOT_FOUND). */
export function readArchive(
  connection: DockerConnection,
  container: string,
  path: string,
  signal?: AbortSignal,
): Promise<Readable> {
  return connection.stream("GET", `/containers/${container}/archive`, { query: { path }, signal });
}

/** Unpacks a tar archive in a folder, as it comes; folders replace no files and files no folders. Rejects with EngineError. */
export async function writeArchive(
  connection: DockerConnection,
  container: string,
  folder: string,
  archive: Duplex,
  signal: AbortSignal,
): Promise<void> {
  const response = await connection.stream("PUT", `/containers/${container}/archive`, {
    query: { path: folder, noOverwriteDirNonDir: true },
    headers: { "Content-Type": "application/x-tar" },
    body: archive,
    signal,
  });
  response.resume();
}
