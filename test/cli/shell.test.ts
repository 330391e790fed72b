import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeEngines, docker, expectNothingLeft, isOld } from "../support/engines.js";
import { Terminal } from "../support/terminal.js";

describeEngines("a failing step in a terminal", (engine) => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-pty-"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
    expectNothingLeft(engine);
  });

  const dockerfile = (text: string): void => writeFileSync(join(folder, "Dockerfile"), text);

  it("opens busybox ash with the instruction typed, takes the fix, writes it and goes on", async () => {
    dockerfile("FROM busybox:latest\nWORKDIR /srv\nRUN ls /missing-file\nRUN echo rest > /rest\n");
    await using terminal = new Terminal(engine, ["build", "-t", "dfdebug-test/fix", "."], folder);
    await terminal.expect("Step 3/4 failed");
    await terminal.expect("exit code 1");
    await terminal.expect("step 3 /srv # ls /missing-file");
    // Ctrl-U clears the line, as a person would.
    terminal.type("\x15ls /bin/busybox\r");
    await terminal.expect("/bin/busybox");
    terminal.type("touch /tmp/works\r");
    await terminal.expect(/step 3 \/srv # /);
    terminal.type("exit\r");
    await terminal.expect("`touch /tmp/works` ended with 0 there. Retry step 3 with it");
    await terminal.expect("b  before the instruction: `touch /tmp/works && ls /missing-file`");
    await terminal.expect("[b/i/N] ");
    terminal.type("i\r");
    await terminal.expect("-RUN ls /missing-file");
    await terminal.expect("+RUN touch /tmp/works");
    await terminal.expect("Write this change? [y/N]");
    terminal.type("y\r");
    await terminal.expect("Built sha256:");
    expect(await terminal.exited).toBe(0);
    expect(readFileSync(join(folder, "Dockerfile"), "utf8")).toBe(
      "FROM busybox:latest\nWORKDIR /srv\nRUN touch /tmp/works\nRUN echo rest > /rest\n",
    );
    expect(docker(engine, "run", "--rm", "dfdebug-test/fix", "cat", "/rest")).toBe("rest");
    docker(engine, "rmi", "-f", "dfdebug-test/fix");
  });

  it("offers the instruction with what made it work", async () => {
    dockerfile("FROM busybox:latest\nWORKDIR /srv\nRUN cat input \\\n    > output\n");
    await using terminal = new Terminal(engine, ["build", "."], folder);
    await terminal.expect("step 3 /srv # cat input > output");
    terminal.type("\x15echo data > input\r");
    await terminal.expect(/step 3 \/srv # /);
    terminal.type("cat input > output\r");
    await terminal.expect(/step 3 \/srv # /);
    terminal.type("exit\r");
    await terminal.expect("`echo data > input && cat input > output` ended with 0 there. Retry step 3 with it? [Y/n]");
    terminal.type("y\r");
    await terminal.expect("+RUN echo data > input && cat input \\");
    await terminal.expect("Write this change? [y/N]");
    terminal.type("n\r");
    await terminal.expect("Built sha256:");
    expect(await terminal.exited).toBe(0);
  });

  it.each([
    ["dash", "debian:bookworm-slim", ""],
    ["bash", "debian:bookworm-slim", 'SHELL ["/bin/bash", "-euo", "pipefail", "-c"]\n'],
    ["busybox ash", "busybox:latest", ""],
  ])("takes lines that were pasted into %s as what made the instruction work", async (_name, image, shell) => {
    dockerfile(`FROM ${image}\n${shell}RUN echo one; cat /x\n`);
    await using terminal = new Terminal(engine, ["build", "."], folder);
    const typed = shell === "" ? "echo one; cat /x" : "(set -e; echo one; cat /x)";
    const prompt = `step ${shell === "" ? "2" : "3"} / # `;
    await terminal.expect(prompt + typed);
    terminal.type("\x15");
    const paste = "if true; then\n  echo data > /x\nfi\nmkdir /y";
    terminal.type(shell === "" ? `${paste}\r` : `\x1b[200~${paste}\x1b[201~\r`);
    await terminal.expect("mkdir /y");
    await terminal.expect(prompt);
    terminal.type(`${typed}\r`);
    await terminal.expect("data");
    terminal.type("exit\r");
    const prepared =
      shell === "" ? "if true; then echo data > /x; fi && mkdir /y" : "{ if true; then echo data > /x; fi; mkdir /y; }";
    await terminal.expect(`\`${prepared} && { echo one; cat /x; }\` ended with 0 there.`);
    terminal.type("n\r");
    await terminal.expect("(dfdebug) ");
    terminal.type("q\r");
    expect(await terminal.exited).toBe(1);
  });

  it("gives dash a line editor, and the exact environment", async () => {
    dockerfile("FROM debian:bookworm-slim\nARG WHO=arg-value\nENV KIND=env-value\nWORKDIR /work\nRUN false $WHO\n");
    await using terminal = new Terminal(engine, ["build", "."], folder);
    await terminal.expect("step 5 /work # false $WHO");
    terminal.type("\x01\x0becho [$WHO] [$KIND] $0\r");
    await terminal.expect("[arg-value] [env-value]");
    // Arrow keys edit the line: the second echo gets an x in front of its word.
    await terminal.expect("step 5 /work # ");
    terminal.type("echo yz\x1b[D\x1b[Dx\r");
    await terminal.expect(/\nxyz/);
    terminal.type("exit 7\r");
    await terminal.expect("(dfdebug) ");
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(1);
  });

  it("keeps several lines in bash, the step's own SHELL", async () => {
    dockerfile(
      'FROM debian:bookworm-slim\nSHELL ["/bin/bash", "-O", "globstar", "-eo", "pipefail", "-c"]\nRUN echo one && \\\n    false | cat\n',
    );
    await using terminal = new Terminal(engine, ["build", "."], folder);
    await terminal.expect(/step 3 \/ [$#] echo one && \\/);
    await terminal.expect("false | cat");
    terminal.type("\r");
    await terminal.expect("one");
    await terminal.expect(/step 3 \/ [$#] /);
    terminal.type("echo code $?; shopt -o pipefail; shopt globstar\r");
    await terminal.expect(/code [01]/);
    await terminal.expect(/pipefail\s+on/);
    await terminal.expect(/globstar\s+on/);
    terminal.type("exit\r");
    await terminal.expect("(dfdebug) ");
    terminal.type("\x04");
    expect(await terminal.exited).toBe(1);
  });

  it("has a shell where the image has none", async () => {
    dockerfile('FROM scratch\nCOPY Dockerfile /etc/here\nRUN ["/none"]\n');
    await using terminal = new Terminal(engine, ["build", "."], folder);
    await terminal.expect(/step 3 \/ [$#] \/none/);
    terminal.type("\x15cat /etc/here; which busybox\r");
    await terminal.expect("FROM scratch");
    await terminal.expect("/.dfdebug/bin/busybox");
    terminal.type("exit\r");
    await terminal.expect("(dfdebug) ");
    terminal.type("toolbox\r");
    await terminal.expect(/toolbox 3 /);
    terminal.type("ls /target/etc\r");
    await terminal.expect("here");
    terminal.type("exit\r");
    await terminal.expect("(dfdebug) ");
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(1);
  });

  it("answers at the prompt: ls, cat, cp, env, exec, list, logs, save, help", async () => {
    dockerfile("FROM busybox:latest\nRUN echo content > /file\nRUN echo to-the-log; exit 4\n");
    await using terminal = new Terminal(engine, ["build", "--on-failure", "prompt", "."], folder);
    await terminal.expect("(dfdebug) ");
    terminal.type("ls /\r");
    await terminal.expect(/-rw-r--r--\s+0:0\s+8 file/);
    terminal.type("cat /file\r");
    await terminal.expect(/\ncontent\n/);
    terminal.type("cp /file copied\r");
    await terminal.expect("Copied 1 file, 8 B");
    expect(readFileSync(join(folder, "copied"), "utf8")).toBe("content\n");
    terminal.type("cp /file copied\r");
    await terminal.expect("exists already");
    terminal.type("env\r");
    await terminal.expect("user      root");
    terminal.type("exec cat /file; exit 3\r");
    await terminal.expect("exit code 3");
    terminal.type("list\r");
    await terminal.expect("RUN echo to-the-log");
    terminal.type("logs\r");
    await terminal.expect(/\nto-the-log\n/);
    terminal.type("save dfdebug-test/saved\r");
    await terminal.expect("Saved sha256:");
    expect(docker(engine, "run", "--rm", "dfdebug-test/saved", "cat", "/file")).toBe("content");
    docker(engine, "rmi", "-f", "dfdebug-test/saved");
    terminal.type("help retry\r");
    await terminal.expect(/runs\s+as a real step/);
    terminal.type("nonsense\r");
    await terminal.expect("Unknown command: nonsense");
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(1);
  });

  it("retries an edited instruction at the prompt", async () => {
    dockerfile("FROM busybox:latest\nCOPY missing.txt /x\nRUN cat /x\n");
    writeFileSync(join(folder, "missing.text"), "found\n");
    await using terminal = new Terminal(engine, ["build", "--on-failure", "prompt", "."], folder);
    await terminal.expect("missing.txt was not found in the build context.");
    await terminal.expect("Did you mean missing.text?");
    await terminal.expect("(dfdebug) ");
    terminal.type("retry\r");
    await terminal.expect("COPY missing.txt /x");
    terminal.type("\x01\x0bCOPY missing.text /x\r");
    await terminal.expect("+COPY missing.text /x");
    await terminal.expect("Write this change?");
    terminal.type("n\r");
    await terminal.expect("Built sha256:");
    expect(await terminal.exited).toBe(0);
    expect(readFileSync(join(folder, "Dockerfile"), "utf8")).toContain("COPY missing.txt");
  });

  it("is started while a long step runs, unless that has something which only one can use", async () => {
    const log = join(folder, "log");
    const unique = String(Date.now());
    dockerfile(
      `FROM busybox:latest\nRUN sleep 1; echo ${unique} > /one\nRUN --mount=type=cache,target=/c,sharing=locked sleep 2\nRUN sleep 2; exit 5\n`,
    );
    writeFileSync(join(folder, ".dockerignore"), "*\n");
    await using terminal = new Terminal(engine, ["build", "."], folder, { DFDEBUG_LOG: log });
    await terminal.expect("step 4 / # sleep 2; exit 5", 60);
    const lines = readFileSync(log, "utf8").split("\n");
    const at = (text: string): number => lines.findIndex((line) => line.includes(text));
    expect(at("session: shell started ahead step=2")).toBeGreaterThan(0);
    expect(at("session: no shell ahead step=3")).toBeGreaterThan(0);
    expect(at("session: shell started ahead step=4")).toBeGreaterThan(0);
    expect(at("session: shell started ahead step=4")).toBeLessThan(at("buildkit: step failed"));
    // It has its keyboard and the terminal's size.
    terminal.resize(90, 20);
    // What is typed may come before the size, which goes another way.
    terminal.type("\x15until stty size | grep '20 90'; do sleep 0.1; done; cat /one; false\r");
    await terminal.expect(`20 90\n${unique}\n`);
    terminal.type("exit 3\r");
    await terminal.expect("(dfdebug) ");
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(1);
  });

  const [dirtyTitle, dirtyTest] = isOld(engine)
    ? (["says why what the failed step left cannot be opened", refusesDirty] as const)
    : (["opens what the failed step left", opensDirty] as const);
  it(dirtyTitle, dirtyTest);

  async function opensDirty(): Promise<void> {
    dockerfile("FROM busybox:latest\nRUN echo half > /half-done && exit 1\n");
    await using terminal = new Terminal(engine, ["build", "--on-failure", "prompt", "."], folder);
    await terminal.expect("(dfdebug) ");
    terminal.type("shell --dirty\r");
    await terminal.expect(/step 2 .*# /);
    terminal.type("\x15cat /half-done\r");
    await terminal.expect(/\nhalf\n/);
    terminal.type("exit\r");
    await terminal.expect("(dfdebug) ");
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(1);
  }

  async function refusesDirty(): Promise<void> {
    dockerfile("FROM busybox:latest\nRUN echo half > /half-done && exit 1\n");
    await using terminal = new Terminal(engine, ["build", "--on-failure", "prompt", "."], folder);
    await terminal.expect("(dfdebug) ");
    terminal.type("shell --dirty\r");
    await terminal.expect(/this engine does not keep what a failed\s+step\s+left/);
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(1);
  }
});
