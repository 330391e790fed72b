import { createRequire } from "node:module";
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Script } from "node:vm";
import { version } from "./cli/version.js";
import { joinCode, splitCode, type CodeByChunk } from "./code-file.js";
import { outputLost } from "./output-lost.js";

/*
 * What the shell starts: loads dfdebug proper, chunk by chunk out of lib/chunks.js. Compiling them takes longer than building
 * what is cached, so V8's code is kept in the user's cache folder (Node does that by itself only from version 22 on, and a
 * file a module).
 */

/** Put in by scripts/build.mjs: names this build's chunks, of their content. */
declare const chunksId: string;
/** Put in by scripts/build.mjs: where each chunk begins in lib/chunks.js, its length, both in bytes, and its first line. */
declare const chunkPlaces: Readonly<Record<string, readonly [start: number, length: number, line: number]>>;

interface ChunkModule {
  exports: unknown;
  /** `import.meta.url` in the sources. */
  readonly url: string;
}

/** A chunk as a function: of what CommonJS gives a module, and of what esbuild else puts into each. */
type Chunk = (
  require: (id: string) => unknown,
  module: ChunkModule,
  defineExports: typeof exportGetters,
  toModule: typeof asModule,
) => void;

const filename = join(__dirname, "lib", "chunks.js");
const nodeRequire = createRequire(filename);
const loaded = new Map<string, ChunkModule>();
/** Exports of chunks: modules as import() gives them already. */
const chunkExports = new Set<unknown>();
/** What runs, by its chunk. */
const running = new Map<string, Script>();
/** A run as long as this looks whether it compiled more than is kept; milliseconds. Nobody notices the few that takes. */
const longRun = 2_000;

/** Code by Node's version and by command, which alone decides what is compiled. */
const cache = process.env["XDG_CACHE_HOME"] ?? join(process.env["HOME"] ?? homedir(), ".cache");
const folder = join(cache, "dfdebug", `code-${process.version}-${process.arch}`);
const command = process.argv.slice(2).find((word) => /^[a-z]+$/.test(word)) ?? "none";
const codeFile = join(folder, `${chunksId}-${command}`);

let file = 0;
/** What chunks are read into, one after the other: memory that is used for the first time costs more than to read it. */
let bytes = Buffer.alloc(0);
let kept: CodeByChunk = new Map();
let isStale = false;

/** Chunks refer to each other by `./name.js`, to all else as any module does. */
function requireFrom(id: string): unknown {
  const name = id.startsWith("./") ? id.slice(2) : "";
  const place = chunkPlaces[name];
  if (!place) return nodeRequire(id);
  const known = loaded.get(name);
  if (known) return known.exports;
  const module: ChunkModule = {
    exports: {},
    get url() {
      return pathToFileURL(filename).href;
    },
  };
  loaded.set(name, module);
  compile(name, place)(requireFrom, module, exportGetters, asModule);
  chunkExports.add(module.exports);
  return module.exports;
}

/** Exports that are read when they are used: chunks may refer to each other in circles. */
function exportGetters(target: object, getters: Readonly<Record<string, () => unknown>>): void {
  for (const [name, get] of Object.entries(getters)) Object.defineProperty(target, name, { get, enumerable: true });
}

/** What import() gives for what require() gave: for a CommonJS module its exports, which are its default, too. */
function asModule(exports: object, isNodeMode?: unknown): object {
  if (chunkExports.has(exports)) return exports;
  const module: Record<string, unknown> = Object.create(Object.getPrototypeOf(exports) as object) as never;
  if (isNodeMode || !("__esModule" in exports)) module["default"] = exports;
  for (const name of Object.getOwnPropertyNames(exports))
    if (!Object.hasOwn(module, name))
      Object.defineProperty(module, name, { get: () => exports[name as never], enumerable: true });
  return module;
}

function compile(name: string, [start, length, line]: (typeof chunkPlaces)[string]): Chunk {
  if (bytes.length < length) bytes = Buffer.allocUnsafeSlow(length);
  readSync(file, bytes, 0, length, start);
  const cachedData = kept.get(name);
  // It is ASCII only, and latin1 is read without looking at each byte.
  const script = new Script(bytes.toString("latin1", 0, length), {
    filename,
    lineOffset: line,
    ...(cachedData && { cachedData }),
  });
  running.set(name, script);
  isStale ||= !cachedData || script.cachedDataRejected === true;
  return script.runInThisContext() as Chunk;
}

/** A file that is the user's own and that nobody else can write: it is going to be run. */
function readOwn(path: string): Buffer | undefined {
  let own: number | undefined;
  try {
    own = openSync(path, "r");
    return isOwn(fstatSync(own)) ? readFileSync(own) : undefined;
  } catch {
    return undefined;
  } finally {
    if (own !== undefined) closeSync(own);
  }
}

function isOwn({ uid, mode }: { uid: number; mode: number }): boolean {
  return uid === process.getuid?.() && (mode & 0o022) === 0;
}

/** The file whole or not at all, the code of other builds of dfdebug removed. What cannot be kept is compiled again. */
function keep(): void {
  if (!isStale && process.uptime() * 1000 < longRun) return;
  const code = new Map(kept);
  for (const [name, script] of running) {
    const made = script.createCachedData();
    const before = script.cachedDataRejected ? undefined : kept.get(name);
    // V8 drops what a long run has not used for a while: never replace by less.
    if (before && before.length >= made.length) continue;
    code.set(name, made);
    isStale = true;
  }
  if (!isStale) return;
  try {
    // One by one: where nothing can be made (/proc), Node's recursive mkdir never returns.
    for (const path of [cache, join(cache, "dfdebug"), folder]) if (!existsSync(path)) mkdirSync(path, 0o700);
    if (!isOwn(statSync(folder))) return;
    for (const name of readdirSync(folder))
      if (!name.startsWith(chunksId)) rmSync(join(folder, name), { recursive: true, force: true });
    const temporary = `${codeFile}.${String(process.pid)}`;
    writeFileSync(temporary, joinCode(code), { mode: 0o600 });
    renameSync(temporary, codeFile);
  } catch {
    // A cache folder that is not there, full or read-only.
  }
}

if (process.argv.length === 3 && /^(--version|-V)$/.test(process.argv[2] ?? "")) {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    const lost = outputLost(error);
    if (lost === undefined) return;
    process.exitCode = 1;
    process.stderr.on("error", () => undefined).write(`Error: ${lost}\n`);
  });
  process.stdout.write(`${version}\n`);
} else {
  // A usage error (2) has run nothing, and may name any command.
  process.on("exit", (code) => {
    if (code !== 2) keep();
  });
  file = openSync(filename, "r");
  kept = splitCode(readOwn(codeFile));
  requireFrom("./main.js");
}
