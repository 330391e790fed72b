import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { expectNothingLeft, testEngines } from "../support/engines.js";
import { registrySecret, startRegistry } from "../support/registry.js";
import { program } from "../support/run-dfdebug.js";
import { Terminal } from "../support/terminal.js";

// One engine is enough: keys are dfdebug's own.
const [engine] = testEngines();

describe("the keyboard while a build is drawn", () => {
  if (!engine) throw new Error("no engine");
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-keys-"));
    writeFileSync(join(folder, ".dockerignore"), "*\n");
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
    expectNothingLeft(engine);
  });

  /** RUN instructions that no build has in its cache. */
  const dockerfile = (...runs: readonly string[]): void =>
    writeFileSync(
      join(folder, "Dockerfile"),
      `FROM busybox:latest\nENV NOW=${String(Date.now())}\n${runs.map((run) => `RUN ${run}\n`).join("")}`,
    );

  /** What the display shows of a step that has run for a second: by then the keyboard is held. */
  const drawn = / 1\.\ds/;

  it("echoes nothing, and gives nothing to the shell that a failure opens", async () => {
    dockerfile("sleep 2; touch /ran; false");
    await using terminal = new Terminal(engine, ["build", "."], folder);
    await terminal.expect(drawn);
    terminal.type("junk\r\r\x1b[200~pasted\r\x1b[201~");
    await terminal.expect("step 3 / # sleep 2; touch /ran; false");
    terminal.type("\x15ls /ran; echo only-$((40 + 2))\r");
    expect(await terminal.expect("only-42\n")).toContain("/ran: No such file");
    expect(terminal.output).not.toMatch(/junk|pasted/);
    terminal.type("exit\r");
    await terminal.expect("(dfdebug) ");
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(1);
  });

  it("gives that shell nothing with plain progress, either", async () => {
    dockerfile("echo go; sleep 1; touch /ran; false");
    await using terminal = new Terminal(engine, ["build", "--progress=plain", "."], folder);
    await terminal.expect(/\d go\n/);
    terminal.type("junk\r\r");
    await terminal.expect("step 3 / # echo go; sleep 1; touch /ran; false");
    terminal.type("\x15ls /ran; echo only-$((40 + 2))\r");
    expect(await terminal.expect("only-42\n")).toContain("/ran: No such file");
    terminal.type("exit\r");
    await terminal.expect("(dfdebug) ");
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(1);
  });

  it("has what is pasted at the prompt for the next ones, up to a shell that opens by itself", async () => {
    dockerfile("true", "echo two > /two", "touch /ran; false");
    await using terminal = new Terminal(engine, ["build", "-b", "3", "."], folder);
    await terminal.expect("(dfdebug) ");
    terminal.type("next\rprint NOW\rnext\rcat /two\rnext\rexec touch /ran\r\r");
    await terminal.expect("NOW = ");
    await terminal.expect("\ntwo\n");
    await terminal.expect("step 5 / # touch /ran; false");
    terminal.type("\x15ls /ran; echo only-$((40 + 2))\r");
    expect(await terminal.expect("only-42\n")).toContain("/ran: No such file");
    terminal.type("exit\r");
    await terminal.expect("(dfdebug) ");
    expect(terminal.output).not.toContain("(dfdebug) exec");
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(1);
  });

  it("pauses, interrupts and ends with Ctrl-C", async () => {
    dockerfile("sleep 100");
    await using terminal = new Terminal(engine, ["build", "."], folder);
    await terminal.expect(drawn);
    terminal.type("\x03");
    await terminal.expect("Pausing behind step 3");
    terminal.type("\x03");
    await terminal.expect(/Stopped before step 3\/3.*paused/);
    await terminal.expect("(dfdebug) ");
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(130);
  });

  it("ends the build with Ctrl-C where failures are only reported", async () => {
    dockerfile("sleep 100");
    await using terminal = new Terminal(engine, ["build", "--on-failure=report", "."], folder);
    await terminal.expect(drawn);
    terminal.type("junk\x03");
    expect(await terminal.exited).toBe(130);
    expect(terminal.output).not.toContain("junk");
  });

  it("stops the job with Ctrl-Z, and quits with Ctrl-\\, in a terminal that is as it was", async () => {
    dockerfile("sleep 3");
    const env = { ENV: "/dev/null", PS1: "sh$ " };
    // dash puts nothing back for its jobs.
    await using terminal = new Terminal(engine, ["-i"], folder, env, "/bin/sh");
    await terminal.expect("sh$ ");
    terminal.type(`'${process.execPath}' '${program}' build .\r`);
    await terminal.expect(drawn);
    terminal.type("\x1a");
    await terminal.expect("Stopped");
    await terminal.expect("sh$ ");
    terminal.type("stty -a\r");
    await terminal.expect(/\bisig icanon\b[^]* echo /);
    await terminal.expect("sh$ ");
    terminal.type("fg\r");
    await terminal.expect("RUN sleep 3");
    await terminal.expect("Built sha256:");
    await terminal.expect("sh$ ");
    dockerfile("sleep 100");
    terminal.type(`'${process.execPath}' '${program}' build .\r`);
    await terminal.expect(drawn);
    terminal.type("\x1c");
    await terminal.expect("Quit");
    await terminal.expect("sh$ ");
    terminal.type("stty -a\r");
    await terminal.expect(/\bisig icanon\b[^]* echo /);
    terminal.type("exit 7\r");
    expect(await terminal.exited).toBe(7);
  });

  it("is a credential helper's that asks there", async () => {
    await using registry = await startRegistry(folder);
    writeFileSync(
      join(folder, "docker-credential-asks"),
      `#!/bin/sh\nprintf 'Secret: ' > /dev/tty; read -r secret < /dev/tty; printf '{"Username":"tester","Secret":"%s"}' "$secret"\n`,
      { mode: 0o755 },
    );
    writeFileSync(join(folder, "config.json"), JSON.stringify({ credHelpers: { [registry.host]: "asks" } }));
    // What is not in the registry is not found, by those who may look.
    const edit = `sed -i 's#busybox:latest#${registry.host}/none#' "$2"`;
    writeFileSync(join(folder, "editor"), `#!/bin/sh\n${edit}\n`, { mode: 0o755 });
    dockerfile("true");
    const path = `${folder}:${process.env["PATH"] ?? ""}`;
    const env = { DOCKER_CONFIG: folder, PATH: path, EDITOR: join(folder, "editor") };
    await using terminal = new Terminal(engine, ["build", "--step", "."], folder, env);
    await terminal.expect("(dfdebug) ");
    terminal.type("edit\r");
    await terminal.expect("Secret: ");
    terminal.type(`${registrySecret}\r`);
    await terminal.expect("not found");
    await terminal.expect("Edit it again? [Y/n] ");
    terminal.type("n\r");
    await terminal.expect("(dfdebug) ");
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(130);
  });
});
