import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { atOnce } from "../support/at-once.js";
import { describeEngines, docker, expectNothingLeft } from "../support/engines.js";
import { dfdebug } from "../support/run-dfdebug.js";
import { Targets } from "../support/targets.js";

describeEngines("dfdebug debug", (engine) => {
  let folder: string;
  /** A test's own. */
  const targets = new Targets(engine);
  /** For all that leave it as it is. */
  const shared = new Targets(engine);
  let plain: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-debug-"));
    plain = shared.run(["-e", "OF_TARGET=t", "-w", "/var", "--ipc", "shareable"]);
  });

  afterEach(() => targets[Symbol.dispose]());

  afterAll(() => {
    expectNothingLeft(engine);
    expect(docker(engine, "exec", plain, "ps", "-o", "args")).toBe("COMMAND\nsleep 100000\nps -o args");
    expect(docker(engine, "diff", plain)).toBe("");
    shared[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  const debug = (args: readonly string[], input: string | Buffer | null = null) =>
    dfdebug(engine, ["debug", ...args], { cwd: folder, input, env: { XDG_CONFIG_HOME: folder } });

  describe("finds its target", () => {
    it("by an id's beginning", async () => {
      const id = docker(engine, "inspect", "-f", "{{.Id}}", plain);
      expect(await debug([id.slice(0, 9), "--", "cat", "/target/etc/hostname"])).toMatchObject({
        code: 0,
        stdout: `${id.slice(0, 12)}\n`,
      });
    });

    it("by compose service, the project of this folder first", async () => {
      const labels = (project: string) => [
        ...["--label", "com.docker.compose.service=shop", "--label", `com.docker.compose.project=${project}`],
        ...["--label", `com.docker.compose.project.working_dir=${project}`],
      ];
      const here = targets.run(labels(folder));
      const there = targets.run(labels("/elsewhere"));
      expect(await debug(["shop", "--", "true"])).toMatchObject({ code: 0 });
      const elsewhere = await dfdebug(engine, ["debug", "shop"], { cwd: "/" });
      expect(elsewhere.code).toBe(2);
      expect(elsewhere.stderr).toContain("shop is the compose service of 2 containers");
      for (const name of [here, there]) expect(elsewhere.stderr).toContain(`  ${name}  `);
    });

    it("or says what there is", async () => {
      const typo = await debug([`${plain}x`, "--", "true"]);
      expect(typo.code).toBe(2);
      expect(typo.stderr).toContain(`Did you mean ${plain}?`);
      expect(await debug([])).toMatchObject({ code: 2, stdout: "" });
    });
  });

  it.each([
    ["without input", null],
    ["with input", ""],
  ])("keeps to docker's exit codes, %s", async (_title, input) => {
    const expected = [
      { command: ["true"], code: 0 },
      { command: ["sh", "-c", "exit 255"], code: 255 },
      { command: ["sh", "-c", "kill -9 $$"], code: 137 },
      { command: ["no-such-program"], code: 127 },
      { command: ["/no/such/program"], code: 127 },
      { command: ["/etc/passwd"], code: 126 },
      { command: ["/etc"], code: 126 },
    ].flatMap((row) => [[], ["--inside"]].map((options) => ({ ...row, options, stdout: "" })));
    const runs = await atOnce(4, expected, async ({ command, options }) => {
      const { code, stdout, stderr } = await debug([...options, plain, "--", ...command], input);
      // What the shell of a script of ours says is none of the user's.
      expect(stderr).not.toContain("line ");
      return { command, code, options, stdout };
    });
    expect(runs).toEqual(expected);
  });

  it("ends with 125 where the engine does not start it", async () => {
    const [failed, unknown] = await Promise.all([
      debug(["-v", "/no/such/folder:/x:nonsense", plain, "--", "true"]),
      debug(["-u", "nobody-knows", "--inside", plain, "--", "true"]),
    ]);
    expect(failed.code).toBe(125);
    expect(failed.stderr).toContain(`The toolbox could not be started beside ${plain}`);
    expect(unknown).toMatchObject({
      code: 125,
      stderr: "dfdebug: there is no user nobody-knows in the container\n",
    });
  });

  it("has the working directory, environment and user that were asked for, in both views", async () => {
    const script = 'echo "$PWD $OF_TARGET $MINE $(id -u):$(id -g)"';
    const run = (...options: string[]) => debug(["-e", "MINE=m", ...options, plain, "--", "sh", "-c", script]);
    const runs = await Promise.all([
      run(),
      run("-w", "/tmp", "-u", "1000:7"),
      run("--inside"),
      run("--inside", "-w", "/tmp", "-u", "1000:7"),
    ]);
    expect(runs).toEqual(
      ["/target  m 0:0\n", "/tmp  m 1000:7\n", "/var t m 0:0\n", "/tmp t m 1000:7\n"].map((stdout) => {
        return { code: 0, stdout, stderr: "" };
      }),
    );
  });

  it("has inside the environment that docker exec gives, and more of PATH", async () => {
    const lines = (text: string): string[] => text.trim().split("\n").sort();
    const theirs = lines(docker(engine, "exec", plain, "env"));
    const { stdout } = await debug(["--inside", plain, "--", "env"]);
    expect(lines(stdout.replace(/^(PATH=.*):[^:]+\/bin$/m, "$1"))).toEqual(theirs);
  });

  it("says where it is outside, which no program can find out there", async () => {
    expect(await debug([plain, "--", "pwd"])).toEqual({ code: 0, stdout: "/target\n", stderr: "" });
  });

  it("looks outside as the target's own user, and says where another one may not", async () => {
    const name = targets.run(["--user", "1000:1007"]);
    const [own, group, other, nowhere] = await Promise.all([
      debug(["-u", "1000", name, "--", "sh", "-c", "id -g; ls -d /target/etc/passwd"]),
      debug(["-u", "1000:7", name, "--", "true"]),
      debug(["-u", "1001", name, "--", "true"]),
      debug(["-w", "/no/such", name, "--", "true"]),
    ]);
    expect(own).toEqual({ code: 0, stdout: "1007\n/target/etc/passwd\n", stderr: "" });
    for (const refused of [group, other]) {
      expect(refused).toMatchObject({ code: 125, stdout: "" });
      expect(refused.stderr).toContain(
        "only root, and the user and group of the target's first process, may look into /target",
      );
    }
    expect(nowhere).toEqual({
      code: 125,
      stdout: "",
      stderr: "dfdebug: there is no folder /no/such, or it may not be entered\n",
    });
  });

  it("enters the target's mounts inside, where SYS_ADMIN is asked for", async () => {
    const name = targets.run(["-v", "/data", "--pid", "host"]);
    const seen = docker(engine, "exec", name, "cut", "-d ", "-f2", "/proc/mounts");
    const look = (...options: string[]) =>
      debug(["--inside", ...options, name, "--", "cut", "-d ", "-f2", "/proc/mounts"]);
    const [root, user, least] = await Promise.all([
      look("--cap-add", "SYS_ADMIN"),
      look("--cap-add", "SYS_ADMIN", "-u", "1000"),
      look(),
    ]);
    expect(seen).toContain("/data");
    expect(root).toEqual({ code: 0, stdout: `${seen}\n`, stderr: "" });
    expect(user).toEqual(root);
    expect(least).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  it("takes the target's own programs before its tools inside, and gives a user the tools too", async () => {
    const name = targets.run(
      ["--tmpfs", "/own:exec"],
      ["sh", "-c", "printf '#!/bin/sh\\necho own' >/own/vi; chmod 755 /own/vi; exec sleep 100000"],
    );
    const path = ["-e", "PATH=/own"];
    const [own, asUser] = await Promise.all([
      debug(["--inside", ...path, name, "--", "vi"]),
      debug(["--inside", "-u", "1000", ...path, name, "--", "id", "-u"]),
    ]);
    expect(own).toMatchObject({ code: 0, stdout: "own\n" });
    expect(asUser).toEqual({ code: 0, stdout: "1000\n", stderr: "" });
  });

  it("shows nothing of itself in ps but short names, and leaves no zombie", async () => {
    const name = targets.run();
    const piped = await debug([name, "--", "ps", "-o", "args"], "");
    expect(piped.stdout).toBe("COMMAND\nsleep 100000\n/bin/sh /.dfdebug-run/lifeline\n/bin/ps -o args\n");
    await Promise.all([
      debug(["--read-only", name, "--", "true"]),
      debug(["--inside", "-u", "1000", name, "--", "true"]),
    ]);
    expect(docker(engine, "exec", name, "ps", "-o", "args")).toBe("COMMAND\nsleep 100000\nps -o args");
  });

  it("makes /target unwritable with --read-only, volumes and tmpfs too", async () => {
    const name = targets.run(["-v", "/data", "--tmpfs", "/scratch"]);
    const script = "for f in / /data /scratch; do touch /target$f/x 2>/dev/null && echo $f; done; ls -d /target/data";
    const [outside, inside] = await Promise.all([
      debug(["--read-only", name, "--", "sh", "-c", script]),
      debug(["--read-only", "--inside", name, "--", "sh", "-c", "touch /data/x"]),
    ]);
    expect(outside).toMatchObject({ stdout: "/target/data\n" });
    expect(inside).toMatchObject({ code: 1, stdout: "" });
    expect(docker(engine, "exec", name, "touch", "/data/x")).toBe("");
  });

  it("takes mounts in docker's grammar", async () => {
    const volume = `dfdebug-test-${String(process.pid)}`;
    const name = targets.run(["-v", `${volume}:/data`], ["sh", "-c", "echo a note >/data/note; exec sleep 100000"]);
    const mounts = ["-v", `${volume}:/data:ro`, "--mount", "type=tmpfs,target=/big,tmpfs-size=1m"];
    const script = "cat /data/note; echo >/data/note; grep -c ' /big tmpfs' /proc/mounts";
    const run = await debug([...mounts, name, "--", "sh", "-c", script]);
    expect(run.stdout).toBe("a note\n1\n");
    expect(run.stderr).toContain("/data/note: Read-only file system");
    targets[Symbol.dispose]();
    docker(engine, "volume", "rm", volume);
  });

  it("says that the toolbox does not know a user", async () => {
    const unknown = await debug(["-u", "nosuch", plain, "--", "id"]);
    expect(unknown).toMatchObject({ code: 125, stdout: "" });
    expect(unknown.stderr).toContain("The toolbox has no user nosuch");
    expect((await debug(["-u", "nobody", "-w", "/", plain, "--", "id", "-un"])).stdout).toBe("nobody\n");
  });

  it("has the least capabilities, more when asked, and explains", async () => {
    const capabilities = (...options: string[]) =>
      debug([...options, plain, "--", "sed", "-n", "s/CapEff:\\t//p", "/proc/self/status"]);
    const [least, added] = await Promise.all([capabilities(), capabilities("--cap-add", "cap_sys_time")]);
    const bits = (run: { stdout: string }) => BigInt(`0x${run.stdout.trim()}`);
    // CHOWN, DAC_OVERRIDE, FOWNER, KILL, SETGID, SETUID, NET_RAW, SYS_CHROOT, SYS_PTRACE (linux/capability.h).
    const bit = (number: number): bigint => 1n << BigInt(number);
    expect(bits(least)).toBe([0, 1, 3, 5, 6, 7, 13, 18, 19].reduce((sum, number) => sum | bit(number), 0n));
    expect(bits(added) ^ bits(least)).toBe(bit(25));
    // Not started: what has few rights itself, as a container that an engine runs in, cannot give all.
    const privileged = (await debug(["--privileged", "--explain", plain])).stdout;
    expect(privileged).toMatch(/all {2}asked for with --privileged/);
    expect(privileged).not.toContain("is dropped");
    const host = targets.run(["--pid", "host", "--network", "host"]);
    expect((await debug(["--explain", host])).stdout).toMatch(
      /pid: the engine machine's +as the target: every process/,
    );
    const { stdout } = await debug(["--explain", plain]);
    expect(stdout).toMatch(/^User +root, with --inside too; -u names another$/m);
    expect(stdout).toContain(`Target        container ${plain} (running)`);
    expect(stdout).toContain("ipc: the target's");
    expect(stdout).toMatch(/SYS_PTRACE {2,}to see the target's filesystem/);
  });

  it("takes its toolbox from the option, the environment and the configuration, in this order", async () => {
    const project = join(folder, "project");
    mkdirSync(project);
    const source = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
      const run = await dfdebug(engine, ["debug", ...args, "--explain", plain], {
        cwd: project,
        env: { XDG_CONFIG_HOME: folder, ...env },
      });
      return /^Toolbox +(.*)$/m.exec(run.stdout)?.[1] ?? run.stderr;
    };
    writeFileSync(join(project, ".dfdebug.yaml"), "toolbox:\n  image: busybox\n");
    expect(await source([])).toBe(`busybox (${join(project, ".dfdebug.yaml")})`);
    expect(await source([], { DFDEBUG_TOOLBOX: "debian:bookworm-slim" })).toBe(
      "debian:bookworm-slim (DFDEBUG_TOOLBOX)",
    );
    expect(await source(["-i", "busybox:latest"])).toBe("busybox:latest (--image)");
    writeFileSync(join(project, ".dfdebug.yaml"), "toolbox:\n  imag: busybox\n");
    expect(await source([])).toContain("there is no setting toolbox.imag; did you mean toolbox.image?");
  });

  describe("opens what does not run", () => {
    it("an exited container with its volumes, which stay", async () => {
      const name = targets.create(["-v", "/data"], ["sh", "-c", "echo kept >/data/a; echo gone; exit 4"]);
      docker(engine, "start", name);
      docker(engine, "wait", name);
      const look = await debug([name, "--", "sh", "-c", "cat /target/data/a; touch /target/made"]);
      expect(look).toMatchObject({ code: 0, stdout: "kept\n" });
      expect(look.stderr).toContain(`${name} does not run, it ended with exit code 4\nIts last lines:\n  gone\n`);
      expect(docker(engine, "cp", `${name}:/data/a`, "-")).toContain("kept");
      expect(docker(engine, "diff", name)).not.toContain("made");
      expect(docker(engine, "inspect", "-f", "{{.State.Status}}", name)).toBe("exited");
    });

    it("a created one, without a word", async () => {
      const name = targets.create([], ["sh"]);
      expect(await debug(["--inside", name, "--", "ls", "/etc/passwd"])).toEqual({
        code: 0,
        stdout: "/etc/passwd\n",
        stderr: "",
      });
    });

    it("one that crashes again and again", async () => {
      const name = targets.run(["--restart", "always"], ["sh", "-c", "echo told; exit 3"]);
      const look = await debug([name, "--", "ls", "/target/etc/passwd"]);
      expect(look).toMatchObject({ code: 0, stdout: "/target/etc/passwd\n" });
      expect(look.stderr).toMatch(/is restarting over and over.*, restarted \d+ times?\nIts last lines:\n {2}told\n/);
    });

    it("an image, one without a shell too", async () => {
      writeFileSync(join(folder, "Dockerfile"), 'FROM scratch\nCOPY Dockerfile /only\nENTRYPOINT ["/none"]\n');
      docker(engine, "build", "-q", "-t", "dfdebug-test/no-shell", folder);
      // Nor is there anything of dfdebug's own in it.
      const look = await debug(["--inside", "dfdebug-test/no-shell", "--", "sh", "-c", "echo /only* /.dfd*"]);
      expect(look).toEqual({ code: 0, stdout: "/only /.dfd*\n", stderr: "" });
      docker(engine, "rmi", "dfdebug-test/no-shell");
    });
  });
});
