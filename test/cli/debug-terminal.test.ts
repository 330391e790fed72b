import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeEngines, docker, expectNothingLeft } from "../support/engines.js";
import { program } from "../support/run-dfdebug.js";
import { Targets } from "../support/targets.js";
import { Terminal } from "../support/terminal.js";

const escapeKey = "\x1d";

describeEngines("dfdebug debug on a terminal", (engine) => {
  let targets: Targets;

  beforeEach(() => {
    targets = new Targets(engine);
  });

  afterEach(() => {
    targets[Symbol.dispose]();
    expectNothingLeft(engine);
  });

  const open = (args: readonly string[]): Terminal => new Terminal(engine, ["debug", ...args], tmpdir());

  it("has the terminal's size, and follows it; Ctrl-C is the command's", async () => {
    const name = targets.run();
    await using terminal = open([name]);
    await terminal.expect(/ \/target # $/);
    terminal.type("stty size\r");
    await terminal.expect("\n30 100\n");
    terminal.resize(71, 20);
    terminal.type("until [ \"$(stty size)\" = '20 71' ]; do sleep 0.05; done; echo resized''\r");
    // The shell asks the terminal where its cursor is, and the loop's terminal echoes the answer.
    await terminal.expect("resized\n");
    // What says so is the command itself: a Ctrl-C before it has the terminal would be the shell's.
    terminal.type("sh -c \"echo begun''; exec sleep 1000\"\r");
    await terminal.expect("\nbegun\n");
    terminal.type("\x03");
    await terminal.expect(/ # $/);
    terminal.type("exit 6\r");
    expect(await terminal.exited).toBe(6);
  });

  it("opens the prompt with Ctrl-], and goes back to the shell, which kept running", async () => {
    const name = targets.run();
    await using terminal = open([name]);
    await terminal.expect("Ctrl-] opens the (dfdebug) prompt");
    await terminal.expect(/ \/target # $/);
    terminal.type("here=kept\r");
    await terminal.expect(/ # $/);
    terminal.type(`${escapeKey}help\r`);
    await terminal.expect("(dfdebug) ");
    await terminal.expect(/\n {2}shell +back to the shell/);
    await terminal.expect("(dfdebug) ");
    terminal.type("hlep\r");
    await terminal.expect("There is no command hlep");
    await terminal.expect("Did you mean help?");
    await terminal.expect("(dfdebug) ");
    terminal.type("\x03");
    await terminal.expect("(dfdebug) ");
    terminal.type("shell\recho $here''\r");
    await terminal.expect("\nkept\n");
    terminal.type(escapeKey);
    await terminal.expect("(dfdebug) ");
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(0);
  });

  it.each(["SIGKILL", "SIGTERM", "SIGHUP"] as const)(
    "leaves nothing where it gets %s at its prompt",
    async (signal) => {
      const name = targets.run();
      for (const args of [[name], [name, "--inside"], [name, "-u", "0"]]) {
        await using terminal = open(args);
        await terminal.expect(/ [#$] $/);
        terminal.kill(signal);
        const killed = Date.now();
        const left = (): string => docker(engine, "ps", "-aq", "--filter", "label=dev.dfdebug.session");
        while (left() !== "" && Date.now() < killed + 2_000) await sleep(100);
        expect(left()).toBe("");
      }
      expect(docker(engine, "exec", name, "ps", "-o", "args")).toBe("COMMAND\nsleep 100000\nps -o args");
    },
  );

  it("ends with its target, at the prompt too", async () => {
    const name = targets.run();
    await using terminal = open([name]);
    await terminal.expect(/ \/target # $/);
    terminal.type(escapeKey);
    await terminal.expect("(dfdebug) ");
    docker(engine, "kill", name);
    await terminal.expect(`${name} exited (137): the session ended with it.`);
    expect(await terminal.exited).toBe(137);
  });

  it("lets a container be picked", async () => {
    const name = targets.run();
    await using terminal = open([]);
    await terminal.expect("Debug which container?");
    terminal.type(`${name}\r`);
    await terminal.expect(`${name}: its files are at /target`);
    await terminal.expect(/ \/target # $/);
    terminal.type("exit\r");
    expect(await terminal.exited).toBe(0);
  });

  it("shows what is typed in the picker on a narrow terminal", async () => {
    targets.run();
    const narrow = `stty cols 30; exec '${process.execPath}' '${program}' debug`;
    await using terminal = new Terminal(engine, ["-c", narrow], tmpdir(), {}, "/bin/sh");
    await terminal.expect("Debug which");
    terminal.type("no-such-name");
    await terminal.expect("no-such-name");
    terminal.type("\x03");
    expect(await terminal.exited).toBe(130);
  });

  it.each(["\x1b", "\x03"])("ends without a word when the picker is left with %j", async (key) => {
    targets.run();
    await using terminal = open([]);
    await terminal.expect("Debug which container?");
    terminal.type(key);
    expect(await terminal.exited).toBe(130);
    expect(terminal.output).not.toContain("Error");
  });
});
