/*
 * Tar headers in GNU's format, which any tar unpacks, busybox's too (it ignores the long names and large sizes of POSIX
 * archives). Names are bytes, held as latin1 strings: file names of other encodings pass unchanged.
 */

export type TarType = "file" | "link" | "symlink" | "character-device" | "block-device" | "directory" | "fifo";

export interface TarEntry {
  /** latin1 for bytes, as `linkname`. */
  readonly name: string;
  readonly type: TarType;
  /** Permissions with set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content; 0 for all but files. */
  readonly size: number;
  /** Whole seconds since 1970. */
  readonly modified: number;
  readonly linkname?: string | undefined;
  readonly device?: { readonly major: number; readonly minor: number } | undefined;
}

/** A unit of a tar archive, in bytes. */
export const blockSize = 512;

const flags: Readonly<Record<TarType, string>> = {
  file: "0",
  link: "1",
  symlink: "2",
  "character-device": "3",
  "block-device": "4",
  directory: "5",
  fifo: "6",
};

/** An entry's header, with the entries before it that carry long names. Content and padding follow it. */
export function encodeHeader(entry: TarEntry): Buffer {
  const name = entry.type === "directory" && !entry.name.endsWith("/") ? `${entry.name}/` : entry.name;
  const linkname = entry.linkname ?? "";
  const blocks: Buffer[] = [];
  // A field without a last NUL is legal, but not understood everywhere.
  if (linkname.length >= 100) blocks.push(...longName("K", linkname));
  if (name.length >= 100) blocks.push(...longName("L", name));
  blocks.push(header(name, linkname, flags[entry.type], entry));
  return Buffer.concat(blocks);
}

/** Zeros that fill content up to a block. */
export function padding(size: number): Buffer {
  return Buffer.alloc((blockSize - (size % blockSize)) % blockSize);
}

/** The end of an archive. */
export const archiveEnd = Buffer.alloc(2 * blockSize);

function longName(flag: string, name: string): Buffer[] {
  const content = Buffer.from(`${name}\0`, "latin1");
  const fields = { mode: 0, uid: 0, gid: 0, size: content.length, modified: 0 };
  return [header("././@LongLink", "", flag, fields), content, padding(content.length)];
}

type Fields = Pick<TarEntry, "mode" | "uid" | "gid" | "size" | "modified" | "device">;

function header(name: string, linkname: string, flag: string, fields: Fields): Buffer {
  const block = Buffer.alloc(blockSize);
  block.write(name.slice(0, 99), 0, "latin1");
  number(block, fields.mode & 0o7777, 100, 8);
  number(block, fields.uid, 108, 8);
  number(block, fields.gid, 116, 8);
  number(block, fields.size, 124, 12);
  number(block, Math.max(0, Math.floor(fields.modified)), 136, 12);
  block.write("        ", 148, "latin1");
  block.write(flag, 156, "latin1");
  block.write(linkname.slice(0, 99), 157, "latin1");
  block.write("ustar  \0", 257, "latin1");
  if (fields.device) {
    number(block, fields.device.major, 329, 8);
    number(block, fields.device.minor, 337, 8);
  }
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** Octal with a NUL; base 256 (a first bit, then big-endian) where that is too short. */
function number(block: Buffer, value: number, at: number, length: number): void {
  const octal = value.toString(8);
  if (octal.length < length) {
    block.write(`${octal.padStart(length - 1, "0")}\0`, at, "latin1");
    return;
  }
  let rest = BigInt(value);
  for (let index = at + length - 1; index > at; index--) {
    block[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  block[at] = 0x80;
}
