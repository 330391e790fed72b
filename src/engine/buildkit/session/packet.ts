import type { BigIntStats } from "node:fs";
import type { GrpcCall } from "./grpc-server.js";

/*
 * fsutil's Packet and Stat, written by hand into the call's own buffer: one of each for every file of a context. Field
 * numbers are those of proto/stat.proto and of fsutil's wire.proto (Packet: type 1, stat 2, ID 3, data 4).
 */

export const packetType = { stat: 0, request: 1, data: 2, finish: 3, error: 4 } as const;

/** Go's os.FileMode bits. */
const goMode = {
  directory: 0x80000000,
  symlink: 0x08000000,
  device: 0x04000000,
  fifo: 0x02000000,
  setuid: 0x00800000,
  setgid: 0x00400000,
  character: 0x00200000,
  sticky: 0x00100000,
} as const;

/** A stat as it travels: owner is always root in a build context. */
export interface PacketStat {
  readonly path: string;
  /** Go's os.FileMode. */
  readonly mode: number;
  readonly size: bigint;
  /** Nanoseconds since the epoch. */
  readonly modified: bigint;
  readonly link: string;
  readonly device: bigint;
}

/** What fsutil makes of a path's stat. A socket becomes an empty file, as docker's client sends it. */
export function packetStat(path: string, stats: BigIntStats, link: string): PacketStat {
  const hardLink = link !== "" && !stats.isSymbolicLink();
  const isDevice = stats.isBlockDevice() || stats.isCharacterDevice();
  return {
    path,
    mode: modeOf(stats),
    size: stats.isDirectory() || hardLink ? 0n : stats.size,
    modified: stats.mtimeNs,
    link,
    device: isDevice ? stats.rdev : 0n,
  };
}

/** Whether the engine may ask for its content: plain files, and what it takes for them. */
export function hasContent(stat: PacketStat): boolean {
  return (stat.mode & (goMode.directory | goMode.symlink | goMode.device | goMode.fifo)) === 0;
}

function modeOf(stats: BigIntStats): number {
  const mode = Number(stats.mode);
  let go = mode & 0o777;
  if (mode & 0o4000) go |= goMode.setuid;
  if (mode & 0o2000) go |= goMode.setgid;
  if (mode & 0o1000) go |= goMode.sticky;
  if (stats.isDirectory()) go |= goMode.directory;
  else if (stats.isSymbolicLink()) go |= goMode.symlink;
  else if (stats.isFIFO()) go |= goMode.fifo;
  else if (stats.isBlockDevice()) go |= goMode.device;
  else if (stats.isCharacterDevice()) go |= goMode.device | goMode.character;
  return go >>> 0;
}

/** Sends PACKET_STAT; without a stat the one that ends the list. */
export function sendStat(call: GrpcCall, stat: PacketStat | undefined): void {
  if (!stat) {
    call.reserve(0);
    call.commit(0);
    return;
  }
  // Names are at most 255 bytes a component, but paths can be long: three bytes a UTF-16 unit is the most UTF-8 needs.
  const most = 96 + 3 * (stat.path.length + stat.link.length);
  if (most > 60_000) throw new RangeError(`${stat.path.slice(0, 200)}...: the path is too long`);
  const { buffer, offset } = call.reserve(most);
  // The stat's length comes before it and takes one to three bytes: leave three, a varint may be padded.
  const body = offset + 4;
  let at = body;
  at = putString(buffer, at, 1, stat.path);
  at = putVarint(buffer, putByte(buffer, at, 0x10), BigInt(stat.mode));
  if (stat.size !== 0n) at = putVarint(buffer, putByte(buffer, at, 0x28), stat.size);
  if (stat.modified !== 0n) at = putVarint(buffer, putByte(buffer, at, 0x30), BigInt.asUintN(64, stat.modified));
  if (stat.link !== "") at = putString(buffer, at, 7, stat.link);
  if (stat.device !== 0n) {
    at = putVarint(buffer, putByte(buffer, at, 0x40), (stat.device >> 8n) & 0xfffn);
    at = putVarint(buffer, putByte(buffer, at, 0x48), (stat.device & 0xffn) | ((stat.device >> 12n) & 0xfff00n));
  }
  const length = at - body;
  buffer[offset] = 0x12;
  buffer[offset + 1] = (length & 0x7f) | 0x80;
  buffer[offset + 2] = ((length >> 7) & 0x7f) | 0x80;
  buffer[offset + 3] = (length >> 14) & 0x7f;
  call.commit(at - offset);
}

/** The head of a PACKET_DATA; its bytes follow. */
export function dataHead(id: number, length: number): Buffer {
  const head = Buffer.allocUnsafe(24);
  let at = putByte(head, 0, 0x08);
  at = putByte(head, at, packetType.data);
  if (id !== 0) at = putSmall(head, putByte(head, at, 0x18), id);
  if (length > 0) at = putSmall(head, putByte(head, at, 0x22), length);
  return head.subarray(0, at);
}

/** PACKET_FIN. */
export const finishPacket = Buffer.from([0x08, packetType.finish]);

/** PACKET_ERR with what went wrong. */
export function errorPacket(message: string): Buffer {
  const bytes = Buffer.from(message);
  const head = Buffer.allocUnsafe(16);
  let at = putByte(head, putByte(head, 0, 0x08), packetType.error);
  at = putSmall(head, putByte(head, at, 0x22), bytes.length);
  return Buffer.concat([head.subarray(0, at), bytes]);
}

/** Reads what the engine sends: a type and an ID; an error's text. */
export function readPacket(message: Buffer): { type: number; id: number; text: string } {
  const packet = { type: 0, id: 0, text: "" };
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; at < message.length; shift += 7) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  while (at < message.length) {
    const tag = varint();
    if ((tag & 7) === 2) {
      const length = varint();
      if (tag >> 3 === 4) packet.text = message.toString("utf8", at, at + length);
      at += length;
    } else {
      const value = varint();
      if (tag >> 3 === 1) packet.type = value;
      else if (tag >> 3 === 3) packet.id = value;
    }
  }
  return packet;
}

function putByte(buffer: Buffer, at: number, byte: number): number {
  buffer[at] = byte;
  return at + 1;
}

function putSmall(buffer: Buffer, at: number, value: number): number {
  let rest = value;
  while (rest >= 0x80) {
    buffer[at++] = (rest & 0x7f) | 0x80;
    rest = Math.floor(rest / 128);
  }
  buffer[at] = rest;
  return at + 1;
}

function putVarint(buffer: Buffer, at: number, value: bigint): number {
  if (value <= 0x7fffffffn) return putSmall(buffer, at, Number(value));
  let low = Number(value & 0xfffffffffffn);
  let high = Number(value >> 44n);
  let left = 44;
  for (;;) {
    const byte = low & 0x7f;
    low = Math.floor(low / 128);
    left -= 7;
    if (left <= 7 && high > 0) {
      low += (high & 0x7f) * 2 ** left;
      high = Math.floor(high / 128);
      left += 7;
    }
    if (low === 0 && high === 0) {
      buffer[at] = byte;
      return at + 1;
    }
    buffer[at++] = byte | 0x80;
  }
}

function putString(buffer: Buffer, at: number, field: number, text: string): number {
  buffer[at] = (field << 3) | 2;
  // Paths are nearly always ASCII: their length is known before they are written.
  const length = Buffer.byteLength(text);
  const start = putSmall(buffer, at + 1, length);
  buffer.write(text, start, "utf8");
  return start + length;
}
