import { spawn, type ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeEach, expect, it } from "vitest";
import { atOnce } from "../support/at-once.js";
import { describeEngines, docker, expectNothingLeft, type TestEngine } from "../support/engines.js";
import { program } from "../support/run-dfdebug.js";
import { Targets } from "../support/targets.js";

describeEngines("a session of dfdebug debug", (engine) => {
  let targets: Targets;

  beforeEach(() => {
    targets = new Targets(engine);
  });

  afterEach(() => {
    targets[Symbol.dispose]();
  });

  afterAll(() => expectNothingLeft(engine));

  it("leaves nothing two seconds after it is killed, whenever that is", async () => {
    const running = targets.run();
    const exited = targets.create([], ["true"]);
    const sleeps = ["--", "sleep", "1000"];
    const commands = [
      ["debug", running, ...sleeps],
      ["debug", exited, ...sleeps],
      ["debug", "busybox:latest", ...sleeps],
      ["forward", running, "0:80"],
      ["cp", `${running}:/bin`, "-"],
      ["exec", "-i", running, "cat"],
    ];
    // From before its first request until well into the session: each command at two moments, two at a time.
    const moments = commands.flatMap((args, index) => [250, 900].map((wait) => ({ args, wait: wait + index * 60 })));
    await atOnce(2, moments, async ({ args, wait }) => {
      const child = start(engine, args);
      await sleep(wait);
      child.kill("SIGKILL");
      const gone = Date.now();
      await once(child, "close");
      const mine = `label=dev.dfdebug.pid=${String(child.pid)}`;
      const left = (): string => docker(engine, "ps", "-aq", "--filter", mine);
      // An engine that is busier than this needs longer for a container by the straight way too.
      while (Date.now() < gone + 2_000 && left() !== "") await sleep(100);
      expect({ args, left: left() === "" ? "" : await straight(engine, left) }).toEqual({ args, left: "" });
    });
    await guardsGone(engine);
    expectNothingLeft(engine);
    expect(docker(engine, "images", "-q", "--filter", "label=dev.dfdebug.session")).toBe("");
    // As with docker, what exec started in the target itself is told by the end of its input.
    // A child of what was killed with the sidecar is its target's first process's to wait for: sleep does not.
    const processes = docker(engine, "exec", running, "ps", "-o", "args").split("\n");
    expect(processes.filter((line) => !/^\[.*\]$/.test(line))).toEqual(["COMMAND", "sleep 100000", "ps -o args"]);
  });

  it("ends with its target, says so, and with 137", async () => {
    const name = targets.run();
    const child = start(engine, ["debug", name, "--", "sh", "-c", "echo here; exec sleep 1000"]);
    await firstOutput(child);
    docker(engine, "kill", name);
    const { code, stderr } = await end(child);
    expect(code).toBe(137);
    expect(stderr).toContain(`${name} exited (137): the session ended with it.`);
  });

  it("ends with its target's restart, and says so", async () => {
    const name = targets.run();
    const child = start(engine, ["debug", name, "--", "sh", "-c", "echo here; exec sleep 1000"]);
    await firstOutput(child);
    docker(engine, "restart", "-t", "0", name);
    const { code, stderr } = await end(child);
    expect(code).toBe(137);
    // A slow engine has not started it again when the session is at its end.
    expect(stderr).toMatch(/ (was restarted|exited \(137\)): the session ended with/);
  });

  it("passes signals on to its command", async () => {
    const name = targets.run();
    const signals = ["INT", "TERM", "HUP", "USR1"] as const;
    const runs = await atOnce(2, signals, async (signal) => {
      const trap = `trap 'echo got ${signal}; exit 9' ${signal}; echo here; while :; do sleep 0.05; done`;
      const child = start(engine, ["debug", name, "--", "sh", "-c", trap]);
      await firstOutput(child);
      child.kill(`SIG${signal}`);
      const { code, stdout } = await end(child);
      return { code, stdout };
    });
    expect(runs).toEqual(signals.map((signal) => ({ code: 9, stdout: `got ${signal}\n` })));
  });

  it("carries 256 MiB in and out, byte for byte, and holds little of it", async () => {
    const name = targets.run();
    const child = start(engine, ["debug", name, "--", "cat"]);
    const [sent, received] = [createHash("sha256"), createHash("sha256")];
    let peak = 0;
    child.stdout?.on("data", (chunk: Buffer) => {
      received.update(chunk);
    });
    const block = randomBytes(1024 * 1024);
    for (let number = 0; number < 256; number++) {
      block.writeUInt32LE(number);
      const chunk = Buffer.from(block);
      sent.update(chunk);
      if (child.stdin?.write(chunk) === false) await once(child.stdin, "drain");
      peak = Math.max(peak, residentBytes(child));
    }
    child.stdin?.end();
    const [code] = (await once(child, "close")) as [number];
    expect(code).toBe(0);
    expect(received.digest("hex")).toBe(sent.digest("hex"));
    expect(peak).toBeLessThan(120 * 1024 * 1024);
  });

  it("ends when nobody reads it any more", async () => {
    const name = targets.run();
    const child = start(engine, ["debug", name, "--", "yes"]);
    await firstOutput(child);
    child.stdout?.destroy();
    const [code] = (await once(child, "close")) as [number];
    expect(code).toBe(141);
  });
});

/** Standard input is a pipe. */
function start(engine: TestEngine, args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [program, "-H", engine.host, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  child.stdin?.on("error", () => undefined);
  return child;
}

async function firstOutput(child: ChildProcess): Promise<void> {
  if (child.stdout) await once(child.stdout, "data");
}

async function end(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const output = { stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...output };
}

/** What is left when the engine has had three times as long as it needs just then for a container of docker's own. */
async function straight(engine: TestEngine, left: () => string): Promise<string> {
  const before = Date.now();
  docker(engine, "run", "--rm", "busybox", "true");
  const deadline = Date.now() + 2 * (Date.now() - before);
  while (left() !== "" && Date.now() < deadline) await sleep(100);
  return left();
}

/** Linux's own figure of what a process holds in memory. */
function residentBytes(child: ChildProcess): number {
  const status = readFileSync(`/proc/${String(child.pid)}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
}

/** Waits until no session's guard is at work for this engine. */
async function guardsGone(engine: TestEngine): Promise<void> {
  const isGuard = (pid: string): boolean => {
    try {
      const args = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return args.includes("\0prune\0--session\0") && args.includes(engine.host);
    } catch {
      return false;
    }
  };
  while (readdirSync("/proc").some((pid) => /^\d+$/.test(pid) && isGuard(pid))) await sleep(50);
}
