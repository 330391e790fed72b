import { createRequire } from "node:module";
import {
  fstatSync,
  closeSync,
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
type Bundle = (require: (id: string) => unknown, module: { exports: unknown }, filename: string) => void;

const library = join(__dirname, "lib");
const nodeRequire = createRequire(join(library, "main.js"));
const loaded = new Map<string, { exports: unknown }>();
/** Code to keep when this run ends well: it has then what such a run needs. */
const fresh = new Map<string, Script>();

/** Code by Node's version and by command, which alone decides what is compiled. */
const folder = join(
  process.env["XDG_CACHE_HOME"] ?? join(process.env["HOME"] ?? homedir(), ".cache"),
  "dfdebug",
  `code-${process.version}-${process.arch}`,
);
const command = process.argv.slice(2).find((word) => /^[a-z]+$/.test(word)) ?? "none";

/** Bundles refer to each other by `./name.js`, to all else as any module does. */
function requireFrom(id: string): unknown {
  if (!id.startsWith("./")) return nodeRequire(id);
  const known = loaded.get(id);
  if (known) return known.exports;
  const module = { exports: {} };
  loaded.set(id, module);
  compile(id.slice(2))(requireFrom, module, join(library, id));
  return module.exports;
}

function compile(name: string): Bundle {
  const filename = join(library, name);
  // esbuild writes ASCII only, and latin1 is read without looking at each byte.
  const source = readFileSync(filename, "latin1");
  const kept = join(folder, `${bundleId}-${command}-${name}`);
  const cachedData = readOwn(kept);
  const script = new Script(`(function(require,module,__filename){${source}\n})`, {
    filename,
    ...(cachedData && { cachedData }),
  });
  if (!cachedData || script.cachedDataRejected) fresh.set(kept, script);
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
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (!isOwn(statSync(folder))) return;
    for (const name of readdirSync(folder))
      if (!name.startsWith(bundleId)) rmSync(join(folder, name), { recursive: true, force: true });
    for (const [path, script] of fresh) {
      const temporary = `${path}.${String(process.pid)}`;
      writeFileSync(temporary, script.createCachedData(), { mode: 0o600 });
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
    if (fresh.size > 0 && code !== 2) keep();
  });
  requireFrom("./main.js");
}
