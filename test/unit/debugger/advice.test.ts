import { describe, expect, it } from "vitest";
import { adviceFor } from "../../../src/debugger/advice.js";
import { exitCodeMeaning } from "../../../src/debugger/exit-codes.js";
import { FakeBuild } from "../../support/fake-engine.js";

function advice(run: string, line: string, exitCode = 1): string {
  const step = new FakeBuild(`FROM scratch\nRUN ${run}\n`).steps[1];
  if (!step) throw new Error("no step");
  return adviceFor(step, [line], exitCode).join("\n");
}

describe("advice", () => {
  it.each([
    ["apt-get install x", "E: Unable to locate package x", "apt-get update in the same RUN"],
    ["apt-get update && apt-get install x", "E: Unable to locate package x", "no package x for this release"],
    ["npm ci", "npm error `npm ci` can only install packages when your package.json and package-lock.json", "disagree"],
    ["./run.sh", "/bin/sh: 1: ./run.sh: not found\r", "run.sh is not in this stage, or it is a script"],
    [
      "/run.sh",
      "/bin/bash: line 1: /run.sh: cannot execute: required file not found",
      "/run.sh is not in this stage, or",
    ],
    ['["ls -la"]', 'exec: "ls -la": executable file not found in $PATH', '["ls", "-la"]'],
    ["./run.sh", "env: 'bash\\r': No such file or directory", "Windows line endings"],
    ["/app", "exec /app: exec format error", "another CPU"],
    ["curl x", "curl: (6) Could not resolve host: x", "resolve names"],
    ["--network=none curl x", "curl: (6) Could not resolve host: x", "--network=none"],
    ["x", "write error: No space left on device", "disk is full"],
    ["git clone x", "Host key verification failed.", "--mount=type=ssh"],
    ["['ls']", "/bin/sh: [ls]: not found", "takes double quotes"],
    ["lss", "/bin/sh: lss: not found", "lss is not installed"],
    ["lss", "/bin/bash: line 1: lss: command not found", "lss is not installed"],
    ["ls", 'exec: "/bin/sh": stat /bin/sh: no such file or directory', "has no shell"],
    ["ls", 'exec: "/bin/bash": stat /bin/bash: no such file or directory', "SHELL asks for /bin/bash"],
    [
      '["/bin/bash", "-c", "ls"]',
      'exec: "/bin/bash": stat /bin/bash: no such file or directory',
      "There is no /bin/bash",
    ],
    [
      "--mount=type=secret,id=tok cat /run/secrets/tok",
      "cat: can't open '/run/secrets/tok': No such file",
      "--secret id=tok",
    ],
    [
      "--mount=type=bind,source=src,target=/in touch /in/x",
      "touch: cannot touch '/in/x': Read-only file system",
      "rw in its --mount",
    ],
    ["--mount=source=src,target=/in touch /in/x", "touch: /in/x: Read-only file system", "rw in its --mount"],
    ["sudo x", "/bin/sh: 1: sudo: not found", "no sudo"],
    ["set -o pipefail", "/bin/sh: 1: set: Illegal option -o pipefail", "SHELL"],
  ])("%s: %s", (run, line, expected) => {
    expect(advice(run, line)).toContain(expected);
  });

  it("takes Permission denied for a missing execute bit with exit codes 126 and 127 only", () => {
    expect(advice("./run.sh", "/bin/sh: ./run.sh: Permission denied", 126)).toContain("execute bit");
    // dash, of a program that it found in PATH.
    expect(advice("gen dist", "/bin/sh: 1: gen: Permission denied", 127)).toContain("gen may lack its execute bit");
    const written = advice("echo a > /b", "/bin/sh: 1: cannot create /b: Permission denied", 2);
    expect(written).toContain("/b is not for this step's user");
    expect(written).not.toContain("execute bit");
  });

  it("says nothing of what it does not know", () => {
    expect(advice("x", "something went wrong")).toBe("");
    expect(advice("--mount=type=bind,target=/in,rw touch /sys/x", "touch: /sys/x: Read-only file system")).toBe("");
    expect(advice("touch /sys/x", "touch: /sys/x: Read-only file system")).toBe("");
  });

  it("knows exit codes", () => {
    expect(exitCodeMeaning(127)).toBe("command not found");
    expect(exitCodeMeaning(137)).toContain("out of memory");
    expect(exitCodeMeaning(144)).toBe("killed by signal 16");
    expect(exitCodeMeaning(3)).toBeUndefined();
  });
});
