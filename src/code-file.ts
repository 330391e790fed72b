/** V8's code by the chunk that it is of. */
export type CodeByChunk = ReadonlyMap<string, Buffer>;

/** Bytes of the length that a code file begins with. */
const lengthBytes = 4;
/** V8 copies code that does not begin at a multiple of this. */
const alignment = 8;

/** A code file: the length of its index, the index as JSON (`{ name: [start, length] }`, starts behind the index), the code. */
export function joinCode(code: CodeByChunk): Buffer {
  const index: Record<string, [number, number]> = {};
  const parts: Buffer[] = [];
  let length = 0;
  for (const [name, bytes] of code) {
    index[name] = [length, bytes.length];
    const rest = Buffer.alloc(padding(bytes.length));
    parts.push(bytes, rest);
    length += bytes.length + rest.length;
  }
  const text = JSON.stringify(index);
  const head = text + " ".repeat(padding(lengthBytes + text.length));
  const size = Buffer.alloc(lengthBytes);
  size.writeUInt32LE(head.length);
  return Buffer.concat([size, Buffer.from(head, "latin1"), ...parts]);
}

/** What `joinCode` wrote; empty where there is none. A file that is cut short or no such file is as good as none. */
export function splitCode(file: Buffer | undefined): CodeByChunk {
  if (!file || file.length < lengthBytes) return new Map();
  const begin = lengthBytes + file.readUInt32LE(0);
  try {
    const index = JSON.parse(file.toString("latin1", lengthBytes, begin)) as Record<string, [number, number]>;
    const code = new Map<string, Buffer>();
    for (const [name, [start, length]] of Object.entries(index)) {
      const bytes = file.subarray(begin + start, begin + start + length);
      if (bytes.length === length) code.set(name, bytes);
    }
    return code;
  } catch {
    return new Map();
  }
}

function padding(length: number): number {
  return (alignment - (length % alignment)) % alignment;
}
