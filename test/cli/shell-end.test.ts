import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeEngines, expectNothingLeft } from "../support/engines.js";
import { Terminal } from "../support/terminal.js";

describeEngines("a step's shell whose dfdebug ends", (engine) => {
  let folder: string;
  let id: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-end-"));
    id = randomBytes(8).toString("hex");
    writeFileSync(join(folder, "Dockerfile"), `FROM busybox:latest\nENV DFDEBUG_TEST=${id}\nRUN ls /missing\n`);
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
    expectNothingLeft(engine);
  });

  /** Processes of this step's containers, which no API lists. */
  function processes(): string[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        try {
          return readFileSync(`/proc/${pid}/environ`, "latin1").includes(`DFDEBUG_TEST=${id}`);
        } catch {
          return false;
        }
      });
  }

  async function expectNoProcesses(): Promise<void> {
    while (processes().length > 0) await sleep(100);
  }

  it.each(["SIGTERM", "SIGHUP"] as const)("ends with it, by %s", async (signal) => {
    await using terminal = new Terminal(engine, ["build", "."], folder);
    await terminal.expect("step 3 / # ls /missing");
    expect(processes()).not.toEqual([]);
    terminal.kill(signal);
    expect(await terminal.exited).toBe(130);
    await expectNoProcesses();
  });

  it("ends with it, by SIGTERM at the prompt", async () => {
    await using terminal = new Terminal(engine, ["build", "--on-failure=prompt", "."], folder);
    await terminal.expect("(dfdebug) ");
    terminal.type("ls /\r");
    await terminal.expect("(dfdebug) ");
    terminal.kill("SIGTERM");
    expect(await terminal.exited).toBe(130);
    await expectNoProcesses();
  });

  // Engine 20.10 keeps a container whose client is gone, unless it has something to say.
  it("ends soon after it was killed, in the shell and behind it", async () => {
    for (const isLeft of [false, true]) {
      await using terminal = new Terminal(engine, ["build", "."], folder);
      await terminal.expect("step 3 / # ls /missing");
      if (isLeft) {
        terminal.type("\x15exit\r");
        await terminal.expect("(dfdebug) ");
        terminal.type("exec echo ok\r");
        await terminal.expect("ok");
      }
      terminal.kill("SIGKILL");
      await expectNoProcesses();
    }
  });

  it("shows nothing of what tells the engine that it lives", async () => {
    await using terminal = new Terminal(engine, ["build", "."], folder);
    await terminal.expect("step 3 / # ls /missing");
    terminal.type("\x15sleep 5; echo slept\r");
    await terminal.expect("echo slept\n");
    await terminal.expect("slept\n");
    // Of dfdebug's own sequences nothing gets to the terminal, not even to be ignored there.
    expect(terminal.raw).not.toContain("]697");
  });
});
