/*
 * The few messages of a session are encoded by hand: all but the packets of a file transfer (packet-writer.ts) have only
 * strings and bytes, and a code generator's output would cost more at start-up than they do.
 */

/** How many bytes a varint takes. For integers up to 2^53. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Writes a varint and returns the offset after it. For integers up to 2^53. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  let at = offset;
  let rest = value;
  while (rest >= 0x80) {
    target[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  target[at++] = rest;
  return at;
}

/** A field of a message as it came: a number for varints, bytes for what has a length. */
export interface Field {
  readonly number: number;
  readonly value: number | Buffer;
}

/** The fields of a message, in order. Throws RangeError when it is cut short or of an unknown form. */
export function readFields(message: Buffer): Field[] {
  const fields: Field[] = [];
  let offset = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = message[offset++];
      if (byte === undefined) throw new RangeError("a protobuf message ends in mid-number");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  const take = (length: number): Buffer => {
    if (offset + length > message.length) throw new RangeError("a protobuf message ends in mid-field");
    offset += length;
    return message.subarray(offset - length, offset);
  };
  while (offset < message.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        fields.push({ number, value: varint() });
        break;
      case 1:
        fields.push({ number, value: take(8) });
        break;
      case 2:
        fields.push({ number, value: take(varint()) });
        break;
      case 5:
        fields.push({ number, value: take(4) });
        break;
      default:
        throw new RangeError(`a protobuf field has the unknown wire type ${String(tag % 8)}`);
    }
  }
  return fields;
}

/** The bytes of field `number`, the last one where it is repeated; empty where it is absent, as in proto3. */
export function bytesField(message: Buffer, number: number): Buffer {
  let found: Buffer = Buffer.alloc(0);
  for (const field of readFields(message))
    if (field.number === number && typeof field.value !== "number") found = field.value;
  return found;
}

/** A message of strings and bytes, given by field number; empty ones are left out, as in proto3. */
export function encodeMessage(fields: Readonly<Record<number, string | Uint8Array>>): Buffer {
  const parts: Uint8Array[] = [];
  for (const [number, value] of Object.entries(fields)) {
    const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : value;
    if (bytes.length === 0) continue;
    const header = Buffer.allocUnsafe(varintSize(bytes.length) + 2);
    const end = writeVarint(header, writeVarint(header, 0, Number(number) * 8 + 2), bytes.length);
    parts.push(header.subarray(0, end), bytes);
  }
  return Buffer.concat(parts);
}
