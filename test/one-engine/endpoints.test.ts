import { execFileSync, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { expectNothingLeft, testEngines } from "../support/engines.js";
import { dfdebug, program, type Run } from "../support/run-dfdebug.js";
import { startSshEngine, type SshEngine } from "../support/ssh-engine.js";
import { TlsEngine } from "../support/tls-engine.js";

// One engine is enough: what lies between dfdebug and the engine is the same for all.
const [engine] = testEngines();

describe("an engine that is not at a socket of this machine", () => {
  if (!engine) throw new Error("no engine");
  let folder: string;
  let tls: TlsEngine;
  let ssh: SshEngine;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-endpoints-"));
    for (const name of ["tls", "ssh", "context", "config"]) mkdirSync(join(folder, name));
    [tls, ssh] = await Promise.all([
      TlsEngine.start(engine, join(folder, "tls")),
      startSshEngine(engine, join(folder, "ssh")),
    ]);
    writeFileSync(join(folder, "context/data"), randomBytes(5 * 1024 * 1024));
    writeFileSync(
      join(folder, "context/Dockerfile"),
      "FROM busybox:latest\nCOPY data /data\nRUN echo at-the-step && exit 4\n",
    );
    writeContext("over-tls", tls.host, join(folder, "tls/client"));
    writeContext("over-ssh", ssh.host);
  });

  afterAll(async () => {
    await Promise.all([tls[Symbol.asyncDispose](), ssh[Symbol.asyncDispose]()]);
    rmSync(folder, { recursive: true, force: true });
  });

  afterEach(() => {
    expectNothingLeft(engine);
  });

  /** A context as docker's store keeps it. */
  function writeContext(name: string, host: string, tlsFiles?: string): void {
    const id = createHash("sha256").update(name).digest("hex");
    const contexts = join(folder, "config/contexts");
    mkdirSync(join(contexts, "meta", id), { recursive: true });
    const meta = { Name: name, Metadata: {}, Endpoints: { docker: { Host: host, SkipTLSVerify: false } } };
    writeFileSync(join(contexts, "meta", id, "meta.json"), JSON.stringify(meta));
    if (tlsFiles === undefined) return;
    mkdirSync(join(contexts, "tls", id, "docker"), { recursive: true });
    for (const file of ["ca.pem", "cert.pem", "key.pem"])
      cpSync(join(tlsFiles, file), join(contexts, "tls", id, "docker", file));
  }

  /** Sends some MB, fails at a step and looks into it there. */
  const buildAndLook = async (env: NodeJS.ProcessEnv, ...flags: string[]): Promise<void> => {
    // The client's own connection is dropped, so that only `env` says where the engine is.
    const run = await dfdebug(
      engine,
      ["build", ...flags, "--no-cache", "--exec", "wc -c < /data", join(folder, "context")],
      { env: { DOCKER_HOST: "", DOCKER_CONFIG: join(folder, "config"), ...env } },
    );
    expect(run).toMatchObject({ code: 1, stdout: `${String(5 * 1024 * 1024)}\n` });
    expect(run.stderr).toContain("Step 3/3 failed");
    expect(run.stderr).toContain("at-the-step");
    expect(run.stderr).not.toContain("Warning");
  };
  const plainly = (env: NodeJS.ProcessEnv): Promise<Run> =>
    dfdebug(engine, ["build", join(folder, "context")], { env: { DOCKER_CONFIG: join(folder, "config"), ...env } });

  it("is reached over TLS, by DOCKER_HOST and by a context", async () => {
    const env = { DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: join(folder, "tls/client") };
    await buildAndLook({ DOCKER_HOST: tls.host, ...env });
    await buildAndLook({ DOCKER_CONTEXT: "over-tls" });
  });

  it("is refused with a reason where the certificates are wrong", async () => {
    const env = { DOCKER_HOST: tls.host, DOCKER_TLS_VERIFY: "1" };
    const wrongCa = await plainly({ ...env, DOCKER_CERT_PATH: join(folder, "tls/other") });
    expect(wrongCa.code).toBe(3);
    expect(wrongCa.stderr).toContain(`The TLS connection to the engine at ${tls.host} (DOCKER_HOST) failed: `);
    expect(wrongCa.stderr).toContain("DOCKER_CERT_PATH");

    const mixed = join(folder, "tls/mixed");
    mkdirSync(mixed);
    cpSync(join(folder, "tls/client/ca.pem"), join(mixed, "ca.pem"));
    const noCertificate = await plainly({ ...env, DOCKER_CERT_PATH: mixed });
    expect(noCertificate.code).toBe(3);
    expect(noCertificate.stderr).toContain("asks for a client certificate, and there is none");

    for (const file of ["cert.pem", "key.pem"]) cpSync(join(folder, "tls/other", file), join(mixed, file));
    const wrongCertificate = await plainly({ ...env, DOCKER_CERT_PATH: mixed });
    expect(wrongCertificate.code).toBe(3);
    expect(wrongCertificate.stderr).toContain("refused dfdebug's client certificate");

    writeFileSync(join(mixed, "key.pem"), "no key\n");
    const broken = await plainly({ ...env, DOCKER_CERT_PATH: mixed });
    expect(broken.code).toBe(3);
    expect(broken.stderr).toContain("The TLS connection to the engine");

    const missing = await plainly({ ...env, DOCKER_CERT_PATH: "/no/such/folder" });
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain("DOCKER_CERT_PATH: there is no folder /no/such/folder");

    const noTls = await plainly({ DOCKER_HOST: tls.host });
    expect(noTls.code).toBe(3);
    expect(noTls.stderr).toContain("DOCKER_TLS_VERIFY");
  });

  it("is reached over ssh, by a context and by an address that names the socket", async () => {
    await buildAndLook({ ...ssh.env, DOCKER_CONTEXT: "over-ssh" });
    // The engine's socket over there, named in the address; one login is enough to see it answer.
    const named = await dfdebug(engine, ["--host", ssh.host + engine.host.replace("unix://", ""), "prune"], {
      env: { DOCKER_HOST: "", ...ssh.env },
    });
    expect(named).toMatchObject({ code: 0, stderr: "" });
  });

  it("says what ssh complains of", async () => {
    // Without the wrapper there is no key.
    const denied = await plainly({ DOCKER_HOST: ssh.host });
    expect(denied.code).toBe(3);
    expect(denied.stderr).toMatch(/cannot be reached: .*(Permission denied|Host key verification failed)/);
    expect(denied.stderr).toContain("Try: ssh -p");
    const noHost = await plainly({ ...ssh.env, DOCKER_HOST: "ssh://127.0.0.1:1" });
    expect(noHost.code).toBe(3);
    expect(noHost.stderr).toContain("Connection refused");
    const noEngine = await plainly({ ...ssh.env, DOCKER_HOST: `${ssh.host}/no/engine.sock` });
    expect(noEngine.code).toBe(3);
    expect(noEngine.stderr).toContain("/no/engine.sock");
    const noSsh = await plainly({ DOCKER_HOST: ssh.host, PATH: "/no/folder" });
    expect(noSsh.code).toBe(3);
    expect(noSsh.stderr).toContain("There is no ssh on PATH");
    const password = await plainly({ DOCKER_HOST: "ssh://me:secret-word@127.0.0.1" });
    expect(password.code).toBe(2);
    expect(password.stderr).not.toContain("secret-word");
  });

  it("is lost in the middle of a step when ssh dies", async () => {
    writeFileSync(join(folder, "slow"), "FROM busybox:latest\nRUN echo sleeping-now && sleep 600\n");
    const args = [program, "build", "--no-cache", "-f", join(folder, "slow"), join(folder, "config")];
    const child = spawn(process.execPath, args, {
      env: { ...process.env, ...ssh.env, DOCKER_HOST: ssh.host },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let output = "";
    let ended = false;
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (ended || !/\d sleeping-now/.test(output)) return;
      ended = true;
      const clients = execFileSync("pgrep", ["-P", String(child.pid), "ssh"], { encoding: "utf8" });
      for (const pid of clients.trim().split("\n")) process.kill(Number(pid), "SIGKILL");
    });
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect(code).toBe(3);
    expect(output).toContain("The connection to the engine");
    expect(output).toContain("was lost");
    expect(output).not.toContain("dfdebug itself failed");
  });
});
