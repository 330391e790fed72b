/** What the headers of an ELF file say, and what its dynamic part asks for. */
export interface ElfShape {
  /** e_machine. */
  readonly machine: number;
  readonly bits: 32 | 64;
  readonly little: boolean;
  /** PT_INTERP. */
  readonly loader?: string;
  /** PT_DYNAMIC. */
  readonly dynamic?: {
    readonly needed?: readonly string[];
    readonly name?: string;
    readonly rpath?: string;
    readonly runpath?: string;
    /** Versions that one library has to have. */
    readonly versionsOf?: { readonly library: string; readonly versions: readonly string[] };
    /** Versions that it has. */
    readonly versions?: readonly string[];
  };
}

/** An ELF file of headers alone, for what reads them: it is loaded at address 0, so that addresses are offsets. */
export function elfProgram(shape: ElfShape): Buffer {
  const { bits, little, loader, dynamic } = shape;
  const [header, segment, wide] = bits === 64 ? [64, 56, 8] : [52, 32, 4];
  const parts: Buffer[] = [];
  const count = 1 + (loader === undefined ? 0 : 1) + (dynamic ? 1 : 0);
  let end = header + segment * count;
  const append = (bytes: Buffer): { offset: number; size: number } => {
    parts.push(bytes);
    end += bytes.length;
    return { offset: end - bytes.length, size: bytes.length };
  };
  const number = (size: number, value: number): Buffer => {
    const bytes = Buffer.alloc(size);
    if (little) bytes.writeUIntLE(value, 0, Math.min(size, 6));
    else bytes.writeUIntBE(value, Math.max(0, size - 6), Math.min(size, 6));
    return bytes;
  };
  const interpreter = loader === undefined ? undefined : append(Buffer.from(`${loader}\0`));
  const table = dynamic && append(dynamicPart(dynamic, { append, number, wide }));
  const head = Buffer.alloc(header + segment * count);
  const put = (at: number, size: number, value: number): void => void number(size, value).copy(head, at);
  head.set([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, little ? 1 : 2, 1]);
  put(16, 2, 2);
  put(18, 2, shape.machine);
  put(bits === 64 ? 32 : 28, wide, header);
  put(bits === 64 ? 54 : 42, 2, segment);
  put(bits === 64 ? 56 : 44, 2, count);
  const segments = [{ type: 1, offset: 0, size: end }];
  if (interpreter) segments.push({ type: 3, ...interpreter });
  if (table) segments.push({ type: 2, ...table });
  for (const [index, { type, offset, size }] of segments.entries()) {
    const at = header + index * segment;
    put(at, 4, type);
    put(at + (bits === 64 ? 8 : 4), wide, offset);
    put(at + (bits === 64 ? 16 : 8), wide, offset);
    put(at + (bits === 64 ? 32 : 16), wide, size);
  }
  return Buffer.concat([head, ...parts]);
}

interface Writer {
  readonly append: (bytes: Buffer) => { offset: number; size: number };
  readonly number: (size: number, value: number) => Buffer;
  readonly wide: number;
}

function dynamicPart(dynamic: NonNullable<ElfShape["dynamic"]>, { append, number, wide }: Writer): Buffer {
  const names = ["\0"];
  const name = (text: string): number => {
    const at = names.join("").length;
    names.push(`${text}\0`);
    return at;
  };
  const entries: [number, number][] = (dynamic.needed ?? []).map((text) => [1, name(text)]);
  for (const [tag, text] of [
    [14, dynamic.name],
    [15, dynamic.rpath],
    [29, dynamic.runpath],
  ] as const)
    if (text !== undefined) entries.push([tag, name(text)]);
  if (dynamic.versionsOf) {
    const { library, versions } = dynamic.versionsOf;
    const asked = versions.map((version, index) =>
      Buffer.concat([
        number(4, 0),
        number(2, 0),
        number(2, 2),
        number(4, name(version)),
        number(4, index + 1 < versions.length ? 16 : 0),
      ]),
    );
    const one = [number(2, 1), number(2, versions.length), number(4, name(library)), number(4, 16), number(4, 0)];
    entries.push([0x6ffffffe, append(Buffer.concat([...one, ...asked])).offset], [0x6fffffff, 1]);
  }
  if (dynamic.versions) {
    const { versions } = dynamic;
    const defined = versions.map((version, index) =>
      Buffer.concat([
        ...[number(2, 1), number(2, 0), number(2, index + 1), number(2, 1), number(4, 0), number(4, 20)],
        ...[number(4, index + 1 < versions.length ? 28 : 0), number(4, name(version)), number(4, 0)],
      ]),
    );
    entries.push([0x6ffffffc, append(Buffer.concat(defined)).offset], [0x6ffffffd, versions.length]);
  }
  const strings = append(Buffer.from(names.join("")));
  entries.push([5, strings.offset], [10, strings.size], [0, 0]);
  return Buffer.concat(entries.flatMap(([tag, value]) => [number(wide, tag), number(wide, value)]));
}
