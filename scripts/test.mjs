// `npm test`: sets everything up and runs every check: build, lint, types, generated code and docs, unit, engine and CLI
// tests. `npm test -- unit` (or engine, cli, static) runs a part. Plain Node: it runs before `npm ci`.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { baseImages, ensureEngines, install, stopEngine } from "./engine.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const unknown = process.argv.slice(2).find((argument) => /^-(?!-engines=|-side-by-side$)/.test(argument));
if (unknown !== undefined) {
  console.error(`there is no option ${unknown}: --engines=NAME,... and --side-by-side are`);
  process.exit(2);
}
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith("-"));
const parts = wanted.length > 0 ? wanted : ["static", "unit", "engine", "cli"];
/** `npm test -- engine --engines=28.5,28.5-containerd`: other engines than CI's two (scripts/engine.mjs has their names). */
const usualEngines = ["default", "26.1"];
const asked = process.argv.find((argument) => argument.startsWith("--engines="))?.slice("--engines=".length);
const wantedEngines = asked ? asked.split(",") : usualEngines;
/** Engines side by side: faster where there are processors for both; elsewhere it finds races (--side-by-side). */
const sideBySide = availableParallelism() >= 4 || process.argv.includes("--side-by-side");
const inCi = process.env.CI === "true";

let passed = 0;
let failed = 0;
/** Tests that passed at their second try only: each is a fault of the test or of ours, to be looked at. */
const flaky = [];
/** What runs now, to be ended when we are. */
const running = new Set();
let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => {
    interrupted = true;
    for (const child of running) child.kill(signal);
  });

/** Runs a program; with `lane`, what it prints stands behind that word, a line at a time: others print meanwhile. */
function command(title, file, args, { env = {}, lane } = {}) {
  // The engines that we started are still stopped.
  if (interrupted) throw new Error("interrupted");
  return new Promise((resolve) => {
    const started = Date.now();
    const output = lane === undefined ? "inherit" : "pipe";
    const child = spawn(file, args, {
      cwd: root,
      stdio: ["ignore", output, output],
      env: { ...process.env, ...env },
    });
    running.add(child);
    for (const stream of [child.stdout, child.stderr])
      if (stream) createInterface({ input: stream }).on("line", (line) => console.log(`${lane} | ${line}`));
    child.on("error", (error) => {
      console.error(error.message);
      running.delete(child);
      resolve(false);
    });
    child.on("close", (code) => {
      running.delete(child);
      console.log(`${code === 0 ? "ok  " : "FAIL"} ${title} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
      resolve(code === 0);
    });
  });
}

/** A check that counts as one test. */
async function check(title, file, args) {
  if (await command(title, file, args)) passed += 1;
  else failed += 1;
}

function needsInstall() {
  const stamp = join(root, "node_modules/.package-lock.json");
  return !existsSync(stamp) || statSync(stamp).mtimeMs < statSync(join(root, "package-lock.json")).mtimeMs;
}

/** Vitest's own counts, from its JSON report: a run that dies without one is a failure. */
async function vitest(project, { env, engine } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "dfdebug-test-"));
  const report = join(folder, "report.json");
  const args = ["run", "--project", project, "--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const title = engine === undefined ? `${project} tests` : `${project} tests on engine ${engine}`;
  const lane = sideBySide ? engine : undefined;
  const good = await command(title, join(root, "node_modules/.bin/vitest"), args, { env, lane });
  try {
    const result = JSON.parse(readFileSync(report, "utf8"));
    passed += result.numPassedTests;
    failed += result.numFailedTests;
    if (result.numPendingTests > 0) {
      console.log(`${result.numPendingTests} tests were skipped: that is a failure`);
      failed += result.numPendingTests;
    }
    for (const test of result.testResults.flatMap(({ assertionResults }) => assertionResults))
      if (test.status === "passed" && test.failureMessages?.length > 0)
        flaky.push(`${title}: ${test.fullName}\n    ${test.failureMessages[0].slice(0, 2000)}`);
    if (!good && result.numFailedTests === 0) failed += 1;
  } catch {
    failed += 1;
  }
  rmSync(folder, { recursive: true, force: true });
}

/** Programs that tests talk to, by their Debian package: real servers and shells. */
const programs = {
  "openssh-server": "sshd",
  "docker-registry": "docker-registry",
  git: "git",
  zsh: "zsh",
  fish: "fish",
};

/** Installs what is missing where that is possible; the tests that need it say so where it is not. */
function installPrograms() {
  const path = `${process.env.PATH}:/usr/sbin`.split(":");
  const missing = Object.entries(programs).filter(([, name]) => !path.some((folder) => existsSync(join(folder, name))));
  if (missing.length > 0 && process.getuid?.() === 0 && existsSync("/usr/bin/apt-get"))
    install(missing.map(([debian]) => debian));
}

/** The engine and CLI tests on one engine. What one engine is enough for runs on the first. */
async function testOnEngine(engine, isFirst) {
  const projects = ["engine", "cli"].filter((part) => parts.includes(part));
  if (isFirst && parts.includes("engine")) projects.push("one-engine");
  const env = { DFDEBUG_TEST_ENGINES: `${engine.name}=${engine.host}` };
  for (const project of projects) await vitest(project, { env, engine: engine.name });
}

const started = [];
try {
  if (needsInstall() && !(await command("npm ci", "npm", ["ci"]))) throw new Error("npm ci failed");
  if (!(await command("build", process.execPath, ["scripts/build.mjs"]))) throw new Error("the build failed");
  if (parts.includes("static")) {
    await check("eslint", "node_modules/.bin/eslint", ["."]);
    await check("prettier", "node_modules/.bin/prettier", ["--check", "--log-level", "warn", "."]);
    await check("types", "node_modules/.bin/tsc", ["--noEmit"]);
    await check("generated code is current", process.execPath, ["scripts/proto.mjs", "--check"]);
    if (existsSync(join(root, "scripts/docs.mjs")))
      await check("generated docs are current", process.execPath, ["scripts/docs.mjs", "--check"]);
  }
  if (parts.includes("unit")) await vitest("unit");
  if (parts.includes("engine") || parts.includes("cli")) {
    installPrograms();
    const engines = [];
    for (const name of wantedEngines) {
      try {
        const [engine] = await ensureEngines([name]);
        engines.push(engine);
        if (engine.startedByUs) started.push(name);
      } catch (error) {
        console.log(`no engine ${name}: ${error.message}`);
        // On a developer's machine one engine will do; CI proves both.
        if (inCi || wantedEngines !== usualEngines || (name === usualEngines.at(-1) && engines.length === 0))
          failed += 1;
      }
    }
    for (const engine of engines) baseImages(engine);
    const lanes = engines.map((engine, index) => () => testOnEngine(engine, index === 0));
    if (sideBySide) await Promise.all(lanes.map((lane) => lane()));
    else for (const lane of lanes) await lane();
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  failed += 1;
} finally {
  for (const name of started.reverse()) await stopEngine(name);
}

for (const text of flaky) console.log(`flaky: passed at its second try: ${text}`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
