import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeEngines, expectNothingLeft } from "../support/engines.js";
import { program } from "../support/run-dfdebug.js";

const lost = "Error: Standard output cannot be written: no space left on device\n";

describeEngines("an output on a full disk", (engine) => {
  let folder: string;
  let full: number;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-full-"));
    full = openSync("/dev/full", "w");
    writeFileSync(join(folder, "Dockerfile"), "FROM busybox:latest\nRUN echo one\nRUN echo two\n");
  });

  afterAll(() => {
    closeSync(full);
    rmSync(folder, { recursive: true });
    expectNothingLeft(engine);
  });

  function run(args: readonly string[], output: "stdout" | "stderr") {
    return spawnSync(process.execPath, [program, ...args], {
      cwd: folder,
      env: { ...process.env, DOCKER_HOST: engine.host, NO_COLOR: "1" },
      stdio: ["ignore", output === "stdout" ? full : "pipe", output === "stderr" ? full : "pipe"],
      encoding: "utf8",
    });
  }

  it.each([
    ["--version"],
    ["--help"],
    ["plan", "."],
    ["build", "-q", "."],
    ["build", "--no-cache", "--progress=json", "."],
  ])("ends %s %s with a line where it is what was asked for", (...args) => {
    const { status, stderr } = run(args, "stdout");
    expect({ status, stderr }).toEqual({ status: 1, stderr: lost });
  });

  it("ends a build whose diagnostics it cannot take", () => {
    const { status, stderr } = run(["build", "--break=3", "--exec", "ls /", "."], "stdout");
    expect(status).toBe(1);
    expect(stderr.endsWith(lost)).toBe(true);
  });

  it("is nothing to a build that only its progress is lost of", () => {
    const { status, stdout } = run(["build", "--break=3", "--exec", "echo here", "."], "stderr");
    expect(status).toBe(0);
    expect(stdout).toContain("here");
  });
});
