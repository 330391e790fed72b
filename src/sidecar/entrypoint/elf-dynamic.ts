import { ElfNumbers, type ByteRange, type ElfHead } from "./elf.js";

/** What an ELF file tells the program that loads it (System V gABI, Dynamic Linking; Linux Standard Base, Symbol Versioning). */
export interface DynamicPart {
  /** DT_NEEDED, in order. */
  readonly needed: readonly string[];
  /** DT_SONAME: the name under which a library counts as loaded. */
  readonly name: string | undefined;
  /** DT_RPATH and DT_RUNPATH by their folders, `$ORIGIN` and the like as written. Undefined where it has none. */
  readonly rpath: readonly string[] | undefined;
  readonly runpath: readonly string[] | undefined;
  /** DT_VERNEED: versions that a library has to have, weak ones left out. */
  readonly versionsNeeded: readonly { readonly library: string; readonly versions: readonly string[] }[];
  /** DT_VERDEF; empty: it has no versions, and the loader does not ask for any. */
  readonly versions: ReadonlySet<string>;
}

/** The file's bytes at each range, as many as there are. */
export type ReadRanges = (ranges: readonly ByteRange[]) => Promise<readonly Buffer[]>;

const tags = { needed: 1, strings: 5, stringsSize: 10, name: 14, rpath: 15, runpath: 29 };
const versionTags = { defined: 0x6ffffffc, definedCount: 0x6ffffffd, needed: 0x6ffffffe, neededCount: 0x6fffffff };
const weakVersion = 2;
/** Libraries have some kilobytes of names; what has more than this is not read as one. */
const mostBytes = 64 * 1024 * 1024;
/** A list of versions is a few kilobytes. */
const versionBytes = 64 * 1024;
const nothing: ByteRange = { offset: 0, size: 0 };

/** Undefined where it is not dynamic, or not to be made sense of. Rejects with what `read` rejects with. */
export async function readDynamic(elf: ElfHead, read: ReadRanges): Promise<DynamicPart | undefined> {
  if (!elf.dynamic || elf.dynamic.size > mostBytes) return undefined;
  const [section = Buffer.alloc(0)] = await read([elf.dynamic]);
  const entries = entriesOf(section, elf);
  const value = (tag: number): number | undefined => entries.find((entry) => entry.tag === tag)?.value;
  const strings = rangeAt(elf, value(tags.strings), value(tags.stringsSize));
  if (!strings || strings.size > mostBytes) return undefined;
  const lists = [value(versionTags.needed), value(versionTags.defined)].map((at) => rangeAt(elf, at, versionBytes));
  const [table = Buffer.alloc(0), ...bytes] = await read([strings, ...lists.map((range) => range ?? nothing)]);
  if (table.length < strings.size) return undefined;
  const text = (offset: number): string => table.toString("utf8", offset, table.indexOf(0, offset));
  const all = (tag: number): string[] => entries.filter((entry) => entry.tag === tag).map((entry) => text(entry.value));
  const folders = (tag: number): string[] | undefined => all(tag)[0]?.split(":");
  const [needed, defined] = lists.map((range, index) => range && new ElfNumbers(bytes[index] ?? Buffer.alloc(0), elf));
  try {
    return {
      needed: all(tags.needed),
      name: all(tags.name)[0],
      rpath: folders(tags.rpath),
      runpath: folders(tags.runpath),
      versionsNeeded: needed ? readNeeded(needed, value(versionTags.neededCount) ?? 0, text) : [],
      versions: new Set(defined ? readDefined(defined, value(versionTags.definedCount) ?? 0, text) : []),
    };
  } catch (error) {
    // A number that stands beyond the bytes: a file that is cut, or made to be odd.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function entriesOf(bytes: Buffer, elf: ElfHead): { tag: number; value: number }[] {
  const numbers = new ElfNumbers(bytes, elf);
  const entries: { tag: number; value: number }[] = [];
  for (let at = 0; at + 2 * numbers.width <= bytes.length; at += 2 * numbers.width) {
    const tag = numbers.address(at);
    if (tag === 0) break;
    entries.push({ tag, value: numbers.address(at + numbers.width) });
  }
  return entries;
}

/** Where an address stands in the file; cut to what is loaded there. */
function rangeAt(elf: ElfHead, address: number | undefined, size: number | undefined): ByteRange | undefined {
  if (address === undefined || size === undefined) return undefined;
  const segment = elf.loaded.find((each) => address >= each.address && address < each.address + each.size);
  if (!segment) return undefined;
  const into = address - segment.address;
  return { offset: segment.offset + into, size: Math.min(size, segment.size - into) };
}

function readNeeded(
  numbers: ElfNumbers,
  count: number,
  text: (offset: number) => string,
): { library: string; versions: string[] }[] {
  return chain(count, (at) => {
    const versions = chain(
      numbers.short(at + 2),
      (aux) => {
        const isWeak = (numbers.short(aux + 4) & weakVersion) !== 0;
        return { value: isWeak ? [] : [text(numbers.word(aux + 8))], next: numbers.word(aux + 12) };
      },
      at + numbers.word(at + 8),
    );
    return {
      value: { library: text(numbers.word(at + 4)), versions: versions.flat() },
      next: numbers.word(at + 12),
    };
  });
}

function readDefined(numbers: ElfNumbers, count: number, text: (offset: number) => string): string[] {
  return chain(count, (at) => ({
    value: text(numbers.word(at + numbers.word(at + 12))),
    next: numbers.word(at + 16),
  }));
}

/** Entries that say how far it is to the next one. */
function chain<T>(count: number, read: (at: number) => { value: T; next: number }, start = 0): T[] {
  const values: T[] = [];
  for (let at = start; values.length < count;) {
    const { value, next } = read(at);
    values.push(value);
    if (next === 0) break;
    at += next;
  }
  return values;
}
