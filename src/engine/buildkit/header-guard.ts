import { Transform, type TransformCallback } from "node:stream";

/*
 * BuildKit says how a step failed in the trailers of its answer, with the instruction in them several times. Node's HTTP/2
 * (nghttp2, NGHTTP2_HD_MAX_NV) gives a connection up at a header value of more than 64 KiB, without a word to anybody: calls
 * on it wait for ever. So values that could be as long are taken out before Node sees them. The failure is known then as
 * Engine 20.10 tells it, without details. Frames are RFC 9113's, header blocks RFC 7541's.
 */

/** Bytes on the wire: Huffman code makes at most 1.6 times as many of them. */
const longestValue = 40_000;
const frameHeader = 9;
const longestFrame = 16_384;
const frameType = { headers: 1, settings: 4, continuation: 9 };
const flag = { endHeaders: 0x4, padded: 0x8, priority: 0x20 };
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** What comes from the engine, without header values that Node cannot take. */
export class HeaderGuard extends Transform {
  /** The beginning of a frame, or a whole header block so far. */
  private held = Buffer.alloc(0);
  /** Bytes of a frame's payload that are passed on as they come. */
  private passing = 0;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const bytes = this.held.length > 0 ? Buffer.concat([this.held, chunk]) : chunk;
    let at = 0;
    // What is passed on as it is goes on in one piece: each one is a write.
    let kept = 0;
    while (at < bytes.length) {
      if (this.passing > 0) {
        const length = Math.min(this.passing, bytes.length - at);
        this.passing -= length;
        at += length;
        continue;
      }
      const frame = this.takeFrame(bytes.subarray(at));
      if (!frame) break;
      if (frame.instead) {
        this.push(Buffer.concat([bytes.subarray(kept, at), ...frame.instead]));
        kept = at + frame.taken;
      }
      at += frame.taken;
    }
    if (at > kept) this.push(bytes.subarray(kept, at));
    this.held = Buffer.from(bytes.subarray(at));
    done();
  }

  override _flush(done: TransformCallback): void {
    done(null, this.held.length > 0 ? this.held : undefined);
  }

  /** A frame's header, or a whole header block, and what is passed on in its place; undefined where more has to come. */
  private takeFrame(bytes: Buffer): { taken: number; instead: readonly Buffer[] | undefined } | undefined {
    const frame = frameAt(bytes, 0);
    if (!frame) return undefined;
    if (frame.type !== frameType.headers) {
      this.passing = frame.length;
      return { taken: frameHeader, instead: undefined };
    }
    const fragments: Buffer[] = [];
    let end = 0;
    for (let isLast = false; !isLast;) {
      const next = frameAt(bytes, end);
      if (!next || bytes.length < end + frameHeader + next.length) return undefined;
      const payload = bytes.subarray(end + frameHeader, end + frameHeader + next.length);
      fragments.push(end === 0 ? withoutPadding(payload, next.flags) : payload);
      end += frameHeader + next.length;
      isLast = (next.flags & flag.endHeaders) !== 0;
    }
    const block = Buffer.concat(fragments);
    const short = withoutLongValues(block);
    return { taken: end, instead: short === block ? undefined : headerFrames(short, frame) };
  }
}

/**
 * What goes to the engine, with a first SETTINGS frame that forbids it to refer to earlier header fields: a block can be
 * changed only where the next ones do not depend on it.
 */
export class PlainHeaders extends Transform {
  private held: Buffer | undefined = Buffer.alloc(0);

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (!this.held) {
      done(null, chunk);
      return;
    }
    this.held = Buffer.concat([this.held, chunk]);
    const settings = frameAt(this.held, preface.length);
    const end = preface.length + frameHeader + (settings?.length ?? 0);
    if (!settings || this.held.length < end) {
      done();
      return;
    }
    const bytes = this.held;
    this.held = undefined;
    if (settings.type !== frameType.settings) {
      done(null, bytes);
      return;
    }
    const length = Buffer.alloc(3);
    length.writeUIntBE(settings.length + 6, 0, 3);
    const noTable = Buffer.from([0, 1, 0, 0, 0, 0]);
    const head = bytes.subarray(preface.length + 3, end);
    done(null, Buffer.concat([bytes.subarray(0, preface.length), length, head, noTable, bytes.subarray(end)]));
  }

  override _flush(done: TransformCallback): void {
    done(null, this.held);
  }
}

interface Frame {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
}

function frameAt(bytes: Buffer, at: number): Frame | undefined {
  if (bytes.length < at + frameHeader) return undefined;
  return {
    length: bytes.readUIntBE(at, 3),
    type: bytes.readUInt8(at + 3),
    flags: bytes.readUInt8(at + 4),
    stream: bytes.readUInt32BE(at + 5),
  };
}

function withoutPadding(payload: Buffer, flags: number): Buffer {
  const isPadded = (flags & flag.padded) !== 0;
  const start = (isPadded ? 1 : 0) + ((flags & flag.priority) !== 0 ? 5 : 0);
  return payload.subarray(start, payload.length - (isPadded ? payload.readUInt8(0) : 0));
}

/** A header block as a HEADERS frame and what continues it. */
function headerFrames(block: Buffer, { flags, stream }: Frame): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < block.length; at += longestFrame) {
    const payload = block.subarray(at, at + longestFrame);
    const isLast = at + longestFrame >= block.length;
    const kept = at === 0 ? flags & ~(flag.padded | flag.priority | flag.endHeaders) : 0;
    const header = Buffer.alloc(frameHeader);
    header.writeUIntBE(payload.length, 0, 3);
    header.writeUInt8(at === 0 ? frameType.headers : frameType.continuation, 3);
    header.writeUInt8(kept | (isLast ? flag.endHeaders : 0), 4);
    header.writeUInt32BE(stream, 5);
    frames.push(header, payload);
  }
  return frames;
}

/** A header block without its very long values; the same one where it has none, or is none that we can read. */
export function withoutLongValues(block: Buffer): Buffer {
  const kept: Buffer[] = [];
  let at = 0;
  try {
    while (at < block.length) {
      const field = fieldAt(block, at);
      if (field.valueLength <= longestValue) kept.push(block.subarray(at, field.end));
      // Later blocks may refer to it: the engine has not heeded our setting.
      else if (field.isIndexed) return block;
      at = field.end;
    }
  } catch (error) {
    if (error instanceof RangeError) return block;
    throw error;
  }
  const length = kept.reduce((sum, part) => sum + part.length, 0);
  return length === block.length ? block : Buffer.concat(kept);
}

/** One field of a header block (RFC 7541, 6). Throws RangeError behind the block's end. */
function fieldAt(block: Buffer, start: number): { end: number; valueLength: number; isIndexed: boolean } {
  const first = block.readUInt8(start);
  // An indexed field, or a change of the table's size.
  if (first >= 0x80) return { end: integerAt(block, start, 7).end, valueLength: 0, isIndexed: true };
  if (first >= 0x20 && first < 0x40) return { end: integerAt(block, start, 5).end, valueLength: 0, isIndexed: false };
  const isIndexed = first >= 0x40;
  const name = integerAt(block, start, isIndexed ? 6 : 4);
  const valueAt = name.value === 0 ? stringAt(block, name.end).end : name.end;
  const value = stringAt(block, valueAt);
  return { end: value.end, valueLength: value.length, isIndexed };
}

function stringAt(block: Buffer, at: number): { length: number; end: number } {
  const { value, end } = integerAt(block, at, 7);
  if (end + value > block.length) throw new RangeError("a string behind the block's end");
  return { length: value, end: end + value };
}

/** An integer with a prefix of so many bits (RFC 7541, 5.1). */
function integerAt(block: Buffer, at: number, bits: number): { value: number; end: number } {
  const most = 2 ** bits - 1;
  let value = block.readUInt8(at) & most;
  let end = at + 1;
  if (value < most) return { value, end };
  for (let shift = 0; ; shift += 7) {
    const byte = block.readUInt8(end);
    end += 1;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return { value, end };
  }
}
