// `npm run bench [-- NAME ...] [--quick] [--json]`: dfdebug and `DOCKER_BUILDKIT=1 docker build` side by side on one engine,
// taking turns, as medians and their ratio. The cases are in scripts/bench/, by file; NAME is one of theirs.
// What it sends stays in the engine's build cache, as after any build; images and containers do not.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Bench, table } from "./bench/measure.mjs";
import { baseImages, ensureEngines, stopEngine } from "./engine.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const options = process.argv.slice(2).filter((argument) => argument.startsWith("--"));
const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));

/** Every file of scripts/bench/ exports `benchmarks`: by name, what measures with a Bench. */
async function benchmarks() {
  const all = {};
  for (const file of readdirSync(join(root, "scripts/bench")).sort())
    Object.assign(all, (await import(`./bench/${file}`)).benchmarks);
  return all;
}

const bench = new Bench(options.includes("--quick"));
let engine;
try {
  const all = await benchmarks();
  const unknownOption = options.find((option) => !["--quick", "--json"].includes(option));
  if (unknownOption !== undefined) throw new Error(`there is no option ${unknownOption}: --quick and --json are`);
  const unknown = names.find((name) => !Object.hasOwn(all, name));
  if (unknown !== undefined)
    throw new Error(`there is no benchmark ${unknown}: choose of ${Object.keys(all).join(", ")}`);
  if (!existsSync(join(root, "node_modules")))
    execFileSync("npm", ["ci", "--ignore-scripts"], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  execFileSync(process.execPath, ["scripts/build.mjs"], { cwd: root, stdio: "inherit" });
  [engine] = await ensureEngines(["default"]);
  baseImages(engine, ["busybox:latest"]);
  bench.env.DOCKER_HOST = engine.host;
  for (const [name, benchmark] of Object.entries(all))
    if (names.length === 0 || names.includes(name)) await benchmark(bench);
  const lines = bench.results();
  if (options.includes("--json"))
    console.log(JSON.stringify({ engine: engine.name, node: process.version, results: lines }, undefined, 2));
  else console.log(`engine ${engine.name}, node ${process.version}\n${table(lines)}`);
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  bench.dispose();
  if (engine?.startedByUs) await stopEngine("default");
}
