import { posix } from "node:path";
import type { DynamicPart } from "./elf-dynamic.js";
import type { ElfHead } from "./elf.js";
import { readLibraryCache } from "./ld-cache.js";
import type { ProgramFiles } from "./program-files.js";

/** A program or a library of it. */
export interface LoadedFile {
  /** As it was found. */
  readonly path: string;
  /** Where its symlinks lead. */
  readonly real: string;
  readonly elf: ElfHead;
  readonly part: DynamicPart;
  /** What asked for it; undefined for the program. */
  readonly by: LoadedFile | undefined;
}

/** How one loader looks for libraries. */
export interface LoaderRules {
  /** Names under which the loader itself counts as loaded. */
  readonly ownNames: readonly string[];
  /** Libraries that the environment and the system load first; one that is not there is passed over. */
  readonly preloaded: readonly string[];
  /** It refuses a library without the versions that are asked for. */
  readonly hasVersions: boolean;
  /** The loader stands for a library of this name itself. */
  isItself(name: string): boolean;
  /** Paths where a library is looked for, in order. */
  candidates(name: string, by: LoadedFile): Promise<readonly string[]>;
  /** It may be found in a way that is not looked into here. */
  isUnsure(by: LoadedFile): Promise<boolean>;
  /** Where else it is, for a hint. */
  elsewhere(
    name: string,
    program: LoadedFile,
  ): Promise<{ elsewhere: string | undefined; isConfigured: boolean; others: readonly string[] }>;
}

interface Loader {
  readonly path: string;
  readonly real: string;
  /** Its own DT_SONAME. */
  readonly name: string | undefined;
  readonly elf: ElfHead;
}

interface Surroundings {
  readonly files: ProgramFiles;
  readonly directory: string;
  readonly env: readonly string[];
}

/**
 * Told apart by what the loader is, and not by the name it is asked for under: Alpine has musl's, and another one (gcompat), at
 * glibc's path. Undefined for those that are neither. Rejects with EngineError.
 */
export async function loaderRules(loader: Loader, around: Surroundings): Promise<LoaderRules | undefined> {
  const { name = "" } = loader;
  if (/^ld-musl-|^libc\.so$/.test(posix.basename(loader.real)) || name.startsWith("libc.musl-"))
    return muslRules(loader, around);
  return /^(ld-linux|ld64\.so|ld\.so)/.test(name) ? glibcRules(loader, around) : undefined;
}

/** What Debian and its descendants have between `lib` and a library. */
const multiarch: Readonly<Record<string, string>> = {
  amd64: "x86_64-linux-gnu",
  arm64: "aarch64-linux-gnu",
  arm: "arm-linux-gnueabihf",
  "386": "i386-linux-gnu",
  ppc64le: "powerpc64le-linux-gnu",
  s390x: "s390x-linux-gnu",
  riscv64: "riscv64-linux-gnu",
  mips64le: "mips64el-linux-gnuabi64",
};

/** Folders that programs are often linked for and no loader searches by itself. */
const likelyFolders = ["/usr/local/lib", "/usr/local/lib64", "/opt/lib", "/app/lib", "/app"];

/** ld.so(8): RPATH, LD_LIBRARY_PATH, RUNPATH, the cache, and folders that were compiled in. */
async function glibcRules(loader: Loader, { files, directory, env }: Surroundings): Promise<LoaderRules> {
  const cache = readLibraryCache((await files.whole("/etc/ld.so.cache")) ?? Buffer.alloc(0), loader.elf.little);
  const triplet = multiarch[loader.elf.architecture ?? ""];
  const own = [posix.dirname(loader.real), posix.dirname(loader.path)];
  // Which of them were compiled in is the distribution's choice: each may be.
  const builtIn = [
    ...new Set([
      ...own,
      ...own.map((folder) => posix.join("/usr", folder)),
      ...["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/lib32", "/usr/lib32", "/libx32", "/usr/libx32"],
      ...(triplet === undefined ? [] : [`/lib/${triplet}`, `/usr/lib/${triplet}`]),
    ]),
  ];
  const libraryPath = listOf(env, "LD_LIBRARY_PATH", /[:;]/);
  const expand = (folder: string, file: LoadedFile): string[] => {
    const named = folder.replace(/\$(?:ORIGIN|\{ORIGIN\})/g, originOf(file));
    const kinds = /\$(?:LIB|\{LIB\})/.test(named) ? ["lib64", "lib", `lib/${triplet ?? ""}`] : [""];
    return kinds.map((kind) => posix.resolve(directory, named.replace(/\$(?:LIB|\{LIB\})/g, kind)));
  };
  const rpaths = (by: LoadedFile): string[] => {
    if (by.part.runpath) return [];
    const chain: string[] = [];
    for (let file: LoadedFile | undefined = by; file; file = file.by) {
      const current: LoadedFile = file;
      if (!current.part.runpath) chain.push(...(current.part.rpath ?? []).flatMap((folder) => expand(folder, current)));
    }
    return chain;
  };
  const configured = async (): Promise<string[]> => configuredFolders(files, "/etc/ld.so.conf");
  const folders = (by: LoadedFile): string[] => [
    ...rpaths(by),
    ...libraryPath.flatMap((folder) => expand(folder, by)),
    ...(by.part.runpath ?? []).flatMap((folder) => expand(folder, by)),
  ];
  return {
    ownNames: [posix.basename(loader.path), loader.name ?? ""],
    preloaded: [
      ...listOf(env, "LD_PRELOAD", /[ :]+/),
      ...(await files.text("/etc/ld.so.preload")).split(/[ :\n]+/),
    ].filter(Boolean),
    hasVersions: true,
    isItself: () => false,
    candidates: (name, by) =>
      Promise.resolve(
        name.includes("/")
          ? expand(name, by)
          : [
              ...folders(by).map((folder) => posix.join(folder, name)),
              ...(cache.get(name) ?? []),
              ...builtIn.map((folder) => posix.join(folder, name)),
            ],
      ),
    isUnsure: async (by) => {
      const searched = folders(by);
      if (searched.some((folder) => folder.includes("$"))) return true;
      // Variants for newer processors lie below: which of them count depends on the machine.
      for (const folder of new Set([...searched, ...builtIn]))
        if ((await files.find(posix.join(folder, "glibc-hwcaps"))).kind === "directory") return true;
      return false;
    },
    elsewhere: async (name, program) => {
      const conf = await configured();
      const place = await firstWith(files, name, [...conf, ...likelyFolders, ...besideProgram(program)]);
      return {
        elsewhere: place,
        isConfigured: place !== undefined && conf.includes(place),
        others: [...cache.keys()].filter((other) => stem(other) === stem(name)),
      };
    },
  };
}

/** musl's ldso/dynlink.c: LD_LIBRARY_PATH, then the paths of what asked and of what asked for that, then the system's. */
async function muslRules(loader: Loader, { files, directory, env }: Surroundings): Promise<LoaderRules> {
  const architecture = /ld-musl-([^.]+)\.so/.exec(`${loader.path} ${loader.real}`)?.[1];
  const listed = architecture === undefined ? "" : await files.text(`/etc/ld-musl-${architecture}.path`);
  const system = listed.trim() === "" ? ["/lib", "/usr/local/lib", "/usr/lib"] : listed.split(/[:\n]/).filter(Boolean);
  const libraryPath = listOf(env, "LD_LIBRARY_PATH", /[:\n]/);
  const chain = (by: LoadedFile): string[] => {
    const folders: string[] = [];
    for (let file: LoadedFile | undefined = by; file; file = file.by) {
      const origin = originOf(file);
      const own = file.part.runpath ?? file.part.rpath ?? [];
      folders.push(...own.map((folder) => folder.replace(/\$(?:ORIGIN|\{ORIGIN\})/g, origin)));
    }
    return folders;
  };
  return {
    ownNames: [posix.basename(loader.path), posix.basename(loader.real)],
    preloaded: listOf(env, "LD_PRELOAD", /[ :]+/),
    hasVersions: false,
    isItself: (name) => /^lib(c|pthread|rt|m|dl|util|xnet)\./.test(name),
    candidates: (name, by) =>
      Promise.resolve(
        (name.includes("/")
          ? [name]
          : [...libraryPath, ...chain(by), ...system].map((folder) => posix.join(folder, name))
        ).map((path) => posix.resolve(directory, path)),
      ),
    isUnsure: (by) => Promise.resolve(chain(by).some((folder) => folder.includes("$"))),
    elsewhere: async (name, program) => ({
      elsewhere: await firstWith(files, name, [...likelyFolders, ...besideProgram(program)]),
      isConfigured: false,
      others: [],
    }),
  };
}

function originOf(file: LoadedFile): string {
  return posix.dirname(file.by ? file.path : file.real);
}

function besideProgram({ real }: LoadedFile): string[] {
  const folder = posix.dirname(real);
  return [folder, posix.join(folder, "lib"), posix.join(folder, "../lib")];
}

async function firstWith(files: ProgramFiles, name: string, folders: readonly string[]): Promise<string | undefined> {
  if (name.includes("/")) return undefined;
  for (const folder of new Set(folders))
    if ((await files.find(posix.join(folder, name))).kind === "file") return folder;
  return undefined;
}

/** The folders that ldconfig reads, `include` lines of one folder's `*.conf` followed, as distributions have them. */
async function configuredFolders(files: ProgramFiles, path: string, depth = 0): Promise<string[]> {
  const folders: string[] = [];
  for (const line of (await files.text(path)).split("\n")) {
    const text = line.replace(/#.*/, "").trim();
    const [, pattern] = /^include\s+(\S+)$/.exec(text) ?? [];
    if (pattern === undefined) {
      if (text.startsWith("/")) folders.push(posix.normalize(text).replace(/(.)\/$/, "$1"));
      continue;
    }
    if (depth > 2 || !pattern.endsWith("/*.conf")) continue;
    const folder = posix.resolve(posix.dirname(path), posix.dirname(pattern));
    for (const name of await files.names(folder))
      if (name.endsWith(".conf"))
        folders.push(...(await configuredFolders(files, posix.join(folder, name), depth + 1)));
  }
  return folders;
}

function listOf(env: readonly string[], name: string, separator: RegExp): string[] {
  const value = env.findLast((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  return value === undefined || value === "" ? [] : value.split(separator);
}

/** `libssl.so.1.1` and `libssl.so.3` are of one name. */
function stem(name: string): string {
  return name.replace(/\.so(\.[\d.]+)?$/, ".so");
}
