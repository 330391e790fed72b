import { status as grpcStatus, type Metadata } from "@grpc/grpc-js";
import { ContainerError } from "../../errors.js";
import type { FileStat, ImageConfig, Ref } from "../engine.js";
import { unary } from "./connection.js";
import { CallError } from "./failures.js";
import type { LLBBridgeClient } from "./gen/gateway.js";
import type { Stat } from "./gen/stat.js";
import type { Edge } from "./graph.js";

/** Go's os.FileMode bits that say what a path is (io/fs). */
const goMode = {
  directory: 1 << 31,
  symlink: 1 << 27,
  device: 1 << 26,
  fifo: 1 << 25,
  socket: 1 << 24,
  setuid: 1 << 23,
  setgid: 1 << 22,
  character: 1 << 21,
  sticky: 1 << 20,
};

const notFoundCode: number = grpcStatus.NOT_FOUND;
/** Bytes asked for at once when a file is read. */
const readSize = 1024n * 1024n;

/** A state that BuildKit holds. `id` is empty for the empty filesystem. */
export class BuildkitState implements Ref {
  readonly config: ImageConfig;
  readonly id: string;
  readonly edge: Edge | undefined;
  private readonly bridge: LLBBridgeClient;
  private readonly metadata: Metadata;

  constructor(
    bridge: LLBBridgeClient,
    metadata: Metadata,
    state: { id: string; edge: Edge | undefined; config: ImageConfig },
  ) {
    this.bridge = bridge;
    this.metadata = metadata;
    this.id = state.id;
    this.edge = state.edge;
    this.config = state.config;
  }

  async readDir(path: string, options: { signal?: AbortSignal } = {}): Promise<readonly FileStat[]> {
    if (this.id === "") return this.empty(path, []);
    const response = await this.call(
      path,
      (signal) =>
        unary(this.bridge, "readDir", { Ref: this.id, DirPath: path, IncludePattern: "" }, this.metadata, signal),
      options.signal,
    );
    return response.entries.map(fileStat);
  }

  async *readFile(path: string, options: { signal?: AbortSignal } = {}): AsyncIterable<Uint8Array> {
    if (this.id === "") throw notFound(path);
    for (let offset = 0n; ; offset += readSize) {
      const { Data } = await this.call(
        path,
        (signal) =>
          unary(
            this.bridge,
            "readFile",
            { Ref: this.id, FilePath: path, Range: { Offset: offset, Length: readSize } },
            this.metadata,
            signal,
          ),
        options.signal,
      );
      if (Data.length > 0) yield Data;
      if (BigInt(Data.length) < readSize) return;
    }
  }

  async stat(path: string, options: { signal?: AbortSignal } = {}): Promise<FileStat> {
    if (this.id === "") throw notFound(path);
    const { stat } = await this.call(
      path,
      (signal) => unary(this.bridge, "statFile", { Ref: this.id, Path: path }, this.metadata, signal),
      options.signal,
    );
    if (!stat) throw notFound(path);
    return fileStat(stat);
  }

  private empty<T>(path: string, value: T): T {
    if (/^\/*$/.test(path)) return value;
    throw notFound(path);
  }

  private async call<T>(
    path: string,
    run: (signal: AbortSignal | undefined) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    try {
      return await run(signal);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      // BuildKit passes the worker's errno on as words with code UNKNOWN; the words are the kernel's own.
      if (error.code === notFoundCode || /(?:no such file or|not a) directory$/.test(error.message))
        throw notFound(path, error);
      throw new ContainerError(`${path}: ${error.message.replace(/^.*: /, "")}`, { code: "STATE_READ", cause: error });
    }
  }
}

function notFound(path: string, cause?: unknown): ContainerError {
  return new ContainerError(`${path}: no such file or directory`, { code: "NOT_FOUND", cause });
}

/** BuildKit's Stat as ours. */
export function fileStat(stat: Stat): FileStat {
  const { mode } = stat;
  const has = (bit: number): boolean => (mode & bit) !== 0;
  return {
    name: stat.path.replace(/^.*\//s, ""),
    type: has(goMode.directory)
      ? "directory"
      : has(goMode.symlink)
        ? "symlink"
        : has(goMode.fifo)
          ? "fifo"
          : has(goMode.socket)
            ? "socket"
            : has(goMode.device)
              ? has(goMode.character)
                ? "character"
                : "block"
              : "file",
    mode:
      (mode & 0o777) |
      (has(goMode.setuid) ? 0o4000 : 0) |
      (has(goMode.setgid) ? 0o2000 : 0) |
      (has(goMode.sticky) ? 0o1000 : 0),
    uid: stat.uid,
    gid: stat.gid,
    size: Number(stat.size),
    modified: Number(stat.modTime / 1_000_000n),
    linkTarget: has(goMode.symlink) ? stat.linkname : undefined,
  };
}
