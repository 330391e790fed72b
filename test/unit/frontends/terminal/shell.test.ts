import { existsSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseDockerfile } from "../../../../src/dockerfile/parse.js";
import type { Instruction } from "../../../../src/dockerfile/syntax.js";
import type { ShellOutcome } from "../../../../src/debugger/commands/io.js";
import { startShell } from "../../../../src/frontends/terminal/shell/interactive-shell.js";
import { LocalContainer, TestTerminal } from "./local-container.js";

/**
 * Shells that are on this machine, as the SHELL of a step. Debian has bash and dash; `npm test` installs the others. Not
 * ksh: it drops keys that come while it sets the terminal up, which a person's never do and a test's often.
 */
const shells: readonly { name: string; path: string }[] = [
  { name: "bash", path: "/bin/bash" },
  { name: "dash", path: "/bin/dash" },
  { name: "zsh", path: "/usr/bin/zsh" },
  { name: "ash", path: "/bin/busybox" },
].filter(({ path }) => existsSync(path));

function instruction(run: string): Instruction {
  const parsed = parseDockerfile(`FROM scratch\n${run}\n`, { file: "Dockerfile" }).stages[0]?.instructions[1];
  if (!parsed) throw new Error("no instruction");
  return parsed;
}

/** busybox is what it is called. */
function pathOf(name: string, path: string, container: LocalContainer): string {
  if (name !== "ash") return path;
  const ash = join(container.folder, "ash");
  if (!existsSync(ash)) symlinkSync(path, ash);
  return ash;
}

interface Opened extends AsyncDisposable {
  readonly terminal: TestTerminal;
  readonly container: LocalContainer;
  readonly outcome: Promise<ShellOutcome>;
}

function open(
  shell: { name: string; path: string },
  run: string,
  env: readonly string[] = [],
  isUnasked?: boolean,
): Opened {
  const words: string[] = [];
  const container = new LocalContainer(words, env);
  words.push(pathOf(shell.name, shell.path, container), "-c");
  const terminal = new TestTerminal();
  const started = startShell(container, { terminal: terminal.raw, label: "step 4", typed: instruction(run) });
  const outcome = started.then((shell) => shell.run({ isUnasked }));
  outcome.catch(() => undefined);
  return { terminal, container, outcome, [Symbol.asyncDispose]: () => container[Symbol.asyncDispose]() };
}

describe.each(shells)("a step's shell: $name", (shell) => {
  it("has tabs typed that do not ask for completion", async () => {
    await using opened = open(shell, 'RUN touch\ta &&\t\\\n\techo "[\t]"');
    const { terminal, container, outcome } = opened;
    await terminal.expect(/step 4 .*[$#%] ./);
    terminal.type("\r");
    await terminal.expect(/\[\s+\]\n/);
    terminal.type("exit\r");
    expect((await outcome).exitCode).toBe(0);
    expect(existsSync(join(container.folder, "a"))).toBe(true);
  });

  it("has the instruction typed and not run, and tells the commands with their codes", async () => {
    await using opened = open(shell, 'RUN echo "ran it" > ran');
    const { terminal, container, outcome } = opened;
    await terminal.expect(/step 4 .*[$#%] echo "ran it" > ran/);
    expect(existsSync(join(container.folder, "ran"))).toBe(false);
    terminal.type("\x15");
    terminal.type("echo one; false\r");
    await terminal.expect(/\none\n/);
    await terminal.expect(/step 4 .*[$#%] /);
    terminal.type('echo "code $?"\r');
    await terminal.expect("\ncode 1\n");
    await terminal.expect(/step 4 .*[$#%] /);
    terminal.type("touch 50%25 made\r");
    await terminal.expect(/step 4 .*[$#%] /);
    terminal.type("exit 3\r");
    const { exitCode, commands } = await outcome;
    expect(exitCode).toBe(3);
    expect(commands).toEqual([
      { text: "echo one; false", exitCode: 1 },
      { text: 'echo "code $?"', exitCode: 0 },
      { text: "touch 50%25 made", exitCode: 0 },
    ]);
    expect(terminal.text).not.toContain("133;");
  });

  it("runs the typed instruction with Enter", async () => {
    await using opened = open(shell, "RUN echo first && \\\n    echo second-$((1 + 1)) \\\n    # why\n  && echo third");
    const { terminal, outcome } = opened;
    await terminal.expect("echo third");
    terminal.type("\r");
    await terminal.expect(/\nfirst\nsecond-2\nthird\n/);
    await terminal.expect(/step 4 .*[$#%] /);
    terminal.type("\x04");
    expect((await outcome).exitCode).toBe(0);
  });

  it("has a heredoc ready", async () => {
    await using opened = open(shell, "RUN <<EOT\necho in-$((40 + 2))\ncat <<X\nnested\nX\nEOT");
    const { terminal, outcome } = opened;
    await terminal.expect(/step 4 .*[$#%] /);
    await terminal.expect(/step$|EOT$/);
    terminal.type("\r");
    await terminal.expect(/in-42\nnested\n/);
    await terminal.expect(/step 4 .*[$#%] /);
    terminal.type("exit\r");
    await outcome;
  });

  it("has a very long instruction ready", async () => {
    const names = Array.from({ length: 900 }, (_, index) => `name${String(index)}`);
    await using opened = open(shell, `RUN echo ${names.join(" ")} | wc -w`);
    const { terminal, outcome } = opened;
    await terminal.expect(/wc -w|step$/);
    terminal.type("\r");
    await terminal.expect(/\n\s*900\n/);
    await terminal.expect(/step 4 .*[$#%] /);
    terminal.type("exit\r");
    await outcome;
  });

  it("keeps the step's own ENV variable, and pipefail", async () => {
    await using opened = open(shell, "RUN true", ["ENV=production", "ZDOTDIR=/nowhere"]);
    const { terminal, outcome } = opened;
    await terminal.expect(/step 4 .*[$#%] true/);
    terminal.type('\x15echo "[$ENV] [$ZDOTDIR] [${dfdebug_ENV-}]"; env | grep -c ^PS1\r');
    await terminal.expect(/\n\[production\] \[\/nowhere\] \[\]\n0\n/);
    await terminal.expect(/step 4 .*[$#%] /);
    terminal.type("exit\r");
    await outcome;
  });

  it("gives Ctrl-C to what runs, and the terminal's size to the shell", async () => {
    await using opened = open(shell, "RUN true");
    const { terminal, container, outcome } = opened;
    await terminal.expect(/step 4 .*[$#%] true/);
    // The child says when it has the terminal: until then Ctrl-C would be the shell's.
    terminal.type("\x15sh -c 'echo go; exec sleep 30'\r");
    await terminal.expect(/\ngo\n/);
    terminal.type("\x03");
    await terminal.expect(/step 4 .*[$#%] /);
    terminal.output.columns = 57;
    terminal.output.emit("resize");
    expect(container.sizes.at(-1)).toBe("57x30");
    terminal.type("stty size\r");
    await terminal.expect("\n30 57\n");
    await terminal.expect(/step 4 .*[$#%] /);
    terminal.type("exit 0\r");
    expect((await outcome).exitCode).toBe(0);
  });

  it("loses nothing that was typed before the prompt", async () => {
    await using opened = open(shell, "RUN touch typed");
    const { terminal, container, outcome } = opened;
    terminal.type("-ahead\rexit 5\r");
    // Not by what is shown: the second line's echo may come in the middle of the first one's output.
    expect((await outcome).exitCode).toBe(5);
    expect(existsSync(join(container.folder, "typed-ahead"))).toBe(true);
  });

  it("takes nothing that was typed before it opened by itself", async () => {
    await using opened = open(shell, "RUN touch typed", [], true);
    const { terminal, container, outcome } = opened;
    terminal.type("-ahead\rexit 5\r");
    await terminal.expect(/step 4 .*[$#%] touch typed$/);
    terminal.type("-late\r");
    await terminal.expect(/step 4 .*[$#%] $/);
    terminal.type("exit 6\r");
    expect((await outcome).exitCode).toBe(6);
    expect(existsSync(join(container.folder, "typed-late"))).toBe(true);
    expect(existsSync(join(container.folder, "typed-ahead"))).toBe(false);
  });
});
