// `npm run bench [-- NAME ...] [--quick] [--json]`: dfdebug and `DOCKER_BUILDKIT=1 docker build` side by side on one engine,
// taking turns, as medians and their ratio. NAME: startup, build, prompt, context-file, context-files.
// What it sends stays in the engine's build cache, as after any build; images and containers do not.
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { baseImages, ensureEngines, stopEngine } from "./engine.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const program = join(root, "dist/dfdebug.js");
const docker = existsSync("/usr/bin/docker") ? "/usr/bin/docker" : "docker";
const options = process.argv.slice(2).filter((argument) => argument.startsWith("--"));
const names = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const quick = options.includes("--quick");

/** @typedef {{milliseconds: number, peakBytes?: number}} Sample */
/** @typedef {{case: string, tool: string, samples: Sample[]}} Row */
/** @type {Row[]} */
const rows = [];
const scratch = mkdtempSync(join(tmpdir(), "dfdebug-bench-"));
const env = { ...process.env, DOCKER_BUILDKIT: "1", NO_COLOR: "1" };

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** Runs every tool `rounds` times, taking turns; who begins changes from round to round. */
async function compare(title, rounds, tools) {
  process.stderr.write(`bench: ${title}\n`);
  const samples = Object.keys(tools).map(() => []);
  for (let round = 0; round < rounds; round++) {
    const order = Object.entries(tools).map(([, measure], index) => ({ measure, index }));
    if (round % 2 === 1) order.reverse();
    for (const { measure, index } of order) samples[index].push(await measure(round));
  }
  Object.keys(tools).forEach((tool, index) => rows.push({ case: title, tool, samples: samples[index] }));
}

/** The largest resident set that a process and its children have had, in bytes, by Linux's own high-water marks. */
function watchMemory(pid) {
  const peaks = new Map();
  const look = (process_) => {
    try {
      const status = readFileSync(`/proc/${process_}/status`, "utf8");
      const peak = /^VmHWM:\s+(\d+)/m.exec(status)?.[1];
      if (peak !== undefined) peaks.set(process_, Number(peak) * 1024);
      const children = readFileSync(`/proc/${process_}/task/${process_}/children`, "utf8").trim();
      if (children !== "") for (const child of children.split(" ")) look(child);
    } catch {
      // Gone since.
    }
  };
  const timer = setInterval(() => look(String(pid)), 10);
  return () => {
    clearInterval(timer);
    return [...peaks.values()].reduce((sum, peak) => sum + peak, 0);
  };
}

/** Wall time of a command; a different exit code than `expected` ends the benchmark. */
function timed(file, args, { expected = 0, memory = false } = {}) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    const peak = memory && child.pid !== undefined ? watchMemory(child.pid) : undefined;
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text) => (output = (output + text).slice(-4000)));
    child.once("error", reject);
    child.once("close", (code) => {
      const milliseconds = performance.now() - start;
      const peakBytes = peak?.();
      if (code === expected) resolve(peakBytes === undefined ? { milliseconds } : { milliseconds, peakBytes });
      else reject(new Error(`${file} ${args.join(" ")} ended with ${String(code)}:\n${output}`));
    });
  });
}

/** Time from process start until `prompt` is on a pseudo-terminal's screen; then types `leave`, key by key as prompts come. */
async function untilPrompt(file, args, prompt, leave) {
  const { spawn: spawnPty } = await import("@lydell/node-pty");
  const start = performance.now();
  const pty = spawnPty(file, args, { name: "xterm-256color", cols: 100, rows: 30, env, cwd: scratch });
  return new Promise((resolve, reject) => {
    let screen = "";
    let milliseconds;
    const exits = [...leave];
    const timer = setTimeout(() => pty.kill("SIGKILL"), 60_000);
    pty.onData((data) => {
      // ash asks the terminal where the cursor is; a terminal answers.
      if (data.includes("\x1b[6n")) pty.write("\x1b[1;1R");
      screen += stripVTControlCharacters(data);
      if (milliseconds === undefined && prompt.test(screen)) milliseconds = performance.now() - start;
      if (milliseconds !== undefined && exits.length > 0 && exits[0].after.test(screen)) {
        pty.write(exits.shift().keys);
        screen = "";
      }
    });
    pty.onExit(() => {
      clearTimeout(timer);
      if (milliseconds === undefined) reject(new Error(`no prompt came:\n${screen.slice(-2000)}`));
      else resolve({ milliseconds });
    });
  });
}

function folder(name, files) {
  const path = join(scratch, name);
  mkdirSync(path, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

const dfdebugBuild = (args, measure) => timed(process.execPath, [program, "build", ...args], measure);
const dockerBuild = (args, measure) => timed(docker, ["build", ...args], measure);

async function startup() {
  await compare("start-up (--version)", quick ? 5 : 21, {
    "node -e 0": () => timed(process.execPath, ["-e", "0"]),
    dfdebug: () => timed(process.execPath, [program, "--version"]),
  });
}

async function build() {
  const steps = Array.from({ length: 9 }, (_, index) => `RUN echo ${index} > /step-${index}`);
  const context = folder("build", { Dockerfile: `FROM busybox:latest\n${steps.join("\n")}\n` });
  await compare("10 steps, uncached", quick ? 1 : 4, {
    docker: () => dockerBuild(["--no-cache", context]),
    dfdebug: () => dfdebugBuild(["--no-cache", context]),
  });
  // Both find their steps: the last uncached build left them.
  await compare("10 steps, cached", quick ? 3 : 11, {
    docker: () => dockerBuild([context]),
    dfdebug: () => dfdebugBuild([context]),
  });
}

async function prompt() {
  const text = "FROM busybox:latest\nRUN echo 1 > /1\nRUN echo 2 > /2\nRUN echo 3 > /3\nRUN test -e /not-there\n";
  const context = folder("prompt", { Dockerfile: text });
  await dockerBuild([context], { expected: 1 });
  const leave = [
    { after: /test -e \/not-there/, keys: "\x15exit\r" },
    { after: /\(dfdebug\) $/, keys: "quit\r" },
  ];
  await compare("failing step, all before it cached", quick ? 3 : 11, {
    "docker (its error)": () => dockerBuild([context], { expected: 1 }),
    "dfdebug (its prompt)": () =>
      untilPrompt(process.execPath, [program, "build", context], /step \d+ \S+ [$#] test -e \/not-there/, leave),
    "docker run (its prompt)": () =>
      untilPrompt(docker, ["run", "--rm", "-it", "busybox:latest", "sh"], /\/ # $/, [{ after: /# $/, keys: "exit\r" }]),
  });
}

/** A context in three states; a folder a tool, with content of its own, so that no tool profits from the other's run. */
async function context(title, fill, change) {
  const text = "FROM busybox:latest\nRUN --mount=type=bind,target=/context test -e /context/note\n";
  const folders = {};
  for (const tool of ["docker", "dfdebug"]) {
    folders[tool] = folder(`${title}-${tool}`, { Dockerfile: text, note: randomBytes(8).toString("hex") });
    fill(folders[tool]);
  }
  const measures = (before) => ({
    docker: () => (before(folders.docker), dockerBuild([folders.docker], { memory: true })),
    dfdebug: () => (before(folders.dfdebug), dfdebugBuild([folders.dfdebug], { memory: true })),
  });
  await compare(
    `${title}, first`,
    1,
    measures(() => undefined),
  );
  await compare(
    `${title}, unchanged`,
    quick ? 2 : 5,
    measures(() => undefined),
  );
  await compare(`${title}, one file changed`, quick ? 2 : 5, measures(change));
  for (const path of Object.values(folders)) rmSync(path, { recursive: true, force: true });
}

const newNote = (path) => writeFileSync(join(path, "note"), randomBytes(8).toString("hex"));

async function contextFile() {
  const mebibytes = quick ? 64 : 1024;
  const fill = (path) => {
    const block = randomBytes(8 * 1024 * 1024);
    for (let written = 0; written < mebibytes; written += 8) appendFileSync(join(path, "data"), block);
  };
  await context(`one file of ${mebibytes} MiB`, fill, newNote);
}

async function contextFiles() {
  const count = quick ? 2_000 : 50_000;
  const fill = (path) => {
    for (let number = 0; number < count; number++) {
      const below = join(path, `folder-${Math.floor(number / 500)}`);
      if (number % 500 === 0) mkdirSync(below);
      writeFileSync(join(below, `file-${number}`), randomBytes(4096));
    }
  };
  await context(`${count} files of 4 KiB`, fill, newNote);
}

function results() {
  return rows.map(({ case: title, tool, samples }) => {
    const base = rows.find((row) => row.case === title);
    const milliseconds = median(samples.map((sample) => sample.milliseconds));
    const peaks = samples.flatMap(({ peakBytes }) => (peakBytes === undefined ? [] : [peakBytes]));
    return {
      case: title,
      tool,
      runs: samples.length,
      milliseconds: Math.round(milliseconds * 10) / 10,
      ratio: Math.round((milliseconds / median(base.samples.map((sample) => sample.milliseconds))) * 100) / 100,
      ...(peaks.length > 0 && { peakMegabytes: Math.round(Math.max(...peaks) / 1e6) }),
    };
  });
}

function table(lines) {
  const cells = [["", "", "runs", "median", "ratio", "peak memory"]];
  let previous = "";
  for (const line of lines) {
    const memory = line.peakMegabytes === undefined ? "" : `${line.peakMegabytes} MB`;
    const title = line.case === previous ? "" : line.case;
    previous = line.case;
    cells.push([title, line.tool, `${line.runs}`, `${line.milliseconds} ms`, line.ratio.toFixed(2), memory]);
  }
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const align = (cell, column) => (column < 2 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]));
  return cells.map((row) => row.map(align).join("  ").trimEnd()).join("\n");
}

const benchmarks = { startup, build, prompt, "context-file": contextFile, "context-files": contextFiles };
let engine;
try {
  const unknown = names.find((name) => !Object.hasOwn(benchmarks, name));
  if (unknown !== undefined)
    throw new Error(`there is no benchmark ${unknown}: choose of ${Object.keys(benchmarks).join(", ")}`);
  if (!existsSync(join(root, "node_modules")))
    execFileSync("npm", ["ci", "--ignore-scripts"], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
  execFileSync(process.execPath, ["scripts/build.mjs"], { cwd: root, stdio: "inherit" });
  [engine] = await ensureEngines(["default"]);
  baseImages(engine, ["busybox:latest"]);
  env.DOCKER_HOST = engine.host;
  for (const [name, benchmark] of Object.entries(benchmarks))
    if (names.length === 0 || names.includes(name)) await benchmark();
  const lines = results();
  if (options.includes("--json"))
    console.log(JSON.stringify({ engine: engine.name, node: process.version, results: lines }, undefined, 2));
  else console.log(`engine ${engine.name}, node ${process.version}\n${table(lines)}`);
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
  if (engine?.startedByUs) await stopEngine("default");
}
