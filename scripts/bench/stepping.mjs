// Issue 3: stepping over what is cached, planning, and the memory of a stepped build.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { program } from "./measure.mjs";

const manySteps = Array.from({ length: 99 }, (_, index) => `RUN echo ${index} > /step`);

/** A session driven through standard input: sends a command, and times it until the next stop. */
class Stepped {
  constructor(bench, context, ...flags) {
    const args = [program, "build", "--step", "--progress=json", "--commands=-", ...flags, context];
    this.child = spawn(process.execPath, args, { env: bench.env, stdio: ["pipe", "pipe", "inherit"] });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async stop() {
    for (let line = await this.lines.next(); !line.done; line = await this.lines.next())
      if (JSON.parse(line.value).type === "stopped") return;
    throw new Error("the session ended before its next stop");
  }

  async time(command) {
    const start = performance.now();
    this.child.stdin.write(`${command}\n`);
    await this.stop();
    return { milliseconds: performance.now() - start };
  }

  /** Runs some steps; the session's resident set behind them. */
  async over(steps) {
    const start = performance.now();
    for (let left = steps; left > 0; left--) await this.time("next");
    const status = readFileSync(`/proc/${String(this.child.pid)}/status`, "utf8");
    const peakBytes = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
    return { milliseconds: performance.now() - start, peakBytes };
  }

  async quit() {
    this.child.stdin.end("quit\n");
    await new Promise((resolve) => this.child.once("close", resolve));
  }
}

async function step(bench) {
  const context = bench.folder("step", { Dockerfile: `FROM busybox:latest\n${manySteps.join("\n")}\n` });
  await bench.dockerBuild([context]);
  const stepped = new Stepped(bench, context);
  await stepped.stop();
  // Stops before step 1 to stops behind step 99; then back to the first.
  await bench.compare("`next` over a cached step, of 100", 99, { dfdebug: () => stepped.time("next") });
  await bench.compare("`back`, of 100 steps", 99, { dfdebug: () => stepped.time("back") });
  await stepped.quit();
}

async function plan(bench) {
  const stages = Array.from({ length: 50 }, (_, stage) => {
    const from = stage === 0 ? "busybox:latest" : `stage-${stage - 1}`;
    const runs = Array.from({ length: 19 }, (_, index) => `RUN echo ${stage} $\{X:-${index}} > /file`);
    return [`FROM ${from} AS stage-${stage}`, ...runs].join("\n");
  });
  const context = bench.folder("plan", { Dockerfile: `${stages.join("\n")}\n` });
  await bench.compare("plan of 1,000 instructions in 50 stages", bench.quick ? 3 : 11, {
    "node -e 0": () => bench.timed(process.execPath, ["-e", "0"]),
    "dfdebug plan": () => bench.timed(process.execPath, [program, "plan", context]),
  });
}

/** The same steps with little and with much output: only the time may differ. */
async function stepMemory(bench) {
  const steps = bench.quick ? 5 : 30;
  const commands = bench.folder("memory-commands", { commands: `${"next\n".repeat(steps + 1)}quit\n` });
  const printing = (name, bytes, count) => {
    const run = `RUN yes "$(head -c 90 /dev/zero | tr '\\0' x)" | head -c ${bytes}`;
    return bench.folder(name, { Dockerfile: `FROM busybox:latest\n${`${run}\n`.repeat(count)}` });
  };
  const measure = (name, bytes) => {
    const context = printing(name, bytes, steps);
    const args = ["--step", "--no-cache", "--progress=plain", "-x", `${commands}/commands`, context];
    return () => bench.dfdebugBuild(args, { memory: true, expected: [0, 130] });
  };
  // Engines cut a step's output at 1 to 2 MiB.
  await bench.compare(`${steps} steps stepped, by their output`, bench.quick ? 1 : 3, {
    "1 kB a step": measure("memory-little", 1_000),
    "1 MB a step": measure("memory-much", 1_000_000),
  });
  // Flat, where what steps printed is not kept: the memory of one session, behind more and more of it.
  const stepped = new Stepped(bench, printing("memory-flat", 1_000_000, 42), "--no-cache");
  await stepped.stop();
  await bench.compare("memory of one session that steps over 1 MB of output each", 1, {
    "behind step 5": () => stepped.over(5),
    "behind step 10": () => stepped.over(5),
    "behind step 20": () => stepped.over(10),
    ...(!bench.quick && { "behind step 40": () => stepped.over(20) }),
  });
  await stepped.quit();
}

export const benchmarks = { step, plan, "step-memory": stepMemory };
