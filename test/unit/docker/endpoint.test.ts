import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resolveEndpoint, socketCandidates } from "../../../src/docker/endpoint.js";
import { dialError } from "../../../src/docker/errors.js";
import { UsageError } from "../../../src/errors.js";

describe("where the engine is", () => {
  let home: string;
  let env: NodeJS.ProcessEnv;

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), "dfdebug-home-"));
    env = { HOME: home };
  });

  afterEach(() => {
    rmSync(home, { recursive: true, force: true });
  });

  const write = (path: string, content: unknown): void => {
    mkdirSync(dirname(join(home, path)), { recursive: true });
    writeFileSync(join(home, path), typeof content === "string" ? content : JSON.stringify(content));
  };
  const sha = (name: string): string => createHash("sha256").update(name).digest("hex");
  const context = (name: string, docker: object): void =>
    write(`.docker/contexts/meta/${sha(name)}/meta.json`, { Name: name, Endpoints: { docker } });

  it("is what --host says, before everything else", async () => {
    context("mine", { Host: "unix:///from-context" });
    const all = { ...env, DOCKER_HOST: "unix:///from-env", DOCKER_CONTEXT: "mine" };
    expect(await resolveEndpoint({ host: "unix:///from-flag", env: all })).toMatchObject({
      target: { kind: "unix", path: "/from-flag" },
      source: "--host",
    });
    await expect(resolveEndpoint({ host: "unix:///x", context: "mine", env })).rejects.toThrow(UsageError);
  });

  it("follows docker's precedence: --context, DOCKER_HOST, DOCKER_CONTEXT, config.json", async () => {
    for (const name of ["flag", "variable", "current"]) context(name, { Host: `unix:///${name}` });
    write(".docker/config.json", { currentContext: "current" });
    const host = { DOCKER_HOST: "unix:///host" };
    const variable = { DOCKER_CONTEXT: "variable" };
    const at = async (context: string | undefined, extra: NodeJS.ProcessEnv): Promise<string> =>
      (await resolveEndpoint({ context, env: { ...env, ...extra } })).host;
    expect(await at("flag", { ...host, ...variable })).toBe("unix:///flag");
    expect(await at(undefined, { ...host, ...variable })).toBe("unix:///host");
    expect(await at("default", { ...host, ...variable })).toBe("unix:///host");
    expect(await at(undefined, variable)).toBe("unix:///variable");
    expect(await at(undefined, { DOCKER_HOST: "", DOCKER_CONTEXT: "" })).toBe("unix:///current");
    expect((await resolveEndpoint({ env: { ...env, ...variable } })).source).toBe('context "variable"');
  });

  it("reads the folder that DOCKER_CONFIG names", async () => {
    write("elsewhere/config.json", { currentContext: "there" });
    write(`elsewhere/contexts/meta/${sha("there")}/meta.json`, { Endpoints: { docker: { Host: "ssh://there" } } });
    const found = await resolveEndpoint({ env: { ...env, DOCKER_CONFIG: join(home, "elsewhere") } });
    expect(found.target).toEqual({ kind: "ssh", destination: "there", args: [], remoteSocket: undefined });
  });

  it("says which context is missing, and who asked for it", async () => {
    await expect(resolveEndpoint({ context: "no", env })).rejects.toThrow('no docker context "no" (--context)');
    await expect(resolveEndpoint({ env: { ...env, DOCKER_CONTEXT: "no" } })).rejects.toThrow("(DOCKER_CONTEXT)");
    write(".docker/config.json", { currentContext: "gone" });
    await expect(resolveEndpoint({ env })).rejects.toMatchObject({ code: "CONTEXT_UNKNOWN", exitCode: 2 });
    write(`.docker/contexts/meta/${sha("gone")}/meta.json`, "{ broken");
    await expect(resolveEndpoint({ env })).rejects.toThrow("cannot be read");
    context("gone", {});
    await expect(resolveEndpoint({ env })).rejects.toThrow("has no docker endpoint");
    write(".docker/config.json", "not JSON");
    await expect(resolveEndpoint({ env })).rejects.toMatchObject({ code: "DOCKER_CONFIG" });
  });

  it("takes a context's own TLS files, and the environment's for DOCKER_HOST only", async () => {
    context("tls", { Host: "tcp://10.0.0.5:2376" });
    for (const name of ["ca", "cert", "key"]) write(`.docker/contexts/tls/${sha("tls")}/docker/${name}.pem`, name);
    const found = await resolveEndpoint({ context: "tls", env });
    expect(found.target).toMatchObject({
      kind: "tcp",
      hostname: "10.0.0.5",
      port: 2376,
      tls: { ca: Buffer.from("ca"), cert: Buffer.from("cert"), key: Buffer.from("key"), rejectUnauthorized: true },
    });
    context("plain", { Host: "tcp://10.0.0.5:2375" });
    const plain = await resolveEndpoint({ context: "plain", env: { ...env, DOCKER_TLS_VERIFY: "1" } });
    expect(plain.target).toMatchObject({ tls: undefined });
    context("unverified", { Host: "tcp://10.0.0.5", SkipTLSVerify: true });
    expect((await resolveEndpoint({ context: "unverified", env })).target).toMatchObject({
      port: 2376,
      tls: { rejectUnauthorized: false },
    });
  });

  it("reads DOCKER_TLS_VERIFY and DOCKER_CERT_PATH", async () => {
    write("certs/ca.pem", "mine");
    const verified = {
      ...env,
      DOCKER_HOST: "tcp://h:1",
      DOCKER_TLS_VERIFY: "1",
      DOCKER_CERT_PATH: join(home, "certs"),
    };
    expect((await resolveEndpoint({ env: verified })).target).toMatchObject({
      tls: { ca: Buffer.from("mine"), rejectUnauthorized: true },
    });
    write("certs/cert.pem", "half");
    await expect(resolveEndpoint({ env: verified })).rejects.toThrow("key.pem is not");
    await expect(resolveEndpoint({ env: { ...verified, DOCKER_CERT_PATH: join(home, "no") } })).rejects.toThrow(
      "there is no folder",
    );
    expect((await resolveEndpoint({ env: { ...env, DOCKER_HOST: "tcp://h", DOCKER_TLS_VERIFY: "" } })).target).toEqual({
      kind: "tcp",
      hostname: "h",
      port: 2375,
      tls: undefined,
    });
  });

  it("reads docker's host strings, and refuses others with the reason", async () => {
    const target = async (host: string): Promise<unknown> => (await resolveEndpoint({ host, env })).target;
    expect(await target("/run/x.sock")).toEqual({ kind: "unix", path: "/run/x.sock" });
    expect(await target("10.0.0.5:2375")).toMatchObject({ kind: "tcp", hostname: "10.0.0.5", port: 2375 });
    expect(await target("tcp://[::1]:99")).toMatchObject({ hostname: "::1", port: 99 });
    expect(await target("tcp://")).toMatchObject({ hostname: "localhost", port: 2375 });
    expect(await target("unix://")).toEqual({ kind: "unix", path: "/var/run/docker.sock" });
    expect(await target("https://h")).toMatchObject({ port: 2376, tls: { rejectUnauthorized: true } });
    expect(await target("ssh://me@h:2222")).toMatchObject({ destination: "me@h", args: ["-p", "2222"] });
    expect(await target("ssh://h/run/user/1/docker.sock")).toMatchObject({ remoteSocket: "/run/user/1/docker.sock" });
    for (const bad of ["ftp://h", "npipe:////./pipe/docker", "ssh://-oProxyCommand=x", "ssh://u:p@h", "a b"])
      await expect(resolveEndpoint({ host: bad, env }), bad).rejects.toThrow(UsageError);
  });

  it("looks for other engines' sockets, and says in the error what was tried", async () => {
    const runtime = join(home, "run");
    const all = { ...env, XDG_RUNTIME_DIR: runtime };
    const candidates = socketCandidates(all);
    expect(candidates.map(({ path }) => path.replace(home, "~"))).toEqual([
      "/var/run/docker.sock",
      "~/run/docker.sock",
      "~/.docker/run/docker.sock",
      "~/.docker/desktop/docker.sock",
      "~/.orbstack/run/docker.sock",
      "~/.colima/default/docker.sock",
      "~/.rd/docker.sock",
      "~/run/podman/podman.sock",
      "/run/podman/podman.sock",
    ]);
    // The default socket of the machine that tests run on may be there or not: the rest is looked for in our own home.
    for (const { path, name } of candidates.filter((candidate) => candidate.path.startsWith(home)).reverse()) {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, "");
      const found = await resolveEndpoint({ env: all, sockets: candidates.slice(1) });
      expect(found).toMatchObject({ target: { path }, source: name });
      expect(found.tried).toContain("DOCKER_HOST: not set");
    }
    const none = await resolveEndpoint({ env, sockets: [{ path: join(home, "none"), name: "Nothing" }] });
    const error = dialError(Object.assign(new Error("connect ENOENT"), { code: "ENOENT" }), none);
    expect(error).toMatchObject({ code: "ENGINE_UNREACHABLE", exitCode: 3 });
    expect(error.hint).toContain(`Tried ${join(home, "none")} (Nothing): there is no such socket.`);
    expect(error.hint).toContain("Start");
  });
});
