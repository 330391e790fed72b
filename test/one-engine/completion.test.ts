import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "@lydell/node-pty";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { docker, testEngines } from "../support/engines.js";
import { program } from "../support/run-dfdebug.js";
import { installed } from "../support/servers.js";

/** What is typed, and candidates that must be among those that Tab gives. */
const cases: readonly (readonly [typed: string, wanted: readonly string[]])[] = [
  ["dfdebug bui", ["build"]],
  ["dfdebug too", ["toolbox"]],
  ["dfdebug toolbox ", ["build", "ls", "rm"]],
  ["dfdebug build --tar", ["--target"]],
  ["dfdebug build --progress j", ["json"]],
  ["dfdebug build --progress=j", ["--progress=json"]],
  ["dfdebug build --target to", ["tools"]],
  ["dfdebug build Doc", ["Dockerfile"]],
  ["dfdebug completion fi", ["fish"]],
  ["dfdebug --hos", ["--host"]],
];

describe("completion, in the shells themselves", () => {
  let folder: string;
  const script = (shell: string): string => join(folder, `dfdebug.${shell}`);

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-completion-"));
    writeFileSync(join(folder, "Dockerfile"), "FROM scratch AS tools\nFROM scratch AS web\n");
    mkdirSync(join(folder, "bin"));
    writeFileSync(join(folder, "bin/dfdebug"), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`);
    chmodSync(join(folder, "bin/dfdebug"), 0o755);
    for (const shell of ["bash", "zsh", "fish"])
      writeFileSync(script(shell), execFileSync(process.execPath, [program, "completion", shell]));
  });

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (file: string, args: readonly string[]): string[] =>
    execFileSync(file, args, {
      cwd: folder,
      encoding: "utf8",
      env: { PATH: `${join(folder, "bin")}:/usr/bin:/bin`, HOME: folder, TERM: "dumb" },
    })
      .split("\n")
      .filter((line) => line !== "");

  it.each(cases)("bash: %s", (typed, wanted) => {
    // Readline's words: the sign of --flag=value is one of its own.
    const words = typed.replaceAll("=", " = ").split(/ +/);
    const value = words.includes("=");
    const ask = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dfdebug; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const lines = run("/bin/bash", ["--norc", "-c", ask, "bash", script("bash"), ...words]);
    expect(lines).toEqual(expect.arrayContaining(value ? wanted.map((one) => one.replace(/^.*=/, "")) : [...wanted]));
  });

  it.each(cases)("fish: %s", (typed, wanted) => {
    const fish = installed("/usr/bin/fish", "fish");
    const lines = run(fish, ["--no-config", "-c", `source $argv[1]; complete -C $argv[2]`, script("fish"), typed]);
    expect(lines.map((line) => line.split("\t")[0])).toEqual(expect.arrayContaining([...wanted]));
  });

  it("containers are completed by their names, in bash and fish", () => {
    const [engine] = testEngines();
    if (!engine) throw new Error("no engine");
    const fish = installed("/usr/bin/fish", "fish");
    const name = `named-${String(process.pid)}`;
    docker(engine, "create", "--name", name, "busybox", "true");
    try {
      const bash = (...words: readonly string[]): string[] =>
        run("/bin/bash", [
          ...["--norc", "-c"],
          `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dfdebug; printf '%s\\n' "\${COMPREPLY[@]}"`,
          ...["bash", script("bash"), ...words],
        ]);
      const line = ["dfdebug", "-H", engine.host];
      for (const command of ["debug", "logs", "entrypoint", "stats"])
        expect(bash(...line, command, "named-")).toContain(name);
      expect(bash(...line, "cp", "named-")).toContain(`${name}:`);
      expect(bash(...line, "exec", name, "named-")).not.toContain(name);
      expect(bash("dfdebug", "-H", "unix:///nowhere", "logs", "named-")).toEqual([]);
      // Fish asks the default engine.
      const lines = execFileSync(
        fish,
        ["--no-config", "-c", `source $argv[1]; complete -C $argv[2]`, script("fish"), "dfdebug logs named-"],
        {
          encoding: "utf8",
          env: { PATH: `${join(folder, "bin")}:/usr/bin:/bin`, HOME: folder, TERM: "dumb", DOCKER_HOST: engine.host },
        },
      );
      expect(lines).toContain(name);
    } finally {
      docker(engine, "rm", "-f", name);
    }
  });

  it("fish: a command below another one is not the one of its name", () => {
    const fish = installed("/usr/bin/fish", "fish");
    const complete = `source $argv[1]; complete -C "dfdebug toolbox build --"`;
    const lines = run(fish, ["--no-config", "-c", complete, script("fish")]);
    expect(lines.join("\n")).not.toContain("--build-arg");
  });

  it("zsh: a key completes what is the only candidate", async () => {
    const zsh = installed("/usr/bin/zsh", "zsh");
    const pty = spawn(zsh, ["-f", "-i"], {
      cwd: folder,
      cols: 200,
      rows: 50,
      env: { PATH: `${join(folder, "bin")}:/usr/bin:/bin`, HOME: folder, TERM: "dumb" },
    });
    let output = "";
    let look = (): void => undefined;
    pty.onData((data) => {
      output += data;
      look();
    });
    const expectText = (text: string): Promise<void> =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no ${text} in ${output}`)), 30_000);
        look = () => {
          if (!output.includes(text)) return;
          clearTimeout(timer);
          resolve();
        };
        look();
      });
    try {
      // Ctrl-G shows the line and clears it.
      pty.write(
        `show() { zle -I; print -r -- "<<$BUFFER>>"; BUFFER= }; zle -N show; bindkey '^G' show; source '${script("zsh")}'; PS1='zsh-''prompt> '\r`,
      );
      await expectText("zsh-prompt> ");
      for (const [typed, wanted] of cases.filter(([, { length }]) => length === 1)) {
        pty.write(`${typed}\t\x07`);
        await expectText(`<<${typed.replace(/\S*$/, wanted[0] ?? "")}`);
      }
    } finally {
      pty.kill("SIGKILL");
    }
  });
});
