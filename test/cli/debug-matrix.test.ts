import { tmpdir } from "node:os";
import { afterAll, describe, expect, it } from "vitest";
import { changedFiles, describeEngines, docker, expectNothingLeft } from "../support/engines.js";
import { dfdebug } from "../support/run-dfdebug.js";
import { Targets } from "../support/targets.js";
import { Terminal } from "../support/terminal.js";

/** Kinds of containers that people have: docker run's options. */
const kinds: Readonly<Record<string, readonly string[]>> = {
  root: [],
  "uid 1000": ["--user", "1000:1000"],
  "no capabilities, no new privileges": ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
  "uid 1000 without capabilities": ["--user", "1000", "--cap-drop", "ALL"],
  "a read-only root": ["--read-only"],
  SYS_ADMIN: ["--cap-add", "SYS_ADMIN"],
  "--init": ["--init"],
  "the host's processes": ["--pid", "host"],
  "shareable ipc": ["--ipc", "shareable"],
  "private ipc": ["--ipc", "private"],
  "no network": ["--network", "none"],
  "the host's network": ["--network", "host"],
};

describeEngines("dfdebug debug beside a container", (engine) => {
  const targets = new Targets(engine);

  afterAll(() => {
    targets[Symbol.dispose]();
    expectNothingLeft(engine);
  });

  describe.concurrent("of every kind", () => {
    it.each(Object.entries(kinds))(
      "with %s: a command, a shell, /target, writing, and inside",
      async (_kind, options) => {
        await works(targets.run(["--tmpfs", "/tmp:mode=1777", ...options]), "running");
      },
    );

    it("that is paused", async () => {
      const name = targets.run(["--tmpfs", "/tmp:mode=1777"]);
      docker(engine, "pause", name);
      await works(name, "paused");
      docker(engine, "unpause", name);
    });
  });

  /** In every way that a target is looked into, all at once; and it is left as it was. */
  async function works(name: string, state: string): Promise<void> {
    const before = changedFiles(engine, name);
    const outside = "ls -d /target/etc/passwd && echo outside >/target/tmp/outside && cat && exit 3";
    const inside = "ls -d /etc/passwd && echo inside >/tmp/inside; ls /target; exit 4";
    await using terminal = new Terminal(engine, ["debug", name], tmpdir());
    const [first, second] = await Promise.all([
      dfdebug(engine, ["debug", name, "--", "sh", "-c", outside], { input: "input" }),
      dfdebug(engine, ["debug", "--inside", name, "--", "sh", "-c", inside], { input: null }),
      terminal.expect(/ \/target # $/),
    ]);
    expect(first).toEqual({ code: 3, stdout: "/target/etc/passwd\ninput", stderr: "" });
    expect(second).toEqual({
      code: 4,
      stdout: "/etc/passwd\n",
      stderr: "ls: /target: No such file or directory\n",
    });
    terminal.type("cat /target/tmp/outside /target/tmp/inside; tty; exit 5\r");
    await terminal.expect(/\noutside\ninside\n\/dev\//);
    expect(await terminal.exited).toBe(5);
    expect(changedFiles(engine, name)).toEqual(before);
    expect(docker(engine, "inspect", "-f", "{{.State.Status}} {{.RestartCount}}", name)).toBe(`${state} 0`);
  }
});
