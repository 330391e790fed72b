// `npm run demo [-- NAME]`: sets everything up (dependencies, bundle, an engine, base images) and builds Dockerfiles that
// fail as Dockerfiles do. On a terminal one is chosen and ends in the shell at its failing step; elsewhere every report is
// printed, and the exit code says whether each failed as designed. Plain Node: it runs before `npm ci`.
import { spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";
import { baseImages, ensureEngines, stopEngine } from "./engine.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));

/** `report`: what the card must say, so that a demo which fails for another reason does not pass for one that works. */
const demos = [
  {
    name: "failing-npm",
    title: "a Node app: package.json and its lock file disagree",
    image: "node:20-slim",
    report: /Step 5\/7 failed[\s\S]*npm ci[\s\S]*exit code 1/,
  },
  {
    name: "failing-apt",
    title: "an apt package that does not exist",
    image: "debian:bookworm-slim",
    report: /Step 3\/4 failed[\s\S]*Unable to locate package postgres-client-tools[\s\S]*exit code 100/,
  },
  {
    name: "copy-missing",
    title: "a COPY of a file whose name is misspelt",
    image: "debian:bookworm-slim",
    report: /Step 4\/5 failed[\s\S]*config\/setings\.yaml was not found[\s\S]*config\/settings\.yaml/,
  },
  {
    name: "copy-excluded",
    title: "a COPY of a file that .dockerignore leaves out",
    image: "debian:bookworm-slim",
    report: /Step 3\/3 failed[\s\S]*\.dockerignore:2/,
  },
  {
    name: "scratch",
    title: "a RUN in an image without a shell",
    image: "busybox:latest",
    report: /Step 5\/6 failed[\s\S]*\/bin\/sh/,
  },
];

const say = (text) => process.stderr.write(`demo: ${text}\n`);

/** Runs a command; `quiet` shows its output only when it fails. */
function run(file, args, { quiet = false, env = {} } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = quiet ? ["ignore", "pipe", "pipe"] : "inherit";
    const child = spawn(file, args, { cwd: root, stdio, env: { ...process.env, ...env } });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding("utf8").on("data", (text) => (output += text));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}

async function prepare(title, file, args) {
  say(title);
  const { code, output } = await run(file, args, { quiet: true });
  if (code !== 0) throw new Error(`${title} failed:\n${output.trim().split("\n").slice(-15).join("\n")}`);
}

function modified(path) {
  return existsSync(join(root, path)) ? statSync(join(root, path)).mtimeMs : 0;
}

async function choose() {
  demos.forEach(({ name, title }, index) => console.log(`  ${index + 1}  ${name.padEnd(14)} ${title}`));
  const reader = createInterface({ input: process.stdin, output: process.stdout });
  // Closing the input (Ctrl-D) takes the first one, too.
  const closed = new Promise((resolve) => reader.once("close", () => resolve("")));
  const answer = (await Promise.race([reader.question("Which one? [1] "), closed])).trim();
  reader.close();
  const chosen = answer === "" ? demos[0] : (demos[Number(answer) - 1] ?? demos.find(({ name }) => name === answer));
  if (!chosen) throw new Error(`there is no demo ${answer}`);
  return chosen;
}

const names = process.argv.slice(2);
const started = [];
try {
  const unknown = names.find((name) => !demos.some((demo) => demo.name === name));
  if (unknown !== undefined)
    throw new Error(`there is no demo ${unknown}: choose of ${demos.map(({ name }) => name).join(", ")}`);
  if (modified("node_modules/.package-lock.json") < modified("package-lock.json"))
    await prepare("installing dependencies (npm ci)", "npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
  await prepare("bundling dfdebug", process.execPath, ["scripts/build.mjs"]);
  const [engine] = await ensureEngines(["default"]);
  if (engine.startedByUs) started.push("default");
  say(`engine ${engine.name} at ${engine.host}`);

  const interactive = process.stdin.isTTY && process.stdout.isTTY;
  let chosen = names.length > 0 ? demos.filter(({ name }) => names.includes(name)) : demos;
  if (interactive && chosen.length > 1) chosen = [await choose()];
  baseImages(engine, [...new Set(chosen.map(({ image }) => image))]);

  const env = { DOCKER_HOST: engine.host };
  for (const demo of chosen) {
    const args = ["dist/dfdebug.js", "build", `fixtures/${demo.name}`];
    console.log(`\n$ dfdebug build fixtures/${demo.name}    # ${demo.title}\n`);
    if (interactive) {
      // The build fails by design: leaving its shell is the demo's good end. Its own signals are the child's business.
      process.on("SIGINT", () => undefined);
      await run(process.execPath, args, { env });
      continue;
    }
    const { code, output } = await run(process.execPath, args, { quiet: true, env });
    console.log(output.trimEnd());
    const asDesigned = code === 1 && demo.report.test(output);
    console.log(`\n${asDesigned ? "ok  " : "FAIL"} ${demo.name}${asDesigned ? "" : ` (exit code ${String(code)})`}`);
    if (!asDesigned) process.exitCode = 1;
  }
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
} finally {
  for (const name of started) await stopEngine(name);
}
