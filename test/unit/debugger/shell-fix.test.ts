import { describe, expect, it } from "vitest";
import { shellFix, type ShellFix } from "../../../src/debugger/shell-fix.js";
import { FakeBuild } from "../../support/fake-engine.js";

/** What is offered for a RUN; a command that begins with `!` did not work. */
function offer(run: string, ...commands: string[]): ShellFix | undefined {
  const instruction = new FakeBuild(`FROM scratch\nRUN ${run}\n`).steps[1]?.instruction;
  if (!instruction) throw new Error("no step");
  return shellFix(
    instruction,
    commands.map((text) => ({ text: text.replace(/^!/, ""), exitCode: text.startsWith("!") ? 1 : 0 })),
    ["/bin/bash", "-euo", "pipefail", "-c"],
  );
}

describe("a fix from the shell", () => {
  it.each<[string, string, string[], string]>([
    ["another form of the instruction", "npm ci", ["!npm ci", "npm install"], "npm install"],
    ["the last of several tries", "npm ci", ["npm install --omit=dev", "npm install"], "npm install"],
    ["behind what only looks", "npm ci", ["npm install", "ls node_modules", "cat x"], "npm install"],
    [
      "with what made the instruction work",
      "apt-get install -y curl",
      ["!apt-get install -y curl", "apt-get update", "apt-get install -y curl"],
      "apt-get update && apt-get install -y curl",
    ],
    [
      "with all that was done before",
      "make -C src",
      ["!make -C src", "apt-get update", "apt-get install -y gcc", "!gcc x", "make -C src CFLAGS=-O0"],
      "apt-get update && apt-get install -y gcc && make -C src CFLAGS=-O0",
    ],
    ["with its directory", "make", ["ls", "cd sub", "make -j2"], "cd sub && make -j2"],
    [
      "with the directory of what prepared it",
      "make",
      ["cd sub", "sed -i s/a/b/ x", "make"],
      "cd sub && sed -i s/a/b/ x && make",
    ],
    ["a redirection is a change", "sh x", ["echo 'exit 0' > x", "sh x"], "echo 'exit 0' > x && sh x"],
    ["several lines stand alone", "sh x", ["mkdir y", "sh x 2 <<E\na\nE"], "mkdir y && sh x 2 <<E\na\nE"],
    ["what cannot be joined is left out", "sh x", ["sleep 1 &", "sh y"], "sh y"],
    [
      "a paste of several lines prepares it, on one line",
      "sh x",
      ["!sh x", "if true; then\n  touch x\nfi\nmkdir y", "sh x"],
      "{ if true; then touch x; fi; mkdir y; } && sh x",
    ],
    [
      "a loop prepares it",
      "sh x",
      ["for f in x y; do touch $f; done", "sh x"],
      "for f in x y; do touch $f; done && sh x",
    ],
    ["several commands prepare it, together", "sh x", ["rm y; touch x", "sh x"], "{ rm y; touch x; } && sh x"],
    ["without what only looks in front of it", "npm ci", ["ls; npm ci --force"], "npm ci --force"],
    ["without what only looks around it", "make", ["cat x && make -k && ls -l | wc -l"], "make -k"],
    ["without what only looks in the middle", "make", ["cd y && ls 2>/dev/null; make -k"], "cd y; make -k"],
    ["without a look that prepared nothing", "sh x", ["ls 2>&1; touch x", "sh x"], "touch x && sh x"],
    ["a condition is no look", "make", ["test -e x && make -k"], "test -e x && make -k"],
    ["a quiet grep is a condition", "make", ["grep -q a x && make -k"], "grep -q a x && make -k"],
    ["what the instruction looks at is its own", "cat x && make", ["cat y && make -k"], "cat y && make -k"],
    ["a look that writes is none", "make", ["echo a > x; make -k"], "echo a > x; make -k"],
    ["a search that runs something is no look", "make", ["find . -delete; make -k"], "find . -delete; make -k"],
    ["a program behind env is none", "make", ["env A=b make -k"], "env A=b make -k"],
    ["a list with || stays", "make", ["ls || make -k"], "ls || make -k"],
    ["a compound command stays", "make", ["if true; then ls; make -k; fi"], "if true; then ls; make -k; fi"],
    [
      "one that looks and changes is a change",
      "sh x",
      ["test -e x || touch x", "sh x"],
      "{ test -e x || touch x; } && sh x",
    ],
    ["several lines take its place on one", "sh x", ["cd y\nsh x 2"], "cd y; sh x 2"],
    [
      "the subshell of a strict SHELL is not taken",
      "a; b $X",
      ["mkdir y", "(set -eu; a 2; b $X)"],
      "mkdir y && { a 2; b $X; }",
    ],
    ["exec form is compared as words", '["sh", "x y"]', ["mkdir z", "sh 'x y'"], "mkdir z && sh 'x y'"],
  ])("%s", (_name, run, commands, command) => {
    expect(offer(run, ...commands)).toEqual({ kind: "replace", command });
  });

  it("is the instruction itself where nothing was done before it", () => {
    expect(offer("npm ci", "!npm ci", "ls", "npm ci")).toEqual({ kind: "same" });
  });

  it("is the instruction itself where it is run as a strict SHELL's was typed", () => {
    expect(offer("a; b", "(set -e; a; b)")).toEqual({ kind: "same" });
  });

  it("is the instruction itself where a heredoc is run as it was typed", () => {
    expect(offer("<<EOF\nfalse\ntrue\nEOF", "/bin/bash -euo pipefail <<'EOF'\nfalse\ntrue\nEOF")).toEqual({
      kind: "same",
    });
  });

  it("claims nothing where a look hid how it ended", () => {
    expect(offer("make", "make -k; ls")).toEqual({ kind: "replace", command: "make -k", isUnproven: true });
    expect(offer("make", "make; ls")).toBeUndefined();
    expect(offer("make", "ls; make")).toEqual({ kind: "same" });
  });

  it("may stand before the instruction or in its place where it is another program", () => {
    expect(offer("test -e /x && ./go", "touch /x")).toEqual({
      kind: "either",
      before: "touch /x && test -e /x && ./go",
      instead: "touch /x",
    });
  });

  it.each<[string, string[]]>([
    ["nothing worked", ["!npm ci", "!npm install"]],
    ["it was only looked around", ["ls -l; pwd", "for f in *; do cat $f; done", "cat package.json", "cd /tmp", "env"]],
    ["it needs the toolbox", ["/.dfdebug/bin/strace npm ci"]],
  ])("is not offered where %s", (_name, commands) => {
    expect(offer("npm ci", ...commands)).toBeUndefined();
  });
});
