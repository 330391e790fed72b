// `node scripts/bench/stepping.mjs [--json]`: what stepping costs, on the engine of DOCKER_HOST. From a command's line on
// standard input to the stop that it leads to, as medians of 100 steps that are in the cache; a large Dockerfile's plan; and
// the memory of a session whose steps print much. What it builds stays in the engine's build cache, as after any build.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../dist/dfdebug.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "dfdebug-stepping-"));
const results = {};

/** A session that is driven line by line. */
class Session {
  constructor(args) {
    this.child = spawn(process.execPath, [program, "build", "--progress=json", ...args, "."], { cwd: folder });
    this.events = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    this.child.stderr.pipe(process.stderr);
  }

  /** The next event of one of these types. */
  async until(...types) {
    for (;;) {
      const { value, done } = await this.events.next();
      if (done) throw new Error(`the session ended before ${types.join(" or ")}`);
      const event = JSON.parse(value);
      if (types.includes(event.type)) return event;
    }
  }

  /** Milliseconds from a command to where it leads. */
  async timed(command) {
    const start = performance.now();
    this.child.stdin.write(`${command}\n`);
    const event = await this.until("stopped", "ended", "error");
    if (event.type !== "stopped") throw new Error(`${command}: ${JSON.stringify(event)}`);
    return performance.now() - start;
  }

  /** Bytes that the process holds now. */
  get memory() {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.child.pid}/status`, "utf8"))?.[1]) * 1024;
  }

  /** Milliseconds of processor time that the process has had. */
  get processor() {
    const stat = readFileSync(`/proc/${this.child.pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    return (Number(stat[11]) + Number(stat[12])) * 10;
  }

  async end() {
    this.child.stdin.end("quit\n");
    await new Promise((resolve) => this.child.once("close", resolve));
  }
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
}

/** 100 steps: 33 that run something, 33 that copy, and metadata. */
function hundredSteps() {
  writeFileSync(join(folder, "file"), "x\n");
  const kinds = [(n) => `RUN echo ${n} > /f${n}`, (n) => `COPY file /c${n}`, (n) => `ENV V${n}=${n}`];
  return `FROM busybox\n${Array.from({ length: 99 }, (_, n) => kinds[n % 3](n)).join("\n")}\n`;
}

async function stepping() {
  writeFileSync(join(folder, "Dockerfile"), hundredSteps());
  const warm = new Session([]);
  await warm.until("ended");
  await warm.end();
  const session = new Session(["--step"]);
  await session.until("stopped");
  const [next, back, again] = [[], [], []];
  const before = session.processor;
  for (let step = 1; step <= 100; step++) next.push(await session.timed("next"));
  const processor = (session.processor - before) / 100;
  for (let step = 1; step <= 100; step++) back.push(await session.timed("back"));
  for (let step = 1; step <= 100; step++) again.push(await session.timed("next"));
  await session.end();
  results["next, cached (ms)"] = median(next);
  results["of that, dfdebug's processor time, mean (ms)"] = processor;
  results["back (ms)"] = median(back);
  results["next, been there (ms)"] = median(again);
}

function planning() {
  const stages = Array.from({ length: 50 }, (_, stage) => {
    const from = stage === 0 ? "busybox" : `s${stage - 1}`;
    const runs = Array.from({ length: 19 }, (_, n) => `RUN echo ${stage} ${n} && \\\n    true`);
    return [`FROM ${from} AS s${stage}`, ...runs].join("\n");
  });
  writeFileSync(join(folder, "Dockerfile"), `${stages.join("\n")}\n`);
  const time = (...args) => {
    const start = performance.now();
    const { status } = spawnSync(process.execPath, [program, ...args], { cwd: folder });
    if (status !== 0) throw new Error(`dfdebug ${args.join(" ")}: exit code ${status}`);
    return performance.now() - start;
  };
  const samples = Array.from({ length: 9 }, () => ({ plan: time("plan", "."), start: time("plan", "--help") }));
  results["plan of 1,000 instructions in 50 stages, the whole process (ms)"] = median(samples.map(({ plan }) => plan));
  results["of that, its start (ms)"] = median(samples.map(({ start }) => start));
}

async function logs() {
  const run = (n) =>
    `RUN : ${Date.now()}; i=0; while [ $i -lt 20000 ]; do echo "${n} $i a line of output"; i=$((i+1)); done`;
  writeFileSync(
    join(folder, "Dockerfile"),
    `FROM busybox\n${Array.from({ length: 24 }, (_, n) => run(n)).join("\n")}\n`,
  );
  const session = new Session(["--step"]);
  await session.until("stopped");
  const memory = [];
  for (let step = 1; step <= 25; step++) {
    await session.timed("next");
    memory.push(session.memory);
  }
  await session.end();
  results["memory behind the 8 first steps that print (MB)"] = median(memory.slice(1, 9)) / 1e6;
  results["memory behind the 8 last ones (MB)"] = median(memory.slice(-8)) / 1e6;
}

try {
  await stepping();
  planning();
  await logs();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (process.argv.includes("--json")) console.log(JSON.stringify(results));
else
  for (const [name, value] of Object.entries(results))
    console.log(`${name.padEnd(66)} ${value.toFixed(1).padStart(8)}`);
