import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeEngines, expectNothingLeft } from "../support/engines.js";
import { dfdebug } from "../support/run-dfdebug.js";

describeEngines("the failure that is told", (engine) => {
  let folder: string;
  let id: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-first-"));
    id = randomBytes(4).toString("hex");
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
    expectNothingLeft(engine);
  });

  const build = (lines: readonly string[], ...args: string[]): ReturnType<typeof dfdebug> => {
    writeFileSync(join(folder, "Dockerfile"), `${lines.join("\n")}\n`);
    return dfdebug(engine, ["build", ...args, "."], { cwd: folder });
  };

  // BuildKit looks for a COPY's files at once, whatever has to run before it.
  it("is the first of a stage, where it is looked into", async () => {
    const lines = ["FROM busybox:latest", `RUN echo ${id}; exit 3`, "COPY missing /", "COPY missing-too /"];
    const { code, stdout, stderr } = await build(lines, "--exec", "echo in $(pwd)");
    expect(code, stderr).toBe(1);
    expect(stderr).toContain("Step 2/4 failed");
    expect(stderr).toContain("exit code 3");
    expect(stdout).toContain("in /\n");
  });

  it("is the one that came first, where nobody looks into it", async () => {
    const { code, stderr } = await build(["FROM busybox:latest", `RUN echo ${id}; sleep 300`, "COPY missing /"]);
    expect(code, stderr).toBe(1);
    expect(stderr).toContain("Step 3/3 failed");
  });

  it("is a later one when all below it can be built, which is said while it takes long", async () => {
    const lines = ["FROM busybox:latest", `RUN sleep 3; echo ${id} > /below`, "COPY missing /"];
    const { code, stdout, stderr } = await build(lines, "--exec", "cat /below");
    expect(code, stderr).toBe(1);
    expect(stderr).toContain("warning (line 3): step 3 fails: ");
    expect(stderr).toContain("Step 3/3 failed");
    expect(stdout).toBe(`${id}\n`);
  });

  // An engine makes one of equal work of two clients; it tells of it by the other one's op.
  it("is known where another client builds the same", async () => {
    const lines = ["FROM busybox:latest", "COPY Dockerfile /", `RUN echo ${id}; sleep 5; exit 4`];
    writeFileSync(join(folder, "Dockerfile"), `${lines.join("\n")}\n`);
    const env = { ...process.env, DOCKER_HOST: engine.host, DOCKER_BUILDKIT: "1" };
    const other = spawn("/usr/bin/docker", ["build", "--progress=plain", "."], { cwd: folder, env });
    const ended = new Promise((resolve) => other.once("close", resolve));
    await new Promise<void>((resolve) => {
      let output = "";
      other.stderr.on("data", (chunk: Buffer) => {
        output += chunk.toString();
        if (output.includes(` ${id}\n`)) resolve();
      });
      void ended.then(() => resolve());
    });
    const { code, stdout, stderr } = await build(lines, "--exec", "ls /Dockerfile");
    await ended;
    expect(code, stderr).toBe(1);
    expect(stderr).toContain("Step 3/3 failed");
    expect(stderr).toContain("exit code 4");
    expect(stdout).toBe("/Dockerfile\n");
  });
});
