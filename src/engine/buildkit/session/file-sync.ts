import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { errorMessage } from "../../../errors.js";
import { followPaths, unreadable, walk } from "../../context.js";
import { GrpcError, grpcCode, type GrpcCall } from "./grpc-server.js";
import {
  dataHead,
  errorPacket,
  finishPacket,
  hasContent,
  packetStat,
  packetType,
  readPacket,
  sendStat,
  type PacketStat,
} from "./packet.js";

/** Files that the engine may ask for under one name. */
export type FileSource =
  | {
      readonly kind: "directory";
      readonly path: string;
      /** The patterns of its .dockerignore, as BuildKit will give them back: tells apart what a header joins. */
      readonly ignorePatterns?: readonly string[];
    }
  | { readonly kind: "memory"; readonly files: ReadonlyMap<string, Uint8Array> };

export interface TransferEvent {
  readonly name: string;
  readonly files: number;
  readonly bytes: number;
  readonly done: boolean;
}

/** Bytes of a file in one message, and of one read. */
const chunkSize = 256 * 1024;
/** Stats between two looks at the clock of the event loop. */
const sliceSize = 2_000;

/** moby.filesync.v1.FileSync/DiffCopy: sends every wanted path's stat, then the content of those the engine asks for. */
export async function serveDiffCopy(
  call: GrpcCall,
  source: FileSource | undefined,
  onTransfer: (event: TransferEvent) => void,
): Promise<void> {
  const name = headerValues(call, "dir-name")[0] ?? "";
  if (!source) throw new GrpcError(grpcCode.notFound, `no access allowed to dir "${name}"`);
  const transfer = new Transfer(call, source, name, onTransfer);
  await transfer.run();
}

class Transfer {
  private readonly call: GrpcCall;
  private readonly source: FileSource;
  private readonly name: string;
  private readonly onTransfer: (event: TransferEvent) => void;
  /** Paths that may be asked for, by the index of their stat. */
  private readonly wanted = new Map<number, string>();
  private files = 0;
  private bytes = 0;
  private reported = 0;

  constructor(call: GrpcCall, source: FileSource, name: string, onTransfer: (event: TransferEvent) => void) {
    this.call = call;
    this.source = source;
    this.name = name;
    this.onTransfer = onTransfer;
  }

  async run(): Promise<void> {
    const listing = this.list();
    listing.catch(() => undefined);
    try {
      for await (const message of this.call.messages()) {
        const packet = readPacket(message);
        if (packet.type === packetType.request) await this.sendFile(packet.id);
        else if (packet.type === packetType.finish) {
          await listing;
          this.call.send(finishPacket);
          await this.call.flush();
          this.report(true);
          return;
        } else if (packet.type === packetType.error)
          throw new GrpcError(grpcCode.internal, `error from receiver: ${packet.text}`);
      }
      await listing;
    } catch (error) {
      this.call.send(errorPacket(errorMessage(error)));
      await this.call.flush();
      throw error;
    }
  }

  /** Sends the stats. A walk that fails tells the engine, which then ends the call. */
  private async list(): Promise<void> {
    try {
      let index = 0;
      let size = 0;
      for (const stat of this.stats()) {
        sendStat(this.call, stat);
        if (hasContent(stat) && (stat.link === "" || stat.size > 0n)) this.wanted.set(index, stat.path);
        index += 1;
        size += stat.path.length + 40;
        if (index % sliceSize === 0) {
          await this.call.flush();
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
      this.bytes += size;
      sendStat(this.call, undefined);
      await this.call.flush();
      this.report(false);
    } catch (error) {
      this.call.send(errorPacket(errorMessage(error)));
      await this.call.flush();
      throw error;
    }
  }

  private *stats(): Generator<PacketStat, void, void> {
    const { source, call } = this;
    const follow = headerValues(call, "followpaths");
    const include = headerValues(call, "include-patterns");
    if (source.kind === "memory") {
      const names = [...source.files.keys()].sort();
      for (const name of names) {
        if (follow.length > 0 && !follow.includes(name)) continue;
        const size = BigInt(source.files.get(name)?.length ?? 0);
        yield { path: name, mode: 0o644, size, modified: 0n, link: "", device: 0n };
      }
      return;
    }
    const followed = follow.length > 0 ? followPaths(source.path, follow) : [];
    const everything = follow.length > 0 && followed === undefined;
    const filter = {
      include: everything ? [] : [...include, ...(followed ?? [])],
      exclude: excludePatterns(call, source.ignorePatterns),
    };
    for (const { path, stats, link } of walk(source.path, filter)) yield packetStat(path, stats, link);
  }

  /** Sends a file's content as it is now. One that is gone, or was none, is empty, as fsutil sends it. */
  private async sendFile(id: number): Promise<void> {
    const path = this.wanted.get(id);
    if (path === undefined) throw new GrpcError(grpcCode.invalidArgument, `invalid file id ${String(id)}`);
    this.wanted.delete(id);
    this.files += 1;
    if (this.source.kind === "memory") {
      const content = this.source.files.get(path);
      if (content && content.length > 0) this.sendData(id, content);
    } else await this.sendContent(id, path, `${this.source.path}/${path}`);
    this.call.send(dataHead(id, 0));
    await this.call.drained();
    if (this.bytes - this.reported > 4 * 1024 * 1024 || this.files % 500 === 0) this.report(false);
  }

  private async sendContent(id: number, path: string, file: string): Promise<void> {
    const handle = await openFile(path, file);
    if (!handle) return;
    try {
      const { size } = await handle.stat();
      const buffer = Buffer.allocUnsafe(Math.max(1, Math.min(chunkSize, size + 1)));
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
        if (bytesRead === 0) return;
        this.sendData(id, Buffer.from(buffer.subarray(0, bytesRead)));
        await this.call.drained();
        if (this.bytes - this.reported > 4 * 1024 * 1024) this.report(false);
      }
    } finally {
      await handle.close();
    }
  }

  private sendData(id: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; at += chunkSize) {
      const chunk = data.subarray(at, at + chunkSize);
      this.call.send(Buffer.concat([dataHead(id, chunk.length), chunk]));
      this.bytes += chunk.length;
    }
  }

  private report(done: boolean): void {
    this.reported = this.bytes;
    this.onTransfer({ name: this.name, files: this.files, bytes: this.bytes, done });
  }
}

type FileHandle = Awaited<ReturnType<typeof open>>;

/** Opens without following a symlink that took the file's place, and without waiting for a fifo's writer. */
async function openFile(path: string, file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "EPERM" || code === "EIO" || code === "EMFILE") throw unreadable(path, error);
    return undefined;
  }
}

/** The values of a repeated metadata key, which HTTP/2 in Node joins by ", ". Encoded ones hold no comma. */
export function headerValues(call: Pick<GrpcCall, "headers">, key: string): string[] {
  const raw = call.headers[key];
  if (raw === undefined) return [];
  const joined = Array.isArray(raw) ? raw.join(", ") : raw;
  const encoded = call.headers[`${key}-encoded`] !== undefined;
  // Too much is better than too little: a value that holds ", " itself is taken whole, too.
  const parts = joined.split(", ");
  if (encoded) return parts.map((part) => decodeURIComponent(part.replaceAll("+", " ")));
  return parts.length > 1 && key !== "exclude-patterns" ? [...parts, joined] : parts;
}

/** Exclude patterns must not be split wrongly: leaving out too much would break the build. */
function excludePatterns(call: GrpcCall, known: readonly string[] | undefined): readonly string[] {
  const parts = headerValues(call, "exclude-patterns");
  return known && known.join(", ") === parts.join(", ") ? known : parts;
}
