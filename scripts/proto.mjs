// Generates src/engine/buildkit/gen from proto/. With --check: fails when what is committed is not what would be generated.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const gen = join(root, "src/engine/buildkit/gen");
const generate = () =>
  execFileSync(join(root, "node_modules/.bin/buf"), ["generate"], { cwd: join(root, "proto"), stdio: "inherit" });

/** Every file below `folder` with its text. */
function read(folder, prefix = "") {
  const files = new Map();
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) for (const [key, text] of read(path, `${prefix}${name}/`)) files.set(key, text);
    else files.set(prefix + name, readFileSync(path, "utf8"));
  }
  return files;
}

if (process.argv.includes("--check")) {
  const kept = mkdtempSync(join(tmpdir(), "dfdebug-gen-"));
  try {
    cpSync(gen, kept, { recursive: true });
    const before = read(gen);
    generate();
    const after = read(gen);
    const stale = [...new Set([...before.keys(), ...after.keys()])].filter((key) => before.get(key) !== after.get(key));
    if (stale.length > 0) {
      console.error(`generated code is stale: ${stale.join(", ")}: run npm run proto`);
      process.exitCode = 1;
    }
  } finally {
    rmSync(gen, { recursive: true, force: true });
    cpSync(kept, gen, { recursive: true });
    rmSync(kept, { recursive: true, force: true });
  }
} else {
  generate();
}
