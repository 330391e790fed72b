import { createRequire } from "node:module";
import {
  fstatSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { Script } from "node:vm";
import { version } from "./cli/version.js";

/*
 * What the shell starts: loads dfdebug proper, lib/main.js. Compiling that takes longer than building what is cached, so
 * V8's code is kept in the user's cache folder (Node does that by itself only from version 22 on, and file by file).
 */

/** Names this build's bundles, of their content; put in by scripts/build.mjs. */
declare const bundleId: string;

/** A bundle as a function of what CommonJS gives a module. */
type Bundle = (
  exports: unknown,
  require: (id: string) => unknown,
  module: { exports: unknown },
  filename: string,
) => void;

const library = join(__dirname, "lib");
const nodeRequire = createRequire(join(library, "main.js"));
const loaded = new Map<string, { exports: unknown }>();
/** What runs, by the file its code is kept in, with the bytes of code that file had. */
const running = new Map<string, { readonly script: Script; readonly size: number }>();
/** A run as long as this looks whether it compiled more than is kept; milliseconds. Nobody notices the few that takes. */
const longRun = 2_000;

/** Code by Node's version and by command, which alone decides what is compiled. */
const cache = process.env["XDG_CACHE_HOME"] ?? join(process.env["HOME"] ?? homedir(), ".cache");
const folder = join(cache, "dfdebug", `code-${process.version}-${process.arch}`);
const command = process.argv.slice(2).find((word) => /^[a-z]+$/.test(word)) ?? "none";

/** Bundles refer to each other by `./name.js`, to all else as any module does. */
function requireFrom(id: string): unknown {
  if (!id.startsWith("./")) return nodeRequire(id);
  const known = loaded.get(id);
  if (known) return known.exports;
  const module = { exports: {} };
  loaded.set(id, module);
  compile(id.slice(2))(module.exports, requireFrom, module, join(library, id));
  return module.exports;
}

function compile(name: string): Bundle {
  const filename = join(library, name);
  // esbuild writes ASCII only, and latin1 is read without looking at each byte.
  const source = readFileSync(filename, "latin1");
  const kept = join(folder, `${bundleId}-${command}-${name}`);
  const cachedData = readOwn(kept);
  const script = new Script(source, {
    filename,
    ...(cachedData && { cachedData }),
  });
  running.set(kept, { script, size: script.cachedDataRejected ? 0 : (cachedData?.length ?? 0) });
  return script.runInThisContext() as Bundle;
}

/** A file that is the user's own and that nobody else can write: it is going to be run. */
function readOwn(path: string): Buffer | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    return isOwn(fstatSync(file)) ? readFileSync(file) : undefined;
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function isOwn({ uid, mode }: { uid: number; mode: number }): boolean {
  return uid === process.getuid?.() && (mode & 0o022) === 0;
}

/** Each file whole or not at all, the code of other builds of dfdebug removed. What cannot be kept is compiled again. */
function keep(): void {
  const wanted = [...running].filter(([, { size }]) => size === 0 || process.uptime() * 1000 > longRun);
  if (wanted.length === 0) return;
  try {
    // One by one: where nothing can be made (/proc), Node's recursive mkdir never returns.
    for (const path of [cache, join(cache, "dfdebug"), folder]) if (!existsSync(path)) mkdirSync(path, 0o700);
    if (!isOwn(statSync(folder))) return;
    for (const name of readdirSync(folder))
      if (!name.startsWith(bundleId)) rmSync(join(folder, name), { recursive: true, force: true });
    for (const [path, { script, size }] of wanted) {
      const code = script.createCachedData();
      // V8 drops what a long run has not used for a while: never replace by less.
      if (code.length <= size) continue;
      const temporary = `${path}.${String(process.pid)}`;
      writeFileSync(temporary, code, { mode: 0o600 });
      renameSync(temporary, path);
    }
  } catch {
    // A cache folder that is not there, full or read-only.
  }
}

if (process.argv.length === 3 && /^(--version|-V)$/.test(process.argv[2] ?? "")) process.stdout.write(`${version}\n`);
else {
  // A usage error (2) has run nothing, and may name any command.
  process.on("exit", (code) => {
    if (code !== 2) keep();
  });
  requireFrom("./main.js");
}
