import { frameHeaderSize } from "./grpc-frames.js";
import type { GrpcCall } from "./grpc-server.js";
import { varintSize, writeVarint } from "./protobuf.js";

/** Packet types of fsutil's protocol. */
export const packetType = { stat: 0, request: 1, data: 2, fin: 3, error: 4 } as const;

/** What is sent about a path. */
export interface FileHeader {
  /** Byte string. */
  readonly path: string;
  /** Go's os.FileMode. */
  readonly mode: number;
  /** Bytes; 0 for folders. */
  readonly size: number;
  /** Nanoseconds since the epoch. */
  readonly modified: bigint;
  /** Byte string: a symbolic link's target, or the path of the same file sent before. */
  readonly link: string | undefined;
  readonly device: { readonly major: number; readonly minor: number } | undefined;
  readonly xattrs: ReadonlyMap<string, Uint8Array> | undefined;
}

/** Bytes of a batch: large enough that a batch costs little, small enough to stay in the processor's cache. */
const batchSize = 512 * 1024;
/** Bytes of content in one packet. BuildKit's own client sends 32 KiB; a receiver's limit is 4 MiB. */
export const largestPiece = batchSize - 1024;
/** Batches on their way at a time; the memory of a transfer is this many batches, however large the context. */
const batchesInFlight = 8;

/**
 * Writes packets of fsutil's protocol in batches: many packets become one write, in buffers that are used again once they
 * were sent. A writer must look at `isFull` between packets and wait for `drained` when it is.
 */
export class PacketWriter {
  /** Bytes of packets written so far. */
  bytes = 0;
  private readonly call: GrpcCall;
  private readonly free: Buffer[] = [];
  private buffer: Buffer = Buffer.allocUnsafe(batchSize);
  private used = 0;
  private inFlight = 0;
  private failure: Error | undefined;
  private readonly waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  private readonly scratch = Buffer.alloc(8);
  private readonly time = Buffer.alloc(10);

  constructor(call: GrpcCall) {
    this.call = call;
  }

  get isFull(): boolean {
    return this.inFlight >= batchesInFlight || this.failure !== undefined;
  }

  /** Resolves when there is room again; rejects when the call is over. */
  drained(): Promise<void> {
    if (this.failure) return Promise.reject(this.failure);
    if (!this.isFull) return Promise.resolve();
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  /** One path. */
  stat(file: FileHeader): void {
    const { device, mode, path, size } = file;
    const link = file.link ?? "";
    const xattrs = file.xattrs ? encodeXattrs(file.xattrs) : undefined;
    const modified = this.encodeTime(file.modified);
    const length =
      stringSize(path) +
      numberSize(mode) +
      numberSize(size) +
      (modified > 0 ? 1 + modified : 0) +
      (link === "" ? 0 : stringSize(link)) +
      (device ? numberSize(device.major) + numberSize(device.minor) : 0) +
      (xattrs?.length ?? 0);
    let at = this.begin(1 + varintSize(length) + length);
    const { buffer } = this;
    buffer[at] = 0x12;
    at = writeVarint(buffer, at + 1, length);
    at = writeString(buffer, at, 0x0a, path);
    at = writeNumber(buffer, at, 0x10, mode);
    at = writeNumber(buffer, at, 0x28, size);
    if (modified > 0) {
      buffer[at] = 0x30;
      at += 1 + this.time.copy(buffer, at + 1, 0, modified);
    }
    if (link !== "") at = writeString(buffer, at, 0x3a, link);
    if (device) {
      at = writeNumber(buffer, at, 0x40, device.major);
      at = writeNumber(buffer, at, 0x48, device.minor);
    }
    xattrs?.copy(buffer, at);
  }

  /** After the last path. */
  endOfStats(): void {
    this.begin(0);
  }

  /**
   * One piece of a file's content, at most `largestPiece` bytes, put into place by `read(target, offset, length)`, which
   * returns how many bytes it got. Returns that too; at 0 nothing is written.
   */
  data(id: number, length: number, read: (target: Buffer, offset: number, length: number) => number): number {
    const expected = dataHeaderSize(id, length);
    this.reserve(frameHeaderSize + expected + length);
    const content = this.used + frameHeaderSize + expected;
    const got = read(this.buffer, content, length);
    if (got === 0) return 0;
    // Fewer bytes than expected can have a shorter header: then they move up to it.
    const header = dataHeaderSize(id, got);
    if (header !== expected) this.buffer.copyWithin(content - expected + header, content, content + got);
    writeDataHeader(this.buffer, this.begin(header + got), id, got);
    return got;
  }

  /** The same in a batch of its own, for a reader that takes its time: other packets may be written meanwhile. */
  async dataLater(
    id: number,
    read: (target: Buffer, offset: number, length: number) => Promise<number>,
  ): Promise<number> {
    const buffer = this.free.pop() ?? Buffer.allocUnsafe(batchSize);
    const content = batchSize - largestPiece;
    const got = await read(buffer, content, largestPiece);
    if (got === 0) {
      this.free.push(buffer);
      return 0;
    }
    const header = dataHeaderSize(id, got);
    const start = content - header - frameHeaderSize;
    writeFrameHeader(buffer, start, header + got);
    writeDataHeader(buffer, start + frameHeaderSize, id, got);
    this.flush();
    this.write(buffer, start, content + got);
    return got;
  }

  /** After the last piece of a file. */
  endOfData(id: number): void {
    const at = this.begin(dataHeaderSize(id, 0));
    writeId(this.buffer, writeType(this.buffer, at, packetType.data), id);
  }

  fin(): void {
    writeType(this.buffer, this.begin(2), packetType.fin);
  }

  error(message: string): void {
    const bytes = Buffer.from(message);
    let at = this.begin(3 + varintSize(bytes.length) + bytes.length);
    at = writeType(this.buffer, at, packetType.error);
    this.buffer[at++] = 0x22;
    bytes.copy(this.buffer, writeVarint(this.buffer, at, bytes.length));
  }

  /** Sends what is in the batch. */
  flush(): void {
    if (this.used === 0) return;
    const { buffer, used } = this;
    this.used = 0;
    this.buffer = this.free.pop() ?? Buffer.allocUnsafe(batchSize);
    this.write(buffer, 0, used);
  }

  private write(buffer: Buffer, start: number, end: number): void {
    this.inFlight++;
    this.bytes += end - start;
    this.call.write(buffer.subarray(start, end), (error) => {
      this.inFlight--;
      if (buffer.length === batchSize) this.free.push(buffer);
      if (error) this.failure = error;
      if (this.failure) for (const waiter of this.waiting.splice(0)) waiter.reject(this.failure);
      else if (!this.isFull) for (const waiter of this.waiting.splice(0)) waiter.resolve();
    });
  }

  /** Room for `size` bytes in one piece. */
  private reserve(size: number): void {
    if (this.used + size <= this.buffer.length) return;
    this.flush();
    if (size > this.buffer.length) this.buffer = Buffer.allocUnsafe(size);
  }

  /** Starts a message of `size` bytes; returns where they go. */
  private begin(size: number): number {
    this.reserve(frameHeaderSize + size);
    const start = this.used;
    writeFrameHeader(this.buffer, start, size);
    this.used = start + frameHeaderSize + size;
    return start + frameHeaderSize;
  }

  /** Puts a time's varint into `time` and returns its size; 0 for 0, which proto3 leaves out. */
  private encodeTime(value: bigint): number {
    if (value === 0n) return 0;
    this.scratch.writeBigUInt64LE(BigInt.asUintN(64, value));
    let low = this.scratch.readUInt32LE(0);
    let high = this.scratch.readUInt32LE(4);
    let size = 0;
    while (high > 0 || low > 0x7f) {
      this.time[size++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    this.time[size++] = low;
    return size;
  }
}

function dataHeaderSize(id: number, length: number): number {
  return 2 + (id > 0 ? 1 + varintSize(id) : 0) + (length > 0 ? 1 + varintSize(length) : 0);
}

function writeFrameHeader(target: Buffer, offset: number, size: number): void {
  target[offset] = 0;
  target.writeUInt32BE(size, offset + 1);
}

function writeDataHeader(target: Buffer, offset: number, id: number, length: number): void {
  const at = writeId(target, writeType(target, offset, packetType.data), id);
  target[at] = 0x22;
  writeVarint(target, at + 1, length);
}

function writeType(target: Buffer, offset: number, type: number): number {
  target[offset] = 0x08;
  target[offset + 1] = type;
  return offset + 2;
}

function writeId(target: Buffer, offset: number, id: number): number {
  if (id === 0) return offset;
  target[offset] = 0x18;
  return writeVarint(target, offset + 1, id);
}

/** Zero is left out, as in proto3. */
function numberSize(value: number): number {
  return value > 0 ? 1 + varintSize(value) : 0;
}

function writeNumber(target: Buffer, offset: number, tag: number, value: number): number {
  if (value === 0) return offset;
  target[offset] = tag;
  return writeVarint(target, offset + 1, value);
}

function stringSize(text: string): number {
  return 1 + varintSize(text.length) + text.length;
}

function writeString(target: Buffer, offset: number, tag: number, text: string): number {
  target[offset] = tag;
  const at = writeVarint(target, offset + 1, text.length);
  return at + target.write(text, at, "latin1");
}

function encodeXattrs(xattrs: ReadonlyMap<string, Uint8Array>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of xattrs) {
    const key = Buffer.from(name, "latin1");
    const size = 1 + varintSize(key.length) + key.length + 1 + varintSize(value.length) + value.length;
    const entry = Buffer.allocUnsafe(1 + varintSize(size) + size);
    entry[0] = 0x52;
    let at = writeVarint(entry, 1, size);
    entry[at++] = 0x0a;
    at = writeVarint(entry, at, key.length);
    at += key.copy(entry, at);
    entry[at++] = 0x12;
    at = writeVarint(entry, at, value.length);
    entry.set(value, at);
    parts.push(entry);
  }
  return Buffer.concat(parts);
}
