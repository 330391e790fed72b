/** What an ELF file's head says of how it is run (ELF-64 Object File Format, System V gABI). */
export interface ElfHead {
  readonly bits: 32 | 64;
  /** An executable, position-independent or not: no object file and no core dump. */
  readonly isProgram: boolean;
  /** As Go and docker name it; undefined for machines that docker has no name for. */
  readonly architecture: string | undefined;
  /** PT_INTERP: the program that loads its libraries. Undefined: static. "": it has one, beyond the bytes at hand. */
  readonly loader: string | undefined;
}

const programTypes = [2, 3];
const loaderSegment = 3;

/** Undefined for what is no ELF file, or whose headers are not all in `head` (4096 bytes do for what linkers make). */
export function readElf(head: Buffer): ElfHead | undefined {
  if (head.length < 52 || head.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const bits = head[4] === 2 ? 64 : 32;
  const little = head[5] !== 2;
  if (bits === 64 && head.length < 64) return undefined;
  const short = (at: number): number => (little ? head.readUInt16LE(at) : head.readUInt16BE(at));
  const word = (at: number): number => (little ? head.readUInt32LE(at) : head.readUInt32BE(at));
  const address = (at: number): number => {
    if (bits === 32) return word(at);
    return Number(little ? head.readBigUInt64LE(at) : head.readBigUInt64BE(at));
  };
  const [table, size, count] = bits === 64 ? [address(32), short(54), short(56)] : [address(28), short(42), short(44)];
  if (table + size * count > head.length || (count > 0 && size < (bits === 64 ? 56 : 32))) return undefined;
  let loader: string | undefined;
  for (let index = 0; index < count; index++) {
    const at = table + index * size;
    if (word(at) !== loaderSegment) continue;
    const [start, length] = bits === 64 ? [address(at + 8), address(at + 32)] : [address(at + 4), address(at + 16)];
    loader = start + length > head.length ? "" : head.toString("utf8", start, start + length).replace(/\0.*$/s, "");
  }
  return {
    bits,
    isProgram: programTypes.includes(short(16)),
    architecture: architectureOf(short(18), bits, little),
    loader,
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
