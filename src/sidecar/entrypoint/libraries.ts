import { readDynamic, type DynamicPart } from "./elf-dynamic.js";
import { readElf, type ElfHead } from "./elf.js";
import { loaderRules, type LoadedFile, type LoaderRules } from "./loader-rules.js";
import type { ProgramFiles } from "./program-files.js";

/** What a loader would not find, or would refuse. */
export type LibraryProblem =
  | {
      readonly kind: "missing";
      readonly library: string;
      /** The file that asks for it, as it is found: the program, or a library of it. */
      readonly neededBy: string;
      /** A folder that has it and is not searched. */
      readonly elsewhere: string | undefined;
      /** `ldconfig` would make it known. */
      readonly isConfigured: boolean;
      /** The same library's other versions that are found. */
      readonly others: readonly string[];
    }
  | {
      readonly kind: "version";
      readonly library: string;
      readonly neededBy: string;
      /** `GLIBC_2.38`. */
      readonly version: string;
    };

export interface LibraryReport {
  /** How many libraries it loads, the loader left out. */
  readonly count: number;
  readonly problems: readonly LibraryProblem[];
}

export interface LibraryContext {
  readonly files: ProgramFiles;
  /** The process's working directory. */
  readonly directory: string;
  /** Its environment, `NAME=value` each. */
  readonly env: readonly string[];
}

/** A program that loads more than this is not followed to the end. */
const mostLibraries = 400;
const mostAtOnce = 4;
/** Enough for an ELF file's headers. */
const headBytes = 4096;
/** What a GPU runtime puts beside a program when its container is started (libnvidia-container). */
const givenByRuntime = /^lib(cuda|cudadebugger|nvidia-[\w-]+|nvcuvid|nvoptix)\.so/;

/**
 * Follows what a dynamic program loads, breadth first as loaders do, and starts nothing. Undefined where it cannot be known:
 * another loader than glibc's and musl's, or a file that cannot be made sense of. Rejects with EngineError.
 */
export async function checkLibraries(
  program: { readonly path: string; readonly real: string },
  loader: { readonly path: string; readonly real: string },
  context: LibraryContext,
): Promise<LibraryReport | undefined> {
  const { files } = context;
  const [main, itself] = [await open(files, program.real), await open(files, loader.real)];
  if (!main || !itself) return undefined;
  const rules = await loaderRules({ ...loader, name: itself.part.name, elf: itself.elf }, context);
  return (
    rules &&
    new Follower({ ...main, path: program.path, real: program.real, by: undefined }, itself.part, rules, files).follow()
  );
}

async function open(files: ProgramFiles, real: string): Promise<{ elf: ElfHead; part: DynamicPart } | undefined> {
  const read = files.reader(real);
  const [head] = await read([{ offset: 0, size: headBytes }]);
  const elf = head && readElf(head);
  const part = elf && (await readDynamic(elf, read));
  return part && { elf, part };
}

class Follower {
  private readonly program: LoadedFile;
  private readonly loader: DynamicPart;
  private readonly rules: LoaderRules;
  private readonly files: ProgramFiles;
  private readonly loaded = new Map<string, DynamicPart>();
  private readonly problems: LibraryProblem[] = [];

  constructor(program: LoadedFile, loader: DynamicPart, rules: LoaderRules, files: ProgramFiles) {
    this.program = program;
    this.loader = loader;
    this.rules = rules;
    this.files = files;
  }

  async follow(): Promise<LibraryReport | undefined> {
    const { program, loader, rules, loaded, problems } = this;
    for (const name of rules.ownNames) loaded.set(name, loader);
    const queue: LoadedFile[] = [program];
    for (const name of rules.preloaded) {
      const library = await this.find(name, program);
      if (library) queue.push(this.take(name, library));
    }
    const missing = new Set<string>();
    for (let at = 0; at < queue.length && at < mostLibraries; at++) {
      const file = queue[at] as LoadedFile;
      const wanted = file.part.needed.filter(
        (name) => !loaded.has(name) && !missing.has(name) && !rules.isItself(name) && !givenByRuntime.test(name),
      );
      for (const [index, library] of (await this.findAll(wanted, file)).entries()) {
        const name = wanted[index] ?? "";
        if (library) queue.push(this.take(name, library));
        // One that came before it may go by its name.
        else if (!loaded.has(name)) {
          if (await rules.isUnsure(file)) return undefined;
          missing.add(name);
          problems.push({
            kind: "missing",
            library: name,
            neededBy: file.path,
            ...(await rules.elsewhere(name, program)),
          });
        }
      }
    }
    if (rules.hasVersions) this.checkVersions(queue);
    return { count: queue.length - 1, problems };
  }

  /** It counts as loaded by the name that was asked for, and by its own. */
  private take(name: string, library: LoadedFile): LoadedFile {
    this.loaded.set(name, library.part);
    if (library.part.name !== undefined) this.loaded.set(library.part.name, library.part);
    return library;
  }

  /** A few at a time: the engine starts a process for each. */
  private async findAll(names: readonly string[], by: LoadedFile): Promise<(LoadedFile | undefined)[]> {
    const found: (LoadedFile | undefined)[] = [];
    for (let at = 0; at < names.length; at += mostAtOnce)
      found.push(...(await Promise.all(names.slice(at, at + mostAtOnce).map((name) => this.find(name, by)))));
    return found;
  }

  /** The first file of the name that is for this machine: loaders pass over others. */
  private async find(name: string, by: LoadedFile): Promise<LoadedFile | undefined> {
    const { files, program } = this;
    for (const path of await this.rules.candidates(name, by)) {
      const found = await files.find(path);
      if (found.kind !== "file") continue;
      const library = await open(files, found.real);
      if (!library) continue;
      if (library.elf.bits !== program.elf.bits || library.elf.architecture !== program.elf.architecture) continue;
      return { ...library, path, real: found.real, by };
    }
    return undefined;
  }

  /** A library without any versions is taken as it is, with a warning at most. */
  private checkVersions(files: readonly LoadedFile[]): void {
    for (const { path, part } of files)
      for (const { library, versions } of part.versionsNeeded) {
        const has = this.loaded.get(library)?.versions;
        if (!has || has.size === 0) continue;
        for (const version of versions)
          if (!has.has(version)) this.problems.push({ kind: "version", library, neededBy: path, version });
      }
  }
}
