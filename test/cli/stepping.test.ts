import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeEngines, docker, expectNothingLeft, isOld } from "../support/engines.js";
import { dfdebug } from "../support/run-dfdebug.js";
import { Terminal } from "../support/terminal.js";

const threeStages = `ARG BASE=busybox:latest
FROM \${BASE} AS deps
WORKDIR /app
ENV GOFLAGS="-trimpath"
RUN mkdir -p node_modules/x && echo hi > node_modules/x/i.js && echo a > b.txt

FROM \${BASE} AS build
ARG MODE=debug
COPY input.txt /src/
RUN echo "building $MODE" && echo $MODE > /out.txt
USER nobody

FROM \${BASE}
COPY --from=deps /app /app
COPY --from=build /out.txt /out.txt
RUN echo changed >> /etc/passwd && rm -rf /app/b.txt && chmod 600 /out.txt
CMD ["cat", "/out.txt"]
`;

/** 25 commands over three stages. */
const session = [
  "next",
  "next 2",
  "print GOFLAGS",
  "ls /app",
  "break build/4 if $MODE == debug",
  "continue",
  "args",
  "print ${MODE%ug}",
  "exec cat /src/input.txt",
  "next",
  "logs 8",
  "back",
  "breakpoints",
  "set ARG MODE=release",
  "list",
  "until stage-2/3",
  "step",
  "tbreak end",
  "continue",
  "cat deps/4:/app/b.txt",
  "diff stage-2/4",
  "info",
  "run",
  "restart",
  "quit",
];

describeEngines("a stepped build", (engine) => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-step-"));
    writeFileSync(join(folder, "Dockerfile"), threeStages);
    writeFileSync(join(folder, "input.txt"), "input\n");
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
    expectNothingLeft(engine);
  });

  it("is the same for a person and for a script", async () => {
    writeFileSync(join(folder, "commands"), `# a comment\n\n${session.join("\n")}\n`);
    const args = ["build", "--progress=plain", "--step", "."];
    // What a step printed is there only where it ran: all three sessions find all steps built.
    expect((await dfdebug(engine, ["build", "."], { cwd: folder })).code).toBe(0);
    expect((await dfdebug(engine, ["build", "--build-arg=MODE=release", "."], { cwd: folder })).code).toBe(0);
    const scripted = await dfdebug(engine, ["build", "--progress=plain", "--step", "-x", "commands", "."], {
      cwd: folder,
    });
    expect(scripted.code).toBe(130);
    const piped = await dfdebug(engine, args, { cwd: folder, input: session.join("\n") });
    expect(piped.stdout).toBe(scripted.stdout);

    await using terminal = new Terminal(engine, args, folder);
    for (const command of session) {
      await terminal.expect("(dfdebug) ");
      terminal.type(`${command}\r`);
      await terminal.expect(`${command}\n`);
    }
    expect(await terminal.exited).toBe(130);
    // Progress goes to standard error, and so is only in the terminal's picture.
    const answers = terminal.output.replaceAll(/\r? \S working; Ctrl-C ends this command\r?/g, "");
    const withoutProgress = answers.split("\n").filter((line) => !/^#\d+ |^ {3}transferred/.test(line));
    expect(withoutProgress.join("\n").trim()).toBe(scripted.stdout.trim());
    await expect(scripted.stdout).toMatchFileSnapshot("stepping-session.txt");
  });

  it("stops before each place that is named, and builds on", async () => {
    const run = await dfdebug(
      engine,
      ["build", "-t", "dfdebug-test/stepped", "-b", "build/4", "-b", "end", "--exec", "pwd; id -un", "."],
      { cwd: folder },
    );
    expect(run.code).toBe(0);
    expect(run.stdout).toBe("/\nroot\n/\nroot\n");
    expect(run.stderr).toMatch(/Stopped before step 8\/14 \[build 4\/5\] +Dockerfile:10, breakpoint 1/);
    expect(run.stderr).toMatch(/Stopped at the end, behind step 14\/14 +Dockerfile:17, breakpoint 2/);
    expect(docker(engine, "run", "--rm", "dfdebug-test/stepped")).toBe("debug");
    docker(engine, "rmi", "-f", "dfdebug-test/stepped");
  });

  it("says what would match before anything is built", async () => {
    const run = await dfdebug(engine, ["build", "-b", "biuld", "."], { cwd: folder });
    expect(run.code).toBe(2);
    expect(run.stderr).toContain("did you mean build?");
    expect(run.stderr).toContain("Stages are deps, build, stage-2.");
    expect(run.stderr).not.toContain("#1");
  });

  it("gives stops, outputs and errors as JSON", async () => {
    const run = await dfdebug(engine, ["build", "--progress=json", "-b", "RUN", "."], {
      cwd: folder,
      input: "print GOFLAGS\nprint NOTHING\nnext\n",
    });
    expect(run.code).toBe(0);
    const events = run.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(events.filter(({ type }) => type === "stopped")).toMatchObject([
      { reason: "breakpoint", number: 4, line: 5, note: "breakpoint 1" },
      { reason: "step", number: 5 },
      { reason: "breakpoint", number: 8 },
      { reason: "breakpoint", number: 13 },
    ]);
    expect(events.filter(({ type }) => type === "output")).toMatchObject([
      { text: 'GOFLAGS = "-trimpath"  ENV, Dockerfile:4' },
    ]);
    expect(events.find(({ type }) => type === "error")).toMatchObject({ code: "NO_VARIABLE" });
    expect(events.at(-1)).toMatchObject({ type: "ended", status: "built", exitCode: 0 });
  });

  it("shows what a failed step did before it died", async () => {
    writeFileSync(
      join(folder, "Dockerfile"),
      "FROM busybox\nWORKDIR /app\nRUN echo one > one.txt\nRUN echo two >> one.txt; echo new > new.txt; exit 3\n",
    );
    const commands = ["diff --dirty", "ls --dirty", "cat --dirty new.txt", "exec --dirty cat one.txt", "quit"];
    const run = await dfdebug(engine, ["build", "-b", "3", "."], {
      cwd: folder,
      input: ["continue", ...commands].join("\n"),
    });
    expect(run.code).toBe(1);
    if (isOld(engine)) {
      expect(run.stdout).toContain("this engine does not keep what a failed step left");
      return;
    }
    expect(run.stdout).toContain("M /app/one.txt  4 B → 8 B");
    expect(run.stdout).toContain("A /app/new.txt  4 B");
    expect(run.stdout).toContain(" one\n+two\n");
    expect(run.stdout).toContain("(dfdebug) cat --dirty new.txt\nnew\n");
    expect(run.stdout).toContain("(dfdebug) exec --dirty cat one.txt\none\ntwo\n");
  });

  it("edits the Dockerfile in the user's editor, goes on, and writes it on a yes", async () => {
    writeFileSync(
      join(folder, "Dockerfile"),
      "FROM busybox\nRUN echo first > /first\nRUN exit 4\nRUN echo last > /last\n",
    );
    writeFileSync(
      join(folder, "editor"),
      '#!/bin/sh\necho "editing line $1"\nsed -i "s/exit 4/echo fixed > \\/fixed/" "$2"\n',
      {
        mode: 0o755,
      },
    );
    await using terminal = new Terminal(engine, ["build", "-b", "4", "--on-failure=prompt", "."], folder, {
      EDITOR: join(folder, "editor"),
    });
    await terminal.expect("Step 3/4 failed");
    await terminal.expect("(dfdebug) ");
    terminal.type("edit\r");
    await terminal.expect("editing line +3");
    await terminal.expect("+RUN echo fixed > /fixed");
    await terminal.expect("Write this change? [y/N] ");
    terminal.type("y\r");
    await terminal.expect("Stopped before step 4/4");
    await terminal.expect("(dfdebug) ");
    expect(readFileSync(join(folder, "Dockerfile"), "utf8")).toContain("RUN echo fixed > /fixed\n");
    terminal.type("cat /fixed\r");
    await terminal.expect("\nfixed\n");
    terminal.type("continue\r");
    await terminal.expect("Built sha256:");
    expect(await terminal.exited).toBe(0);
  });

  it("pauses with Ctrl-C behind the step that runs, which is not run twice", async () => {
    writeFileSync(
      join(folder, "Dockerfile"),
      `FROM busybox\nARG AGAIN=${String(Date.now())}\nRUN echo $AGAIN; for i in 1 2 3; do echo go $i; sleep 1; done; date +%N > /when\nRUN cat /when\n`,
    );
    await using terminal = new Terminal(engine, ["build", "--progress=plain", "."], folder);
    await terminal.expect("go 1");
    terminal.type("\x03");
    await terminal.expect("Pausing behind step 3");
    await terminal.expect(/Stopped before step 4\/4.*paused/);
    expect(terminal.output.match(/ go 1$/gm)).toHaveLength(1);
    await terminal.expect("(dfdebug) ");
    terminal.type("continue\r");
    expect(await terminal.exited).toBe(0);
  });

  it("interrupts the running step with a second Ctrl-C", async () => {
    writeFileSync(join(folder, "Dockerfile"), `FROM busybox\nRUN echo ${String(Date.now())}; echo go; sleep 100\n`);
    await using terminal = new Terminal(engine, ["build", "--progress=plain", "."], folder);
    await terminal.expect(/\d go\n/);
    terminal.type("\x03");
    await terminal.expect("Pausing behind step 2");
    terminal.type("\x03");
    await terminal.expect(/Stopped before step 2\/2.*paused/);
    await terminal.expect("(dfdebug) ");
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(130);
  });

  it("ends a command at the prompt with Ctrl-C, and says so", async () => {
    writeFileSync(
      join(folder, "Dockerfile"),
      "FROM busybox\nRUN yes 'a line of a big file' | head -c 30000000 > /big\n",
    );
    await using terminal = new Terminal(engine, ["build", "-b", "end", "--progress=plain", "."], folder);
    await terminal.expect("(dfdebug) ");
    terminal.type("exec echo running; sleep 1000\r");
    await terminal.expect("running\n");
    terminal.type("\x03");
    await terminal.expect("Interrupted\n");
    await terminal.expect("(dfdebug) ");
    terminal.type("cat /big\r");
    await terminal.expect("a line of a big file\n");
    terminal.type("\x03");
    await terminal.expect("Interrupted\n");
    await terminal.expect("(dfdebug) ");
    expect(terminal.output.length).toBeLessThan(30_000_000);
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(130);
  });

  it("waits at a failure for a change of the context or the Dockerfile, and goes on from what changed", async () => {
    writeFileSync(join(folder, ".dockerignore"), "*.tmp\nhistory\ndfdebug\n");
    writeFileSync(
      join(folder, "Dockerfile"),
      `FROM busybox\nRUN echo ${String(Date.now())}; echo once > /once\nCOPY input.txt /\nRUN grep fixed /input.txt\nRUN cat /missing\n`,
    );
    await using terminal = new Terminal(engine, ["build", "--watch", "--progress=plain", "."], folder);
    await terminal.expect("Step 4/5 failed");
    await terminal.expect("Waiting for a change");
    writeFileSync(join(folder, "ignored.tmp"), "x");
    writeFileSync(join(folder, "input.txt"), "fixed\n");
    await terminal.expect("Step 5/5 failed");
    await terminal.expect("Waiting for a change");
    const dockerfile = readFileSync(join(folder, "Dockerfile"), "utf8");
    writeFileSync(join(folder, "Dockerfile"), dockerfile.replace("RUN cat", "RUNN cat"));
    await terminal.expect("there is no instruction RUNN");
    await terminal.expect("Waiting for a change");
    writeFileSync(join(folder, "Dockerfile"), dockerfile.replace("cat /missing", "cat /once"));
    await terminal.expect("Built sha256:");
    expect(await terminal.exited).toBe(0);
    expect(terminal.output.match(/^#2 DONE/gm)).toHaveLength(1);
  });

  it("follows the .dockerignore while it waits, and a Dockerfile that is saved by renaming", async () => {
    const state = join(folder, "state");
    writeFileSync(join(folder, ".dockerignore"), "input.txt\nstate\n");
    writeFileSync(
      join(folder, "Dockerfile"),
      `FROM busybox\nCOPY . /context\nRUN cat /context/input.txt && echo ${String(Date.now())}\nRUN exit 3\n`,
    );
    await using terminal = new Terminal(engine, ["build", "--watch", "--progress=plain", "."], folder, {
      XDG_STATE_HOME: state,
    });
    await terminal.expect("Step 3/4 failed");
    await terminal.expect("Waiting for a change");
    writeFileSync(join(folder, ".dockerignore"), "state\n");
    await terminal.expect("Step 4/4 failed");
    await terminal.expect("Waiting for a change");
    const dockerfile = readFileSync(join(folder, "Dockerfile"), "utf8");
    writeFileSync(join(folder, "Dockerfile.new"), dockerfile.replace("exit 3", "cat /context/Dockerfile"));
    renameSync(join(folder, "Dockerfile.new"), join(folder, "Dockerfile"));
    await terminal.expect("RUN cat /context/Dockerfile\n");
    // The image has the Dockerfile as it is now.
    await terminal.expect(/\d RUN cat \/context\/Dockerfile\n/);
    expect(await terminal.exited).toBe(0);
  });

  it("ends a script at a command that fails, before anything else is done", async () => {
    writeFileSync(join(folder, "commands"), "next\n-print NOTHING\nbreak biuld\ncontinue\n");
    const run = await dfdebug(engine, ["build", "--step", "-x", "commands", "."], { cwd: folder });
    expect(run.code).toBe(2);
    expect(run.stdout).toContain("NOTHING is not set here");
    expect(run.stderr).toContain("Error: commands, line 3: break biuld: biuld matches nothing");
    expect(run.stderr).not.toContain("Built");

    // At a failed step, too, where the exit code is the failure's.
    writeFileSync(join(folder, "Dockerfile"), "FROM busybox\nRUN exit 9\n");
    const failed = await dfdebug(engine, ["build", "-x", "commands", "."], { cwd: folder });
    expect(failed.code).toBe(1);
    expect(failed.stderr).toContain("Error: commands, line 3: break biuld: biuld matches nothing");
    expect(failed.stderr).toContain("The command behind it was not run.");

    const unread = await dfdebug(engine, ["build", "-x", "nowhere", "."], { cwd: folder });
    expect(unread.code).toBe(2);
    expect(unread.stderr).not.toContain("#1");
  });

  it("gives the prompt for Ctrl-C while it waits", async () => {
    writeFileSync(join(folder, "Dockerfile"), "FROM busybox\nRUN exit 9\n");
    await using terminal = new Terminal(engine, ["build", "--watch", "."], folder);
    await terminal.expect("Waiting for a change");
    terminal.type("\x03");
    await terminal.expect("(dfdebug) ");
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(1);
  });
});
