import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeEngines, docker, expectNothingLeft, isOld, hasContainerdStore } from "../support/engines.js";
import { dfdebug, type Run } from "../support/run-dfdebug.js";

describeEngines("docker build's flags", (engine) => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-flags-"));
    mkdirSync(join(folder, "context"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
    expectNothingLeft(engine);
  });

  const build = (text: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Run> => {
    writeFileSync(join(folder, "context/Dockerfile"), text);
    return dfdebug(engine, ["build", ...args, "context"], { cwd: folder, env });
  };

  it("--build-context gives a folder and an image names, or is refused", async () => {
    mkdirSync(join(folder, "other"));
    writeFileSync(join(folder, "other/x"), "of the other folder\n");
    const text = "FROM base\nCOPY --from=extra x /x\nRUN exit 1\n";
    const contexts = ["--build-context", "extra=other", "--build-context", "base=docker-image://busybox:latest"];
    const run = await build(text, [...contexts, "--exec", "cat /x"]);
    if (isOld(engine)) {
      expect(run.code).toBe(2);
      expect(run.stderr).toContain("--build-context extra: this engine's own Dockerfile frontend knows no named");
    } else expect(run).toMatchObject({ code: 1, stdout: "of the other folder\n" });
    expect((await build(text, ["--build-context", "extra=nowhere"])).stderr).toContain("nowhere does not exist");
  });

  it("--build-context takes an image's place by any of its names", async () => {
    if (isOld(engine)) return;
    mkdirSync(join(folder, "instead"));
    writeFileSync(join(folder, "instead/x"), "instead\n");
    for (const [name, used] of [
      ["nothere:latest", "nothere"],
      ["docker.io/library/nothere:latest", "docker.io/nothere"],
    ] as const) {
      const text = `FROM busybox:latest\nCOPY --from=${used} x /1\nRUN --mount=from=${used},target=/m cat /1 /m/x; exit 7\n`;
      const run = await build(text, ["--build-context", `${name}=instead`, "--exec", "cat /1 /m/x"]);
      expect(run, name).toMatchObject({ code: 1, stdout: "instead\ninstead\n" });
    }
    const base = await build("FROM nothere\nCOPY x /2\n", [
      ...["--build-context", "nothere:latest=docker-image://busybox", "--build-context", "context=instead"],
    ]);
    expect(base.stderr).toContain("x was not found in the build context");
    expect(await build("FROM busybox\n", ["--build-context", "First=instead"])).toMatchObject({ code: 2 });
  });

  it("--network and --add-host hold for the step and for what looks into it", async () => {
    const text = "FROM busybox:latest\nRUN ls /sys/class/net; exit 1\n";
    const none = await build(text, ["--network", "none", "--exec", "ls /sys/class/net"]);
    expect(none.stdout).toBe("lo\n");
    const host = await build(text, ["--network", "host", "--exec", "ls /sys/class/net"]);
    for (const name of Object.keys(networkInterfaces()).filter((one) => !one.startsWith("veth")))
      expect(host.stdout.split("\n")).toContain(name);
    const hosts = await build("FROM busybox:latest\nRUN cat /etc/hosts; exit 1\n", [
      ...["--add-host", "build-host.example:10.9.8.7", "--exec", "cat /etc/hosts"],
    ]);
    expect(hosts.stderr).toMatch(/10\.9\.8\.7\s+build-host\.example/);
    if (!isOld(engine)) expect(hosts.stdout).toMatch(/10\.9\.8\.7\s+build-host\.example/);
  });

  it("--add-host takes host-gateway, as docker build has it, and addresses only", async () => {
    const text = "FROM busybox:latest\nRUN grep gw.example /etc/hosts; exit 1\n";
    const flags = ["--add-host", "gw.example:host-gateway", "--add-host", "v6.gw.example=[fd00::7]"];
    const run = await build(text, [...flags, "--no-cache"]);
    const gateway = docker(engine, "network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}");
    expect(run.stderr).toMatch(new RegExp(`${gateway.replaceAll(".", "\\.")}\\s+gw\\.example`));
    expect(run.stderr).toMatch(/fd00::7\s+v6\.gw\.example/);
    const wrong = await build(text, ["--add-host", "foo:notanip"]);
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.stderr).toContain("--add-host foo:notanip: notanip is not an IP address");
  });

  it("--ssh gives an agent, or a key, to the step", async () => {
    const key = join(folder, "key");
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key, "-C", "dfdebug-test-key"]);
    // The busybox image has no ssh-add: that the socket is there and answers is what the step sees.
    const text = "FROM busybox:latest\nRUN --mount=type=ssh test -S $SSH_AUTH_SOCK && exit 9\n";
    const run = await build(text, ["--ssh", `default=${key}`, "--exec", "test -S $SSH_AUTH_SOCK && echo agent"]);
    expect(run.stdout).toBe("agent\n");
    expect(run.stderr).toContain("exit code 9");
    for (const [path, why] of [
      ["nope", "nope does not exist"],
      ["context/Dockerfile", "is neither an agent's socket nor a private key"],
    ] as const) {
      const refused = await build("FROM busybox:latest\nRUN true\n", ["--ssh", `default=${path}`]);
      expect(refused.code).toBe(2);
      expect(refused.stderr).toContain(`--ssh default=${join(folder, path)}: `);
      expect(refused.stderr).toContain(why);
    }
    const required = "FROM busybox:latest\nRUN --mount=type=ssh,required=true true\n";
    const missing = await build(required, ["--no-cache"]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain("--ssh default");
  });

  it("--secret of a variable that is not set is empty, and said so", async () => {
    // Engine 20.10 takes an empty secret for none, to docker build as well.
    const text = "FROM busybox:latest\nRUN --mount=type=secret,id=x test ! -s /run/secrets/x && exit 9\n";
    const flags = ["--secret", "id=x,env=DFDEBUG_NOT_SET", "--no-cache"];
    const run = await build(text, [...flags, "--progress=json"]);
    const warning = "--secret id=x: the environment variable DFDEBUG_NOT_SET is not set";
    expect(run.stderr).toContain(warning);
    expect(run.stdout).not.toContain("DFDEBUG_NOT_SET is");
    expect(run.stdout).toContain('"exitCode":9');
    const quiet = await build(text.replace(" && exit 9", ""), [...flags, "-q"]);
    expect(quiet).toMatchObject({ code: 0, stderr: "" });
  });

  it("--platform of another machine needs an image for it; what is no platform is refused", async () => {
    const other = await build("FROM busybox:latest\nRUN true\n", ["--platform", "linux/s390x"]);
    if (hasContainerdStore(engine)) expect(other.code).toBe(0);
    else {
      expect(other.code).toBe(1);
      expect(other.stderr).toContain("busybox");
      expect(other.stderr).toContain("--platform linux/s390x");
    }
    expect((await build("FROM busybox:latest\n", ["--platform", "a/b/c/d"])).code).toBe(2);
    const two = await build("FROM busybox:latest\n", ["--platform", "linux/amd64,linux/arm64"]);
    expect(two).toMatchObject({ code: 2 });
    expect(two.stderr).toContain("one platform at a time");
    expect(await build("FROM busybox:latest\n", ["--platform", "local"])).toMatchObject({ code: 0 });
  });

  it("--no-cache-filter builds a stage anew, and no other", async () => {
    const text =
      "FROM busybox:latest AS one\nRUN echo 1 > /1\nFROM busybox:latest AS two\nRUN echo 2 > /2\nCOPY --from=one /1 /1\n";
    await build(text, []);
    const again = await build(text, ["--no-cache-filter", "two", "--progress=json"]);
    const steps = again.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; number: number; status: string })
      .filter(({ type, status }) => type === "step" && (status === "cached" || status === "done"));
    expect(steps.find(({ number }) => number === 2)?.status).toBe("cached");
    expect(steps.find(({ number }) => number === 4)?.status).toBe("done");
  });

  it("--label is in the image", async () => {
    const run = await build("FROM busybox:latest\n", ["-q", "--label", "one=1", "--label", "bare"]);
    const labels = docker(engine, "image", "inspect", "-f", "{{json .Config.Labels}}", run.stdout.trim());
    expect(JSON.parse(labels)).toEqual({ one: "1", bare: "" });
  });
});
