import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, expect, it } from "vitest";
import { changedFiles, describeEngines, docker, expectNothingLeft } from "../support/engines.js";
import { dfdebug, program } from "../support/run-dfdebug.js";
import { Terminal } from "../support/terminal.js";

/** What of a report is looked at here. */
interface Report {
  container: { status: string; restarts: number };
  process?: { pid: number; hostPid: number };
  namespaces: { kind: string; id?: number; host?: boolean; containers: string[] }[];
  controlGroup: { memory: Record<string, number>; cpu: { limit?: number }; pids: { limit?: number; current: number } };
  security: { added: string[]; dropped: string[]; effective: string[]; noNewPrivileges: boolean };
  network: {
    interfaces: { name: string; addresses: string[]; peer?: { name?: string } }[];
    listeners: { port: number; pid?: number }[];
    routes: string[];
  };
  mounts: { destination: string; origin: string; readOnly: boolean }[];
  environment: { name: string; status: string; value: string }[];
  processes: { pid: number; hostPid?: number; argv: string[] }[];
  notes: string[];
}

// What looks into containers, against real ones.
describeEngines("looking into a container", (engine) => {
  const web = "dfdebug-looks-web";
  const other = "dfdebug-looks-other";
  const image = "busybox:latest";

  /** Starts a command and resolves when it has printed the text; it goes on. */
  const until = async (text: string, args: readonly string[]): Promise<ReturnType<typeof spawn>> => {
    const child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, DOCKER_HOST: engine.host },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    for await (const chunk of child.stdout) {
      output += String(chunk);
      if (output.includes(text)) break;
    }
    expect(output).toContain(text);
    return child;
  };
  const bytes = (command: string, args: readonly string[]): { stdout: Buffer; stderr: Buffer; status: number | null } =>
    spawnSync(command, args, { env: { ...process.env, DOCKER_HOST: engine.host }, maxBuffer: 64 * 1024 * 1024 });
  const objects = <T>(text: string): T[] =>
    text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as T);
  const inspect = async (name: string): Promise<Report> => {
    const run = await dfdebug(engine, ["inspect", "--json", name]);
    expect([run.stderr, run.code]).toEqual(["", 0]);
    return JSON.parse(run.stdout) as Report;
  };
  const remove = (...names: string[]): void => void docker(engine, "rm", "-fv", ...names);

  beforeAll(async () => {
    const script =
      "dd if=/dev/zero of=/data/cache bs=1M count=20; httpd -p 8080 -h /etc; echo ready; exec sleep 100000";
    docker(
      engine,
      ...["run", "-d", "--name", web, "--memory", "64m", "--cpus", "0.5", "--pids-limit", "50"],
      ...["--cap-drop", "NET_RAW", "--cap-add", "SYS_NICE", "--security-opt", "no-new-privileges"],
      ...["-e", "API_TOKEN=opensesame", "-e", "MODE=fast", "-v", "/data", "--tmpfs", "/scratch"],
      ...[image, "sh", "-c", script],
    );
    const follower = await until("ready", ["logs", "-f", web]);
    follower.kill("SIGINT");
    expect(await once(follower, "exit")).toEqual([130, null]);
  });

  afterAll(() => {
    remove(web);
    expectNothingLeft(engine);
  });

  it("inspect reports what it is allowed, uses and shares, and leaves no trace", async () => {
    const before = changedFiles(engine, web);
    const report = await inspect(web);
    expect(changedFiles(engine, web)).toEqual(before);
    const hostPid = Number(docker(engine, "inspect", "-f", "{{.State.Pid}}", web));
    expect(report.process).toMatchObject({ pid: 1, hostPid });
    expect(report.processes.find(({ pid }) => pid === 1)?.hostPid).toBe(hostPid);
    expect(report.processes.map(({ argv }) => argv[0]).sort()).toEqual(["httpd", "sleep"]);
    for (const kind of ["pid", "net", "ipc", "uts", "mnt"])
      expect(report.namespaces.find((namespace) => namespace.kind === kind)).toMatchObject({
        host: false,
        containers: [],
      });
    expect(report.namespaces.find(({ kind }) => kind === "user")).toMatchObject({ host: true });
    const { memory, cpu, pids } = report.controlGroup;
    expect([memory["limit"], cpu.limit, pids.limit, pids.current]).toEqual([64 * 1024 * 1024, 0.5, 50, 2]);
    // The file that was written is in the page cache: in use, at the peak, and no use of docker's.
    expect(memory["current"]).toBeGreaterThan(20 * 1024 * 1024);
    expect(memory["peak"]).toBeGreaterThanOrEqual(memory["current"] ?? 0);
    expect(memory["used"]).toBeLessThan(10 * 1024 * 1024);
    expect(report.security).toMatchObject({ added: ["SYS_NICE"], dropped: ["NET_RAW"], noNewPrivileges: true });
    const eth0 = report.network.interfaces.find(({ name }) => name === "eth0");
    expect(eth0?.addresses[0]).toBe(
      docker(engine, "inspect", "-f", "{{.NetworkSettings.IPAddress}}/{{.NetworkSettings.IPPrefixLen}}", web),
    );
    expect(eth0?.peer?.name).toMatch(/^veth/);
    const httpd = report.processes.find(({ argv }) => argv[0] === "httpd")?.pid;
    expect(report.network.listeners).toMatchObject([{ port: 8080, pid: httpd }]);
    expect(report.mounts.find(({ destination }) => destination === "/data")?.origin).toMatch(/^volume \w+/);
    expect(report.mounts.find(({ destination }) => destination === "/scratch")?.origin).toBe("tmpfs");
    expect(report.environment.find(({ name }) => name === "MODE")).toMatchObject({ status: "added", value: "fast" });
    expect(report.environment.find(({ name }) => name === "API_TOKEN")).toMatchObject({
      status: "added",
      value: "***",
    });
    expect(report.notes).toEqual([]);
  });

  it("inspect is read by people, and keeps secrets", async () => {
    const { stdout, code } = await dfdebug(engine, ["inspect", web]);
    expect(code).toBe(0);
    for (const title of [
      "State",
      "Namespaces",
      "Limits and use",
      "Rights",
      "Network",
      "Listening",
      "Mounts",
      "Processes",
    ])
      expect(stdout).toMatch(new RegExp(`^${title}$`, "m"));
    expect(stdout).toMatch(/memory limit\s+64MiB/);
    expect(stdout).not.toContain("opensesame");
  });

  it("inspect says who shares a namespace, and what the machine shares", async () => {
    docker(
      engine,
      "run",
      "-d",
      "--name",
      other,
      "--pid",
      "host",
      "--network",
      `container:${web}`,
      image,
      "sleep",
      "1000",
    );
    try {
      const kind = (report: Report, name: string): Report["namespaces"][number] | undefined =>
        report.namespaces.find((namespace) => namespace.kind === name);
      const [theirs, ours] = await Promise.all([inspect(other), inspect(web)]);
      expect(kind(theirs, "pid")).toMatchObject({ host: true });
      expect(kind(theirs, "net")).toMatchObject({ host: false, containers: [web] });
      expect(kind(ours, "net")).toMatchObject({ containers: [other], id: kind(theirs, "net")?.id });
      const hostPid = Number(docker(engine, "inspect", "-f", "{{.State.Pid}}", other));
      expect(theirs.processes).toMatchObject([{ pid: hostPid, hostPid, argv: ["sleep", "1000"] }]);
    } finally {
      remove(other);
    }
  });

  it("inspect tells what is known of a container that does not run", async () => {
    docker(engine, "create", "--name", other, "-e", "SECRET=opensesame", image, "true");
    try {
      const report = await inspect(other);
      expect(report.container.status).toBe("created");
      expect(report.notes[0]).toContain("not running (created)");
      expect(report.environment.find(({ name }) => name === "SECRET")?.value).toBe("***");
      const top = await dfdebug(engine, ["top", other]);
      expect(top.stderr).toContain("is not running: it is created");
      expect(top.code).toBe(1);
    } finally {
      remove(other);
    }
  });

  it("ps and top list processes, and need no ps in the container", async () => {
    const ps = await dfdebug(engine, ["ps", web]);
    expect(ps.stdout.split("\n")[0]).toMatch(/^UID\s+PID/);
    expect(ps.stdout).toMatch(/sleep 100000$/m);
    const [json, help, behindOption] = await Promise.all([
      dfdebug(engine, ["ps", web, "--json"]),
      dfdebug(engine, ["ps", web, "--help"]),
      dfdebug(engine, ["ps", web, "-e", "--json"]),
    ]);
    expect(objects<{ CMD: string }>(json.stdout).map(({ CMD }) => CMD)).toContain("sleep 100000");
    expect(behindOption).toMatchObject({ code: 1, stdout: "" });
    expect(behindOption.stderr).toContain("could not run ps -e --json");
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toContain("Usage: dfdebug ps");
    const top = await dfdebug(engine, ["top", "--json", web]);
    const [round] = objects<{ type: string; processes: { pid: number; cpuPercent: number }[] }>(top.stdout);
    expect(round?.type).toBe("processes");
    expect(round?.processes.map(({ pid }) => pid)).toContain(1);
    await using terminal = new Terminal(engine, ["top", web], tmpdir());
    await terminal.expect("2 processes");
    await terminal.expect("sleep 100000");
    terminal.type("q");
    expect(await terminal.exited).toBe(0);
  });

  it("inspect tells docker's own DNS, and counts the routes that every interface has", async () => {
    const network = "dfdebug-looks-net";
    docker(engine, "network", "create", network);
    try {
      docker(engine, "run", "-d", "--name", other, "--network", network, image, "sleep", "100000");
      const inNetwork = (await dfdebug(engine, ["inspect", other])).stdout;
      expect(inNetwork).toMatch(/127\.0\.0\.11:\d+ +docker's DNS$/m);
      expect(inNetwork).not.toContain("no process of this container");
      remove(other);
      docker(engine, "run", "-d", "--name", other, "--network", "host", image, "sleep", "100000");
      const text = (await dfdebug(engine, ["inspect", other])).stdout;
      expect(text).not.toMatch(/^ +(?:\w+ )?(?:ff00::\/8|fe80::)/m);
      const { routes } = (await inspect(other)).network;
      const hidden = routes.filter((route) => /ff00::\/8|^(?:\w+ )?fe80::/.test(route)).length;
      if (hidden > 0) expect(text).toContain(`and ${String(hidden)} multicast and link-local ones (--json has them)`);
    } finally {
      remove(other);
      docker(engine, "network", "rm", network);
    }
  });

  it("stats are docker's numbers", async () => {
    const ours = await dfdebug(engine, ["stats", "--no-stream", "--json", web]);
    const [usage] = objects<{
      name: string;
      memory: { used: number; limit: number };
      pids: number;
      network: { received: number };
    }>(ours.stdout);
    const [memory = "", pids = ""] = docker(
      engine,
      "stats",
      "--no-stream",
      "--format",
      "{{.MemUsage}}|{{.PIDs}}",
      web,
    ).split("|");
    expect(memory).toContain("/ 64MiB");
    expect(usage).toMatchObject({ name: web, memory: { limit: 64 * 1024 * 1024 }, pids: Number(pids) });
    const units: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2 };
    const [, number = "", unit = ""] = /^([\d.]+)([A-Za-z]+) \//.exec(memory) ?? [];
    expect(Math.abs((usage?.memory.used ?? 0) - Number(number) * (units[unit] ?? 1))).toBeLessThan(1024 ** 2);
    const table = await dfdebug(engine, ["stats", "--no-stream", web]);
    expect(table.stdout).toMatch(/^CONTAINER ID +NAME +CPU % +MEM USAGE \/ LIMIT +MEM % +NET I\/O +BLOCK I\/O +PIDS$/m);
  });

  it("stats of many containers come without a warning", async () => {
    const { stdout, stderr } = await dfdebug(engine, ["stats", "--no-stream", ...Array<string>(12).fill(web)]);
    expect(stderr).toBe("");
    expect(stdout.split("\n").filter((line) => line.includes(web))).toHaveLength(12);
  });

  it.each([
    ["\x03", 130],
    ["q", 0],
  ])("stats go on on a terminal until they are left with %j", async (key, code) => {
    await using terminal = new Terminal(engine, ["stats"], tmpdir());
    await terminal.expect(web);
    await terminal.expect("64MiB");
    terminal.type(key);
    expect(await terminal.exited).toBe(code);
  });

  it("logs are docker's, byte for byte", () => {
    const script = "printf '\\000\\377\\033[2J out\\n'; printf 'err without end' >&2";
    docker(engine, "run", "--name", other, image, "sh", "-c", script);
    try {
      for (const options of [[], ["-t"], ["--tail", "1"], ["--since", "1h"], ["--until", "2020-01-01"]]) {
        const theirs = bytes("/usr/bin/docker", ["logs", ...options, other]);
        const ours = bytes(process.execPath, [program, "logs", ...options, other]);
        expect(ours.stdout.equals(theirs.stdout)).toBe(true);
        expect(ours.stderr.equals(theirs.stderr)).toBe(true);
      }
    } finally {
      remove(other);
    }
  });

  it.each([
    ["without a terminal", []],
    ["with one", ["-t"]],
  ])("logs -f goes on over restarts, and ends with the last: %s", async (_title, options) => {
    const script = "echo begin; echo problem >&2; exit 3";
    docker(engine, "run", "-d", "--name", other, "--restart", "on-failure:2", ...options, image, "sh", "-c", script);
    try {
      const run = await dfdebug(engine, ["logs", "-f", other]);
      expect(run.code).toBe(0);
      const all = bytes("/usr/bin/docker", ["logs", other]);
      expect(run.stdout).toBe(all.stdout.toString());
      expect(run.stderr).toBe(all.stderr.toString());
      expect(run.stdout.match(/begin/g)).toHaveLength(3);
    } finally {
      remove(other);
    }
  });

  it("exec has docker's exit codes, and says how else it can be done", async () => {
    const code = async (...command: string[]): Promise<number | null> =>
      (await dfdebug(engine, ["exec", web, ...command])).code;
    expect(await code("true")).toBe(0);
    expect(await code("sh", "-c", "exit 42")).toBe(42);
    expect(await code("sh", "-c", "exit 127")).toBe(127);
    expect(await code("/etc/passwd")).toBe(126);
    const missing = await dfdebug(engine, ["exec", web, "strace", "-p", "1"]);
    expect(missing.code).toBe(127);
    expect(missing.stderr).toContain(`dfdebug debug ${web} -- strace -p 1`);
    expect((await dfdebug(engine, ["exec", "-w", "/nowhere", web, "true"])).code).not.toBe(0);
  });

  it("exec -it without a terminal as standard input is refused, and starts nothing", async () => {
    const run = await dfdebug(engine, ["exec", "-it", web, "sh", "-c", "echo hello; exit 3"]);
    expect(run).toMatchObject({ code: 2, stdout: "" });
    expect(run.stderr).toContain("standard input is no terminal");
    expect((await dfdebug(engine, ["exec", "-t", web, "sh", "-c", "echo hello; exit 3"])).code).toBe(3);
  });

  it("exec leaves what is detached running, and says what could not be started", async () => {
    const detach = (...args: string[]) => dfdebug(engine, ["exec", "-d", ...args], { input: "input" });
    const script = "echo $$ >/tmp/pid; echo $WORD $(pwd) $(id -u) $(cat) >/tmp/detached; exec sleep 31337";
    const run = await detach("-e", "WORD=w", "-w", "/var", "-u", "0", web, "sh", "-c", script);
    expect(run).toEqual({ code: 0, stdout: "", stderr: "" });
    // It was started when exec ended, and goes on without it.
    while (!docker(engine, "exec", web, "ps", "-o", "args").includes("sleep 31337"));
    expect(docker(engine, "exec", web, "cat", "/tmp/detached")).toBe("w /var 0");
    docker(engine, "exec", web, "sh", "-c", "kill $(cat /tmp/pid)");
    expect((await detach(web, "/etc/passwd")).code).toBe(126);
    expect(await detach(web, "no-such")).toMatchObject({ code: 127, stdout: "" });
  });

  it("exec passes input, user, folder and environment on", async () => {
    const script = "cat; id -u; pwd; echo $WORD >&2";
    const run = await dfdebug(
      engine,
      ["exec", "-i", "-u", "65534", "-w", "/etc", "-e", "WORD=x y", web, "sh", "-c", script],
      { input: "in\n" },
    );
    expect(run).toMatchObject({ stdout: "in\n65534\n/etc\n", stderr: "x y\n", code: 0 });
    const without = await dfdebug(engine, ["exec", web, "cat"], { input: "in\n" });
    expect(without).toMatchObject({ stdout: "", code: 0 });
  });

  it("exec passes signals on to the process in the container", async () => {
    const child = await until("waiting", [
      "exec",
      web,
      "sh",
      "-c",
      'trap "exit 42" TERM; echo waiting; while true; do sleep 0.1; done',
    ]);
    child.kill("SIGTERM");
    expect(await once(child, "exit")).toEqual([42, null]);
  });

  it("exec is interactive on a terminal without a word", async () => {
    await using terminal = new Terminal(engine, ["exec", web, "sh"], tmpdir());
    await terminal.expect("# ");
    terminal.type("tty; stty size; exit 6\r");
    await terminal.expect("/dev/pts/");
    await terminal.expect("30 100");
    expect(await terminal.exited).toBe(6);
  });

  it("attach reads only, and Ctrl-C ends nothing but itself", async () => {
    docker(engine, "run", "-dit", "--name", other, image, "sh");
    try {
      await using terminal = new Terminal(engine, ["attach", "--stdin", other], tmpdir());
      await terminal.expect(`Attached to ${other}; Ctrl-C and ctrl-p,ctrl-q leave it.`);
      // The prompt that was there before is drawn again.
      await terminal.expect("/ # ");
      terminal.type("echo $((6*7))\r");
      await terminal.expect("42");
      terminal.type("\x03");
      await terminal.expect(`Left ${other}, which goes on.`);
      expect(await terminal.exited).toBe(0);
      await using reader = new Terminal(engine, ["attach", other], tmpdir());
      await reader.expect(`Watching ${other}; Ctrl-C leaves it.`);
      reader.type("exit\r");
      reader.type("\x10\x11");
      await reader.expect(`Left ${other}, which goes on.`);
      expect(await reader.exited).toBe(0);
      expect(docker(engine, "inspect", "-f", "{{.State.Running}}", other)).toBe("true");
    } finally {
      remove(other);
    }
  });

  it("attach takes input where it is told to, and ends with the container's exit code", async () => {
    docker(engine, "run", "-di", "--name", other, image, "sh", "-c", "read line; echo got $line; exit 5");
    try {
      const run = await dfdebug(engine, ["attach", "--stdin", other], { input: "word\n" });
      expect(run).toMatchObject({ stdout: "got word\n", code: 5 });
      const refused = await dfdebug(engine, ["attach", "--stdin", web]);
      expect(refused.stderr).toContain("it was made without -i");
      expect(refused.code).toBe(2);
    } finally {
      remove(other);
    }
  });

  it("pause freezes; what looks from beside still works", async () => {
    expect(await dfdebug(engine, ["pause", web])).toMatchObject({ stdout: `${web}\n`, code: 0 });
    try {
      expect((await inspect(web)).processes).toHaveLength(2);
      expect((await dfdebug(engine, ["exec", web, "true"])).code).toBe(125);
      const twice = await dfdebug(engine, ["pause", web]);
      expect(twice.code).toBe(1);
      expect(twice.stderr).toContain(`${web} is paused already`);
    } finally {
      expect((await dfdebug(engine, ["unpause", web])).code).toBe(0);
    }
    expect((await dfdebug(engine, ["unpause", web])).stderr).toContain(`${web} is not paused: it is running`);
    expect(docker(engine, "inspect", "-f", "{{.State.Status}}", web)).toBe("running");
  });

  it("events tell how a container ended", async () => {
    const since = String(Math.floor(Date.now() / 1000) - 1);
    docker(engine, "run", "-d", "--name", other, image, "sh", "-c", "exit 3");
    docker(engine, "wait", other);
    try {
      const run = await dfdebug(engine, [
        "events",
        "--json",
        "--since",
        since,
        "--until",
        "0s",
        "--filter",
        "event=die",
        other,
      ]);
      expect(run.code).toBe(0);
      expect(objects(run.stdout)).toMatchObject([
        { type: "event", object: "container", action: "die", name: other, exitCode: 3, outOfMemory: false },
      ]);
      const text = await dfdebug(engine, ["events", "--since", since, "--until", "0s", other]);
      expect(text.stdout).toMatch(new RegExp(`container die {2}${other} {2}exit code 3`));
    } finally {
      remove(other);
    }
  });

  it("events tell how an exec ended, and cut its command for people", async () => {
    const since = String(Math.floor(Date.now() / 1000) - 1);
    docker(engine, "run", "-d", "--name", other, image, "sleep", "1000");
    try {
      const script = `exit 5 # ${"x".repeat(500)}`;
      expect((await dfdebug(engine, ["exec", other, "sh", "-c", script])).code).toBe(5);
      const events = ["events", "--since", since, "--until", "0s", other];
      const [text, json] = [await dfdebug(engine, events), await dfdebug(engine, [...events, "--json"])];
      expect(text.stdout).toMatch(new RegExp(`container exec_start: sh -c exit 5 # x+… {2}${other} {2}image`));
      expect(text.stdout).toMatch(new RegExp(`container exec_die {2}${other} {2}exit code 5`));
      expect(objects(json.stdout)).toContainEqual(expect.objectContaining({ action: "exec_die", exitCode: 5 }));
      expect(json.stdout).toContain(script);
    } finally {
      remove(other);
    }
  });

  it("watch is one timeline over restarts, up to the container's end", async () => {
    const script = "echo run; trap 'exit 0' TERM; while true; do sleep 0.1; done";
    docker(engine, "run", "-d", "--name", other, image, "sh", "-c", script);
    const watching = dfdebug(engine, ["watch", "--json", "--interval", "0.5", "--tail", "all", other]);
    const follower = await until("run", ["logs", "-f", other]);
    docker(engine, "restart", "-t", "5", other);
    const twice = await until("run\nrun\n", ["logs", "-f", other]);
    follower.kill("SIGINT");
    twice.kill("SIGINT");
    remove(other);
    const run = await watching;
    expect(run).toMatchObject({ stderr: "", code: 0 });
    const seen = objects<{ type: string; time: string; text?: string; action?: string }>(run.stdout);
    expect(seen.filter(({ type }) => type === "log").map(({ text }) => text)).toEqual(["run\n", "run\n"]);
    expect(seen.filter(({ type }) => type === "event").map(({ action }) => action)).toEqual(
      expect.arrayContaining(["die", "start"]),
    );
    for (const { time } of seen) expect(Date.parse(time)).toBeGreaterThan(0);
  });
});
