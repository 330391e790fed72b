import { PathFilter, type FilterPatterns } from "../../context/path-filter.js";
import { errorMessage } from "../../../errors.js";
import type { FileTree, OpenFile } from "./file-tree.js";
import { openTree, type FileSource } from "./file-tree.js";
import { hasContent } from "./go-mode.js";
import { grpcCode, GrpcStatusError, type GrpcCall } from "./grpc-server.js";
import { largestPiece, packetType, PacketWriter } from "./packet-writer.js";
import { readFields } from "./protobuf.js";

/** Totals of one transfer so far. `done`: it has ended. */
export interface TransferEvent {
  /** The source's name: `context`, `dockerfile`, a named context. */
  readonly name: string;
  /** Files whose content was asked for. */
  readonly files: number;
  /** Bytes put on the wire, the descriptions of unchanged files included, as docker counts. */
  readonly bytes: number;
  readonly done: boolean;
}

/** moby.filesync.v1.FileSync/DiffCopy: sends of one source what its receiver asks for. Rejects when the transfer fails. */
export async function sendFiles(
  call: GrpcCall,
  sources: ReadonlyMap<string, FileSource>,
  onTransfer: (event: TransferEvent) => void,
): Promise<void> {
  const name = metadata(call, "dir-name")[0] ?? "";
  const source = sources.get(name);
  if (!source) throw new GrpcStatusError(grpcCode.notFound, `this build has no folder named ${JSON.stringify(name)}`);
  const patterns: FilterPatterns = {
    include: metadata(call, "include-patterns"),
    exclude: metadata(call, "exclude-patterns"),
    follow: metadata(call, "followpaths"),
  };
  const tree = openTree(source);
  await new FileSender(call, tree, new PathFilter(patterns, tree.root), name, onTransfer).run();
}

/** Values of a key, decoded where the sender says that they are encoded (BuildKit's filesync.encodeOpts). */
function metadata(call: GrpcCall, key: string): readonly string[] {
  const values = call.metadata(key);
  const isEncoded = /^(1|t|true)$/i.test(call.metadata(`${key}-encoded`)[0] ?? "");
  if (isEncoded) return values.map((value) => decodeURIComponent(value.replaceAll("+", " ")));
  // Engine 20.10 sends the bytes as they are, and Node reads header bytes as latin1.
  return values.map((value) => Buffer.from(value, "latin1").toString("utf8"));
}

/** The event loop is left to others after this many milliseconds of synchronous work. */
const slice = 8;
/** Milliseconds between two reports of progress. */
const reportEvery = 100;

/** fsutil's protocol: descriptions of all paths, and meanwhile the contents that the receiver asks for by their number. */
class FileSender {
  private readonly call: GrpcCall;
  private readonly tree: FileTree;
  private readonly filter: PathFilter;
  private readonly name: string;
  private readonly onTransfer: (event: TransferEvent) => void;
  private readonly writer: PacketWriter;
  /** Paths of regular files by the number of their description; taken out when asked for. */
  private readonly paths = new Map<number, string>();
  private requests: number[] = [];
  private files = 0;
  private reported = 0;
  private ended = false;
  private wake: () => void = () => undefined;

  constructor(
    call: GrpcCall,
    tree: FileTree,
    filter: PathFilter,
    name: string,
    onTransfer: (event: TransferEvent) => void,
  ) {
    this.call = call;
    this.tree = tree;
    this.filter = filter;
    this.name = name;
    this.onTransfer = onTransfer;
    this.writer = new PacketWriter(call);
  }

  async run(): Promise<void> {
    const sending = [this.sendHeaders(), this.sendContents()];
    const receiving = this.receive();
    try {
      await Promise.all([...sending, receiving]);
      this.writer.fin();
      this.writer.flush();
    } catch (error) {
      this.end();
      if (!this.call.signal.aborted) {
        this.writer.error(errorMessage(error));
        this.writer.flush();
      }
      // The receiver is not waited for: it may have nothing more to say, and say so only when the call has ended.
      await Promise.allSettled(sending);
      throw error;
    } finally {
      this.report(true);
    }
  }

  private async sendHeaders(): Promise<void> {
    const headers = this.tree.headers(this.filter);
    let number = 0;
    let sliceEnd = performance.now() + slice;
    for (let next = headers.next(); !next.done && !this.ended; next = headers.next()) {
      const file = next.value;
      this.writer.stat(file);
      if (hasContent(file.mode)) this.paths.set(number, file.path);
      number++;
      if (this.writer.isFull || (number % 32 === 0 && performance.now() > sliceEnd)) {
        await this.pause();
        sliceEnd = performance.now() + slice;
      }
    }
    if (this.ended) return;
    this.writer.endOfStats();
    this.writer.flush();
  }

  private async sendContents(): Promise<void> {
    let sliceEnd = performance.now() + slice;
    while (!this.ended) {
      const { requests } = this;
      if (requests.length === 0) {
        this.writer.flush();
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
        sliceEnd = performance.now() + slice;
        continue;
      }
      this.requests = [];
      for (const id of requests) {
        const path = this.paths.get(id);
        if (path === undefined) throw new Error(`the engine asked for file ${String(id)}, which it was not offered`);
        this.paths.delete(id);
        const file = this.tree.open(path);
        try {
          if (file && !this.sendSmall(id, file)) await this.sendRest(id, file);
        } finally {
          file?.close();
        }
        this.writer.endOfData(id);
        this.files++;
        if (this.writer.isFull || performance.now() > sliceEnd) {
          await this.pause();
          sliceEnd = performance.now() + slice;
        }
        if (this.ended) return;
      }
    }
  }

  /** Sends the first piece; true when that was all. */
  private sendSmall(id: number, file: OpenFile): boolean {
    const got = this.writer.data(id, firstPiece, (target, offset, length) => file.readNow(target, offset, length));
    // Less than asked for is the end on every local file system, but only an empty read says so on all.
    return (
      got === 0 ||
      (got < firstPiece &&
        this.writer.data(id, firstPiece, (target, offset, length) => file.readNow(target, offset, length)) === 0)
    );
  }

  private async sendRest(id: number, file: OpenFile): Promise<void> {
    for (;;) {
      if (this.writer.isFull) await this.pause();
      if (this.ended) return;
      const got = await this.writer.dataLater(id, (target, offset, length) => file.readLater(target, offset, length));
      if (got === 0) return;
    }
  }

  private async receive(): Promise<void> {
    for await (const batch of this.call.messages) {
      for (const message of batch) {
        let type: number = packetType.stat;
        let id = 0;
        let text = "";
        for (const field of readFields(message)) {
          if (field.number === 1) type = Number(field.value);
          else if (field.number === 3) id = Number(field.value);
          else if (field.number === 4) text = field.value.toString();
        }
        if (type === packetType.request) this.requests.push(id);
        else if (type === packetType.fin) {
          this.end();
          return;
        } else if (type === packetType.error) throw new Error(`the engine could not take the files: ${text}`);
      }
      this.wake();
    }
    throw new GrpcStatusError(grpcCode.cancelled, "the engine ended the transfer");
  }

  /** Lets others run, and waits while too much is on its way. */
  private async pause(): Promise<void> {
    this.writer.flush();
    this.report(false);
    if (this.writer.isFull) await this.writer.drained();
    else await new Promise<void>((resolve) => setImmediate(resolve));
  }

  private end(): void {
    this.ended = true;
    this.wake();
  }

  private report(done: boolean): void {
    const now = performance.now();
    if (!done && now - this.reported < reportEvery) return;
    this.reported = now;
    this.onTransfer({ name: this.name, files: this.files, bytes: this.writer.bytes, done });
  }
}

/** Read at once, without a trip through the thread pool. Bytes. */
const firstPiece = Math.min(64 * 1024, largestPiece);
