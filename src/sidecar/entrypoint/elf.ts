/** What an ELF file's head says of how it is run (ELF-64 Object File Format, System V gABI). */
export interface ElfHead {
  readonly bits: 32 | 64;
  /** The order of bytes. */
  readonly little: boolean;
  /** An executable, position-independent or not: no object file and no core dump. */
  readonly isProgram: boolean;
  /** As Go and docker name it; undefined for machines that docker has no name for. */
  readonly architecture: string | undefined;
  /** PT_INTERP: the program that loads its libraries. Undefined: static. "": it has one, beyond the bytes at hand. */
  readonly loader: string | undefined;
  /** PT_DYNAMIC: what the loader has to know. Undefined where it has none. */
  readonly dynamic: ByteRange | undefined;
  /** PT_LOAD: which bytes of the file stand at which address. */
  readonly loaded: readonly (ByteRange & { readonly address: number })[];
}

/** Bytes of a file. */
export interface ByteRange {
  readonly offset: number;
  readonly size: number;
}

const programTypes = [2, 3];
const segments = { load: 1, dynamic: 2, loader: 3 };

/** The numbers in an ELF file, by its own width and order of bytes. */
export class ElfNumbers {
  /** Bytes of an address. */
  readonly width: 4 | 8;
  private readonly bytes: Buffer;
  private readonly little: boolean;

  /** `bytes` may be any part of the file: offsets are into it. */
  constructor(bytes: Buffer, shape: { readonly bits: 32 | 64; readonly little: boolean }) {
    this.bytes = bytes;
    this.width = shape.bits === 64 ? 8 : 4;
    this.little = shape.little;
  }

  short(at: number): number {
    return this.little ? this.bytes.readUInt16LE(at) : this.bytes.readUInt16BE(at);
  }

  word(at: number): number {
    return this.little ? this.bytes.readUInt32LE(at) : this.bytes.readUInt32BE(at);
  }

  address(at: number): number {
    if (this.width === 4) return this.word(at);
    return Number(this.little ? this.bytes.readBigUInt64LE(at) : this.bytes.readBigUInt64BE(at));
  }
}

/** Undefined for what is no ELF file, or whose headers are not all in `head` (4096 bytes do for what linkers make). */
export function readElf(head: Buffer): ElfHead | undefined {
  if (head.length < 52 || head.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const bits = head[4] === 2 ? 64 : 32;
  const little = head[5] !== 2;
  if (bits === 64 && head.length < 64) return undefined;
  const numbers = new ElfNumbers(head, { bits, little });
  const [table, size, count] =
    bits === 64
      ? [numbers.address(32), numbers.short(54), numbers.short(56)]
      : [numbers.address(28), numbers.short(42), numbers.short(44)];
  if (table + size * count > head.length || (count > 0 && size < (bits === 64 ? 56 : 32))) return undefined;
  let loader: string | undefined;
  let dynamic: ByteRange | undefined;
  const loaded: (ByteRange & { address: number })[] = [];
  // A segment's offset, address and size in the file.
  const [offsetAt, addressAt, sizeAt] = bits === 64 ? [8, 16, 32] : [4, 8, 16];
  for (let index = 0; index < count; index++) {
    const at = table + index * size;
    const range = { offset: numbers.address(at + offsetAt), size: numbers.address(at + sizeAt) };
    const end = range.offset + range.size;
    switch (numbers.word(at)) {
      case segments.load:
        loaded.push({ ...range, address: numbers.address(at + addressAt) });
        break;
      case segments.dynamic:
        dynamic = range;
        break;
      case segments.loader:
        loader = end > head.length ? "" : head.toString("utf8", range.offset, end).replace(/\0.*$/s, "");
        break;
    }
  }
  return {
    bits,
    little,
    isProgram: programTypes.includes(numbers.short(16)),
    architecture: architectureOf(numbers.short(18), bits, little),
    loader,
    dynamic,
    loaded,
  };
}

/** e_machine's numbers. */
function architectureOf(machine: number, bits: 32 | 64, little: boolean): string | undefined {
  const end = little ? "le" : "";
  switch (machine) {
    case 3:
      return "386";
    case 8:
      return `mips${bits === 64 ? "64" : ""}${end}`;
    case 21:
      return `ppc64${end}`;
    case 22:
      return "s390x";
    case 40:
      return "arm";
    case 62:
      return "amd64";
    case 183:
      return "arm64";
    case 243:
      return bits === 64 ? "riscv64" : undefined;
    case 258:
      return "loong64";
    default:
      return undefined;
  }
}

/** Whether an engine of one architecture runs programs of another without emulation. */
export function runsOn(program: string, engine: string): boolean {
  return program === engine || (program === "386" && engine === "amd64") || (program === "arm" && engine === "arm64");
}
