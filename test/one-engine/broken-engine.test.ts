import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { testEngines } from "../support/engines.js";
import { canStartEngine, PrivateEngine } from "../support/private-engine.js";
import { dfdebug, startDfdebug } from "../support/run-dfdebug.js";
import { Terminal } from "../support/terminal.js";

const [first] = testEngines();

describe("an engine that breaks", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-broken-"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  // A context of its own: the engine's files are no part of it. No network: the engine has none to give.
  const args = ["build", "--network=none", "."];
  const dockerfile = (text: string): void => {
    writeFileSync(join(folder, "Dockerfile"), text);
    writeFileSync(join(folder, ".dockerignore"), "*\n");
  };
  const start = (size: string): Promise<PrivateEngine> => {
    if (!first) throw new Error("no engine");
    return PrivateEngine.start(folder, size, first);
  };

  // Elsewhere nobody may be taken an engine from, and none of our own can be started.
  if (!canStartEngine) {
    it("can only be had by root, on a machine with dockerd", () => {
      expect(canStartEngine).toBe(false);
    });
    return;
  }

  it("says that its disk is full, whoever filled it, and leaves nothing", async () => {
    await using engine = await start("64m");
    // The step itself fills the disk, and tidies up: one can look around in its state.
    dockerfile("FROM busybox:latest\nRUN dd if=/dev/zero of=/big bs=1M count=99 || { rm /big; exit 1; }\n");
    const byStep = await dfdebug(engine, [...args, "--exec", "echo usable"], { cwd: folder });
    expect(byStep).toMatchObject({ code: 1, stdout: "usable\n" });
    expect(byStep.stderr).toContain("No space left on device");
    expect(byStep.stderr).toContain("A disk is full");
    // The engine fails before the next step runs, and cannot even make a container.
    dockerfile("FROM busybox:latest\nRUN dd if=/dev/zero of=/big bs=1M count=99 || true\nRUN true\n");
    const byEngine = await dfdebug(engine, [...args, "--exec", "echo usable"], { cwd: folder });
    expect(byEngine.code).toBe(1);
    expect(byEngine.stderr).toContain("The engine's disk is full");
    expect(byEngine.stderr).toContain("docker builder prune");
    expect(byEngine.stderr).not.toContain("itself failed");
    expect(engine.containers()).toBe("");
  });

  it("is lost in the middle of a step, and takes the build up where it was", async () => {
    await using engine = await start("300m");
    dockerfile("FROM busybox:latest\nRUN echo kept > /kept\nRUN echo sleeping-now && sleep 600\n");
    const run = startDfdebug(engine, args, { cwd: folder });
    await run.expect(/\d sleeping-now/);
    await engine.end("SIGKILL");
    const lost = await run.ended;
    expect(lost.code).toBe(3);
    expect(lost.stderr).toContain("The connection to the engine was lost");
    expect(lost.stderr).not.toContain("itself failed");
    const gone = await dfdebug(engine, args, { cwd: folder });
    expect(gone.code).toBe(3);
    expect(gone.stderr).toContain("No engine answers at");
    await engine.startAgain();
    dockerfile("FROM busybox:latest\nRUN echo kept > /kept\nRUN true\n");
    const again = await dfdebug(engine, args, { cwd: folder });
    expect(again.code).toBe(0);
    expect(engine.containers()).toBe("");
  });

  it("is lost while nobody types, and the prompt ends with 3 at once", async () => {
    await using engine = await start("300m");
    dockerfile("FROM busybox:latest\nRUN exit 1\n");
    await using terminal = new Terminal(engine, ["build", "--network=none", "--on-failure", "prompt", "."], folder);
    await terminal.expect("(dfdebug) ");
    await engine.end("SIGKILL");
    await terminal.expect("The connection to the engine was lost");
    expect(await terminal.exited).toBe(3);
  });
});
