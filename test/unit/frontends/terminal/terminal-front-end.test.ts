import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Script } from "../../../../src/debugger/commands/script.js";
import type { Watch } from "../../../../src/debugger/commands/loop.js";
import { DebugSession } from "../../../../src/debugger/session.js";
import type { SessionResult } from "../../../../src/debugger/state.js";
import { CancelledError, cancellation } from "../../../../src/errors.js";
import { runTerminalFrontEnd } from "../../../../src/frontends/terminal/terminal-front-end.js";
import type { TerminalOptions } from "../../../../src/frontends/terminal/terminal-options.js";
import { FakeBuild } from "../../../support/fake-engine.js";
import { Keyboard, Screen } from "../../../support/screen.js";
import { scriptOf } from "../../../support/scripts.js";

const shop = [
  "ARG BASE=scratch",
  "FROM ${BASE} AS deps",
  "RUN write /app/deps 1",
  'ENV MODE=fast NAME="a b"',
  "",
  "FROM scratch AS tools",
  "RUN write /tool x",
  "",
  "FROM deps",
  "ARG LEVEL=3",
  "COPY --from=tools /tool /tool",
  "RUN print building $MODE; append /app/deps $LEVEL",
  'CMD ["/tool"]',
  "",
].join("\n");

/** Every command that needs nobody, at least once. */
const commands = [
  ["next", "step", "print MODE", "next", "print MODE", "print NOTHING", "print ${MODE%st}-${NONE:-none}"],
  ["break tools if $MODE == fast", "break RUN if changed(/tool) && !cached", "tbreak end", "breakpoints"],
  ["clear 1", "condition 2 exists(/tool)", "condition 2", "break nowhere", "break 8 if", "until deps/9"],
  ["stepout", "until 8", "step", "ls", "ls /app", "ls -la /app", "ls -l", "ls -R /app"],
  ["cat /app/deps", "cat deps/2:/app/deps", "diff 7 8", "diff 4"],
  [
    "diff 2 8",
    "diff 5 7",
    "cp /tool -",
    "continue",
    "list",
    "logs",
    "logs 9",
    "env",
    "args",
    "args 1",
    "info",
    "info 2",
    "list 4",
    "list tools",
  ],
  ["set ENV MODE=slow", "back 3", "restart", "until 10", "exec true", "exec exit 4", "save kept", "cp /tool"],
  ["retry 2", "write /app/deps 2", "n", "diff --file", "help back", "help nothing", "clearall", "q"],
].flat();

interface Setting {
  readonly session: DebugSession;
  readonly build: FakeBuild;
  readonly keyboard: Keyboard;
  readonly out: Screen;
  readonly err: Screen;
  readonly result: Promise<SessionResult>;
  readonly interrupt: () => void;
}

describe("the terminal front end", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-terminal-"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function run(
    source: string,
    options: Partial<TerminalOptions> & { breakpoints?: readonly string[]; script?: Script; path?: string } = {},
  ): Setting {
    const build = new FakeBuild(source);
    const session = new DebugSession(build, { dockerfilePath: options.path });
    for (const spec of options.breakpoints ?? []) session.breakpoints.add(spec, build);
    const isTerminal = options.isTerminal ?? false;
    const [keyboard, out, err] = [new Keyboard(), new Screen(isTerminal), new Screen(isTerminal)];
    let interrupt = (): void => undefined;
    const result = runTerminalFrontEnd(session, {
      onFailure: isTerminal ? "prompt" : "report",
      progress: "plain",
      stdin: keyboard.stream,
      stdout: out.stream,
      stderr: err.stream,
      isTerminal,
      raise: () => undefined,
      env: { NO_COLOR: "1", XDG_STATE_HOME: folder },
      signal: undefined,
      entry: false,
      script: undefined,
      execCommands: [],
      watch: undefined,
      onInterrupt: (handler) => {
        interrupt = handler;
        return () => undefined;
      },
      ...options,
    });
    result.catch(() => undefined);
    return { session, build, keyboard, out, err, result, interrupt: () => interrupt() };
  }

  it("says the same to a script and to a person", async () => {
    const scripted = run(shop, { entry: true, script: scriptOf(["# a comment", "", ...commands]) });
    expect((await scripted.result).status).toBe("cancelled");
    await expect(scripted.out.text).toMatchFileSnapshot("terminal-session.txt");

    const { keyboard, out, result } = run(shop, { entry: true, isTerminal: true, progress: "quiet" });
    for (const command of commands) {
      await out.expect(/^[yn]$/.test(command) ? "[y/N] " : /^write/.test(command) ? "RUN " : "(dfdebug) ");
      // A question has its answer typed already: it is cleared as a person would.
      keyboard.type(/^write/.test(command) ? `\x15${command}\r` : `${command}\r`);
    }
    expect((await result).status).toBe("cancelled");
    // What is retyped is on the screen twice.
    expect(out.text.replace("write /app/deps 1RUN ", "")).toBe(scripted.out.text);
  });

  it("says what a path that is not there may have been, and how many commands a script left", async () => {
    const script = [
      "-ls /x",
      "next",
      "next",
      "-cat /app/dept",
      "-ls /ap",
      "-cat /app/x/y",
      "break /[/",
      "next",
      "# no",
      "q",
    ];
    const { result, out } = run(shop, { entry: true, script: scriptOf(script, { strict: true }) });
    expect(await result).toMatchObject({
      error: {
        message: "commands, line 7: break /[/: /[/: not a regular expression",
        hint: "The 2 commands behind it were not run. A line with - in front may fail.",
      },
    });
    expect(out.text).toContain("Before its FROM a stage has no files");
    expect(out.text).toContain("Did you mean /app/deps?");
    expect(out.text).toContain("Did you mean /app?");
    expect(out.text).toContain("/app is there, and has no x in it.");
    expect(out.text).toContain("Unterminated character class");
  });

  it("prints no binary file, and says how it is copied", async () => {
    const source = "FROM scratch\nRUN write /tool \0ELF\nRUN write /c 3\n";
    const { result, out } = run(source, { entry: true, script: scriptOf(["next", "next", "-cat 2:/tool", "q"]) });
    await result;
    expect(out.text).toContain("cat: /tool is a binary file");
    expect(out.text).toContain("`cp 2:/tool .`");
    expect(out.text).not.toContain("ELF\n(dfdebug)");
  });

  it("says what the image has and the file has not", async () => {
    const changes = ["retry", "write /c 4", "n"];
    const source = "FROM scratch\nRUN write /a 1\nRUN write /c 3\n";
    const built = async (...script: string[]): Promise<string> => {
      const { result, err } = run(source, { breakpoints: ["3"], script: scriptOf(script) });
      expect((await result).status).toBe("built");
      return err.text.slice(err.text.indexOf("Built "));
    };
    expect(await built()).toBe("Built sha256:fake\n");
    expect(await built("set ENV A=1", "set ARG B=x y", ...changes, "c")).toBe(
      'Built sha256:fake\nIt has ENV A="1", ARG B="x y", set in this session only, and a change that is not in Dockerfile\n',
    );
    expect(await built(...changes)).toBe("Built sha256:fake\nIt has a change that is not in Dockerfile\n");
  });

  it("completes with Tab, and keeps what was typed for the next session", async () => {
    const first = run(shop, { entry: true, isTerminal: true });
    await first.out.expect("(dfdebug) ");
    first.keyboard.type("unt\ttoo\t/2\r");
    await first.out.expect("Stopped before step 5/10 [tools 2/2]");
    await first.out.expect("(dfdebug) ");
    first.keyboard.type("\x04");
    expect((await first.result).status).toBe("cancelled");
    expect(readFileSync(join(folder, "dfdebug/history"), "utf8")).toBe("until tools/2\n");

    const second = run(shop, { entry: true, isTerminal: true });
    await second.out.expect("(dfdebug) ");
    second.keyboard.type("\x1b[A\r");
    await second.out.expect("Stopped before step 5/10 [tools 2/2]");
    await second.out.expect("(dfdebug) ");
    second.keyboard.type("\x03");
    await second.out.expect("^C");
    await second.out.expect("(dfdebug) ");
    second.keyboard.type("back\r\rq\r");
    expect((await second.result).status).toBe("cancelled");
    // An empty line runs back again.
    expect(second.out.text).toContain("Stopped before step 3/10");
  });

  it("asks before the Dockerfile is written, and does not go on where it cannot be", async () => {
    const file = join(folder, "Dockerfile");
    const source = "FROM scratch\nRUN write /a 1\nRUN fail 3\nRUN write /b 2\n";
    writeFileSync(file, source);
    const { out, err, keyboard, result, session } = run(source, { isTerminal: true, path: file });
    await err.expect("Step 3/4 failed");
    await err.expect("exit code 3");
    await out.expect("(dfdebug) ");
    keyboard.type("retry\r");
    await out.expect("RUN fail 3");
    keyboard.type("\x15write /fixed 1\r");
    await out.expect("+RUN write /fixed 1");
    await out.expect("Write this change? [y/N] ");
    writeFileSync(file, `${source}# somebody else\n`);
    keyboard.type("y\r");
    await out.expect("has changed since the build began");
    await out.expect("(dfdebug) ");
    expect(session.state.kind).toBe("stopped");
    keyboard.type("diff --file\r");
    await out.expect("-RUN fail 3");
    await out.expect("(dfdebug) ");
    writeFileSync(file, source);
    keyboard.type("continue\r");
    await out.expect("Write this change? [y/N] ");
    keyboard.type("y\r");
    await out.expect("Wrote Dockerfile");
    expect((await result).status).toBe("built");
    expect(readFileSync(file, "utf8")).toBe(source.replace("fail 3", "write /fixed 1"));
  });

  it("says what a retry that failed is, has it typed for the next one, and does not ask about it at the end", async () => {
    const { out, err, keyboard, result } = run("FROM scratch\nRUN fail 3\n", { isTerminal: true });
    await out.expect("(dfdebug) ");
    keyboard.type("retry\r");
    await out.expect("RUN fail 3");
    keyboard.type("\x15fail 4\r");
    await err.expect("Dockerfile:2, stage stage-0, retry");
    await err.expect("An attempt: retry changes it further, next and continue run the step as it was: RUN fail 3");
    keyboard.type("list\r");
    await out.expect("RUN fail 4");
    await out.expect("step 2: An attempt");
    await out.expect("(dfdebug) ");
    keyboard.type("retry\r");
    await out.expect("RUN fail 4");
    keyboard.type("\x03");
    await out.expect("(dfdebug) ");
    keyboard.type("diff --file\r");
    await out.expect("There is no change to the Dockerfile");
    keyboard.type("quit\r");
    expect((await result).status).toBe("failed");
  });

  it("leaves the question whether a change is written open at Ctrl-C", async () => {
    const { out, keyboard, result, session } = run("FROM scratch\nRUN fail 3\n", { isTerminal: true });
    await out.expect("(dfdebug) ");
    keyboard.type("retry\r");
    await out.expect("RUN fail 3");
    keyboard.type("\x15write /a 1\r");
    await out.expect("Write this change? [y/N] ");
    keyboard.type("\x03");
    await out.expect("Stopped before step 2/2");
    await out.expect("(dfdebug) ");
    expect(session.pendingFix).toBeDefined();
    keyboard.type("quit\r");
    await out.expect("The change is not in the Dockerfile yet. Quit? [y/N] ");
    keyboard.type("\x03");
    await out.expect("(dfdebug) ");
    keyboard.type("continue\r");
    await out.expect("Write this change? [y/N] ");
    keyboard.type("n\r");
    expect((await result).status).toBe("built");
  });

  it.each<[string, string, string, string]>([
    ["beside it", "# mine\n", "the change goes there, too", "Write this change? [y/N] "],
    ["in the same lines", "RUN fail 5\n", "in the same lines", "Write it over them? [y/N] "],
  ])("writes a change into a file that was changed %s", async (_name, added, said, question) => {
    const source = "FROM scratch\nRUN fail 3\n";
    const path = join(folder, "Dockerfile");
    writeFileSync(path, source);
    const { out, keyboard, result } = run(source, { isTerminal: true, path });
    await out.expect("(dfdebug) ");
    writeFileSync(path, added.startsWith("#") ? added + source : source.replace("RUN fail 3\n", added));
    keyboard.type("retry\r");
    await out.expect("RUN fail 3");
    keyboard.type("\x15write /a 1\r");
    await out.expect(said);
    await out.expect(question);
    keyboard.type("y\r");
    await out.expect("What else was changed in it is not in this build");
    expect((await result).status).toBe("built");
    expect(readFileSync(path, "utf8")).toBe(`${added.startsWith("#") ? added : ""}FROM scratch\nRUN write /a 1\n`);
  });

  it("is no shell", async () => {
    const { result, out } = run(shop, {
      entry: true,
      script: scriptOf(["-env | head", "-logs|tail", "-cat /x > y", "print $A|$B", "-ls a; ls b", "q"], {
        strict: true,
      }),
    });
    await result;
    const errors = out.text.split("\n").filter((line) => line.startsWith("Error: "));
    expect(errors).toEqual(
      ["|", "|", ">", ";"].map((found) => `Error: This prompt is no shell: it does not know ${found}`),
    );
  });

  it("opens the editor on an instruction with a heredoc, and says at once where there is none", async () => {
    const source = "FROM scratch\nRUN fail 3 <<EOF\na\nEOF\nRUN write /b 1\n";
    writeFileSync(join(folder, "editor"), '#!/bin/sh\nsed -i "s/fail 3/write \\/a/" "$2"\n', { mode: 0o755 });
    const env = { NO_COLOR: "1", XDG_STATE_HOME: folder };
    const { out, keyboard, result, session } = run(source, {
      isTerminal: true,
      env: { ...env, EDITOR: join(folder, "editor") },
    });
    await out.expect("(dfdebug) ");
    keyboard.type("retry\r");
    await out.expect("+RUN write /a <<EOF");
    await out.expect("Write this change? [y/N] ");
    keyboard.type("n\r");
    expect((await result).status).toBe("built");
    expect(session.build.dockerfile.source).toBe(source.replace("fail 3", "write /a"));

    const without = run(source, { isTerminal: true, env: { ...env, EDITOR: join(folder, "none") } });
    await without.out.expect("(dfdebug) ");
    without.keyboard.type("retry\r");
    await without.out.expect("is not there");
    await without.out.expect("(dfdebug) ");
    without.keyboard.type("q\r");
    expect((await without.result).status).toBe("failed");
  });

  it("offers a change that was built without a stop, when the image is there", async () => {
    const file = join(folder, "Dockerfile");
    const source = "FROM scratch\r\nRUN fail 3\r\n";
    writeFileSync(file, source);
    writeFileSync(join(folder, "editor"), '#!/bin/sh\nsed -i "s/fail 3/write \\/a 1/" "$2"\n', { mode: 0o755 });
    const { out, keyboard, result } = run(source, {
      isTerminal: true,
      path: file,
      env: { NO_COLOR: "1", XDG_STATE_HOME: folder, EDITOR: join(folder, "editor") },
    });
    await out.expect("(dfdebug) ");
    keyboard.type("edit\r");
    await out.expect("+RUN write /a 1");
    await out.expect("Write this change? [y/N] ");
    keyboard.type("y\r");
    expect((await result).status).toBe("built");
    expect(readFileSync(file, "utf8")).toBe("FROM scratch\r\nRUN write /a 1\r\n");
  });

  it("ends a script at a command that fails, unless it may", async () => {
    const script = ["-print NOTHING", "next", "brek 2", "continue"];
    const { result, out, session } = run(shop, { entry: true, script: scriptOf(script, { strict: true }) });
    expect(await result).toMatchObject({ status: "error", error: { code: "SCRIPT_FAILED", exitCode: 2 } });
    expect(out.text).toContain("NOTHING is not set here");
    expect(out.text).not.toContain("(dfdebug) continue");
    expect(session.build.isBuilt(session.build.steps[1]!)).toBe(false);

    const lenient = run(shop, { entry: true, script: scriptOf(script) });
    expect((await lenient.result).status).toBe("built");

    const person = run(shop, { entry: true, isTerminal: true, script: scriptOf(script, { strict: true }) });
    await person.out.expect("Unknown command: brek");
    await person.out.expect("\n(dfdebug) ");
    person.keyboard.type("q\r");
    expect((await person.result).status).toBe("cancelled");
  });

  it("a script that fails at a failed step ends as the build failed", async () => {
    const { result } = run("FROM scratch\nRUN fail 3", { script: scriptOf(["nonsense"], { strict: true }) });
    expect(await result).toMatchObject({ status: "failed", failure: { exitCode: 3 } });
  });

  it("runs diagnostics at each stop, and goes on", async () => {
    const { result, out, err } = run(shop, { breakpoints: ["deps/2", "end"], execCommands: ["pwd", "exit 9"] });
    expect((await result).status).toBe("built");
    expect(out.text).toBe("ran pwd\nran exit 9\nran pwd\nran exit 9\n");
    expect(err.text.match(/^\$ .*$|^\(exit.*$|^Stopped.*\S$/gm)).toEqual([
      expect.stringMatching(/^Stopped before step 2\/10 \[deps 2\/3\] +Dockerfile:3, breakpoint 1$/),
      ...["$ pwd", "$ exit 9", "(exit code 9)"],
      expect.stringMatching(/^Stopped at the end, behind step 10\/10 +Dockerfile:13, breakpoint 2$/),
      ...["$ pwd", "$ exit 9", "(exit code 9)"],
    ]);
  });

  it("Ctrl-C pauses behind what runs, and gives the prompt", async () => {
    const { build, keyboard, out, err, result, interrupt } = run(
      "FROM scratch\nRUN hold; write /a 1; print held\nRUN write /b 1\n",
      { isTerminal: true },
    );
    await new Promise<void>((resolve) => (build.onHold = () => resolve()));
    interrupt();
    await err.expect("Pausing behind step 2; Ctrl-C again interrupts it, a third time ends the session");
    await new Promise<void>((resolve) => (build.onLeave = () => resolve()));
    build.release();
    await out.expect("Stopped before step 3/3");
    await out.expect(", paused");
    // The step goes on where it was: it is not named again, and its clock runs.
    expect(err.text.match(/^#2 .*$/gm)).toEqual([
      "#2 [stage-0 2/3] RUN hold; write /a 1; print held",
      expect.stringMatching(/^#2 \d+\.\d+ held$/),
      expect.stringMatching(/^#2 DONE/),
    ]);
    await out.expect("(dfdebug) ");
    keyboard.type("c\r");
    expect((await result).status).toBe("built");
  });

  it("holds the keyboard while it draws what runs: nothing typed then is a command, and Ctrl-C is what it was", async () => {
    const { build, keyboard, out, err, result, interrupt } = run(
      "FROM scratch\nRUN hold; write /a 1\nRUN write /b 1\nRUN write /c 1\nRUN fail 3\n",
      { isTerminal: true, progress: "tty", raise: (name) => name === "INT" && interrupt() },
    );
    await new Promise<void>((resolve) => (build.onHold = () => resolve()));
    while (!keyboard.isRaw) await turn();
    keyboard.type("print TYPED\r\x1b[A\r");
    for (let turns = 0; turns < 3; turns++) await turn();
    keyboard.type("junk\x03print BEHIND\r");
    await err.expect("Pausing behind step 2");
    await new Promise<void>((resolve) => (build.onLeave = () => resolve()));
    build.release();
    await out.expect("Stopped before step 3/5");
    await out.expect("(dfdebug) ");
    // What is pasted at the prompt is for the prompts that follow.
    keyboard.type("next\rprint PASTED\rnext\rnext\rprint AFTER\r");
    await out.expect("PASTED is not set here");
    await err.expect("Step 5/5 failed");
    await out.expect("AFTER is not set here");
    await out.expect("(dfdebug) ");
    expect(keyboard.isRaw).toBe(true);
    keyboard.type("quit\r");
    expect((await result).status).toBe("failed");
    expect(keyboard.isRaw).toBe(false);
    expect(out.text).not.toMatch(/TYPED|BEHIND|junk/);
  });

  it("waits at a failure for a change, shows one that cannot be read, and waits on", async () => {
    const changes = ["FROM scratch\nRUNN x\n", "FROM scratch\nRUN fail 4\n", "FROM scratch\nRUN write /a 1\n"];
    const known: string[] = [];
    const watch: Watch = async (_signal, before) => {
      known.push(before);
      return { dockerfile: changes.shift() ?? "", contextChanged: false };
    };
    const { result, err } = run("FROM scratch\nRUN fail 3\n", { watch });
    expect((await result).status).toBe("built");
    expect(err.text.match(/^Waiting|no instruction RUNN|exit code \d/gm)).toEqual([
      ...["exit code 3", "Waiting", "no instruction RUNN", "Waiting", "exit code 4", "Waiting"],
    ]);
    expect(known).toEqual(["FROM scratch\nRUN fail 3\n", "FROM scratch\nRUN fail 3\n", "FROM scratch\nRUN fail 4\n"]);
  });

  it("Ctrl-C while it waits for a change gives the prompt", async () => {
    const watch: Watch = (signal) =>
      new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new CancelledError())));
    const { result, out, keyboard, interrupt } = run("FROM scratch\nRUN fail 3\n", { watch, isTerminal: true });
    await out.expect("Waiting for a change");
    interrupt();
    await out.expect("(dfdebug) ");
    keyboard.type("quit\r");
    expect((await result).status).toBe("failed");
  });

  it("ends at once when the engine is lost while it waits for a person, a script or a change", async () => {
    const lost = { status: "error", error: { code: "ENGINE_LOST" } };
    const person = run("FROM scratch\nRUN fail 3\n", { isTerminal: true });
    await person.out.expect("(dfdebug) ");
    person.keyboard.type("ls /half-ty");
    await person.out.expect("half-ty");
    person.build.lose();
    expect(await person.result).toMatchObject(lost);
    expect(person.keyboard.isRaw).toBe(false);

    const asked = run("FROM scratch\nRUN fail 3\n", { isTerminal: true });
    await asked.out.expect("(dfdebug) ");
    asked.keyboard.type("retry\r");
    await asked.out.expect("RUN fail 3");
    asked.build.lose();
    expect(await asked.result).toMatchObject(lost);

    const silent = new Script({ next: () => new Promise(() => undefined) }, { name: "standard input", strict: false });
    const scripted = run("FROM scratch\nRUN fail 3\n", { script: silent });
    await scripted.out.expect("exit code 3");
    scripted.build.lose();
    expect(await scripted.result).toMatchObject(lost);

    const watch: Watch = (signal) =>
      new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(cancellation(signal))));
    const watching = run("FROM scratch\nRUN fail 3\n", { watch });
    await watching.err.expect("Waiting for a change");
    watching.build.lose();
    await expect(watching.result).rejects.toMatchObject({ code: "ENGINE_LOST" });
  });
});
