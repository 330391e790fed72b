/*
 * SSH's data types (RFC 4251, section 5): integers in network order, strings with their length in front.
 */

/** Reads values one after another. Throws RangeError where the data ends too soon. */
export class SshReader {
  private readonly data: Buffer;
  private offset = 0;

  constructor(data: Buffer) {
    this.data = data;
  }

  byte(): number {
    const value = this.data.readUInt8(this.offset);
    this.offset += 1;
    return value;
  }

  uint32(): number {
    const value = this.data.readUInt32BE(this.offset);
    this.offset += 4;
    return value;
  }

  string(): Buffer {
    const length = this.uint32();
    if (this.offset + length > this.data.length) throw new RangeError("an SSH string is cut short");
    this.offset += length;
    return this.data.subarray(this.offset - length, this.offset);
  }

  /** A non-negative integer's bytes, without the zero that keeps its sign. */
  integer(): Buffer {
    const bytes = this.string();
    return bytes[0] === 0 ? bytes.subarray(1) : bytes;
  }
}

export function sshUint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function sshString(value: string | Uint8Array): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return Buffer.concat([sshUint32(bytes.length), bytes]);
}

/** A non-negative integer from its big-endian bytes. */
export function sshInteger(bytes: Uint8Array): Buffer {
  let start = 0;
  while (start < bytes.length && bytes[start] === 0) start++;
  const trimmed = bytes.subarray(start);
  return sshString((trimmed[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), trimmed]) : trimmed);
}
