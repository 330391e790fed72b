import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { describeEngines, docker, expectNothingLeft } from "../support/engines.js";
import { registrySecret, registryUser, startRegistry, type TestRegistry } from "../support/registry.js";
import { dfdebug, type Run } from "../support/run-dfdebug.js";

describeEngines("a registry that wants credentials", (engine) => {
  const basic = Buffer.from(`${registryUser}:${registrySecret}`).toString("base64");
  let folder: string;
  let registry: TestRegistry;
  let outputs = "";

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-registry-"));
    for (const name of ["registry", "bin", "context"]) mkdirSync(join(folder, name));
    registry = await startRegistry(join(folder, "registry"));
    const config = configured({ auths: { [registry.host]: { auth: basic } } });
    const name = `${registry.host}/private/base:1`;
    docker(engine, "tag", "busybox:latest", name);
    execFileSync("/usr/bin/docker", ["-H", engine.host, "push", name], {
      env: { ...process.env, DOCKER_CONFIG: config },
      stdio: "ignore",
    });
    docker(engine, "rmi", name);
  });

  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  afterEach(() => {
    expectNothingLeft(engine);
  });

  /** A DOCKER_CONFIG folder with that config.json. */
  function configured(config: object): string {
    const path = mkdtempSync(join(folder, "config-"));
    writeFileSync(join(path, "config.json"), JSON.stringify(config));
    return path;
  }

  /** A credential helper on PATH: a script, as docker's protocol has it. */
  function helper(name: string, script: string): void {
    const path = join(folder, "bin", `docker-credential-${name}`);
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
  }

  /** Builds FROM an image of the registry with everything that dfdebug can log; all output is kept. */
  const build = async (config: string, image = "private/base:1"): Promise<Run> => {
    writeFileSync(join(folder, "context/Dockerfile"), `# a comment\nFROM ${registry.host}/${image}\nRUN echo pulled\n`);
    const run = await dfdebug(engine, ["build", "--pull", "--progress=json", join(folder, "context")], {
      env: {
        DOCKER_CONFIG: config,
        DFDEBUG_LOG: "stderr",
        PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`,
      },
    });
    outputs += run.stdout + run.stderr;
    return run;
  };

  it("says who was refused, or that there are no credentials, and how to log in", async () => {
    const refused = (run: Run): void => {
      expect(run.code).toBe(1);
      expect(run.stderr).toContain("Dockerfile:2:1: error: The registry");
      expect(run.stderr).toContain(`The registry ${registry.host} refused to give the image`);
      expect(run.stderr).toContain(`docker login ${registry.host}`);
    };
    const nowhere = await build(join(folder, "no-config"));
    refused(nowhere);
    expect(nowhere.stderr).toContain(`without credentials (there is no ${join(folder, "no-config")}/config.json)`);

    const wrongSecret = Buffer.from(`${registryUser}:not-the-secret-word`).toString("base64");
    const config = configured({ auths: { [`https://${registry.host}/v2/`]: { auth: wrongSecret } } });
    const wrong = await build(config);
    refused(wrong);
    expect(wrong.stderr).toContain(`to the user "${registryUser}" of ${config}/config.json`);

    const missing = await build(configured({ credsStore: "not-installed" }));
    refused(missing);
    expect(missing.stderr).toContain("docker-credential-not-installed is configured but not on PATH");

    helper("broken", "echo a-secret-in-an-error; exit 3");
    const broken = await build(configured({ credHelpers: { [registry.host]: "broken" } }));
    refused(broken);
    expect(broken.stderr).toContain("docker-credential-broken failed with exit code 3");

    helper("empty", "echo credentials not found in native keychain; exit 1");
    const empty = await build(configured({ credsStore: "empty" }));
    refused(empty);
    expect(empty.stderr).toContain("docker-credential-empty has none for it");

    const token = await build(configured({ auths: { [registry.host]: { identitytoken: "an-identity-token" } } }));
    refused(token);
    expect(token.stderr).toContain("to the identity token of");
  });

  it("gives the image to the credentials of auths, credHelpers and credsStore", async () => {
    const answer = JSON.stringify({ ServerURL: registry.host, Username: registryUser, Secret: registrySecret });
    helper("good", `read -r key; [ "$1 $key" = "get ${registry.host}" ] || exit 1; echo '${answer}'`);
    for (const config of [
      { auths: { [registry.host]: { auth: basic } } },
      { auths: { [registry.host]: {} }, credHelpers: { [registry.host]: "good" }, credsStore: "not-installed" },
      { credsStore: "good" },
    ]) {
      const run = await build(configured(config));
      expect(run.stderr).not.toContain("error:");
      expect(run.code).toBe(0);
    }
    const absent = await build(configured({ credsStore: "good" }), "private/absent:1");
    expect(absent.code).toBe(1);
    expect(absent.stderr).toContain("Dockerfile:2:1: error: A base image was not found");
  });

  it("shows the secret nowhere", () => {
    expect(outputs).toContain("The registry");
    for (const secret of [registrySecret, basic, "not-the-secret-word", "an-identity-token", "a-secret-in-an-error"])
      expect(outputs).not.toContain(secret);
    // Nor does the image that was built.
    const ids = [...outputs.matchAll(/"imageId":"(sha256:[0-9a-f]+)"/g)].map(([, id]) => id ?? "");
    expect(ids.length).toBeGreaterThan(0);
    for (const id of new Set(ids)) {
      const said = docker(engine, "image", "inspect", id) + docker(engine, "history", "--no-trunc", id);
      expect(said).not.toContain(registrySecret);
      expect(said).not.toContain(basic);
    }
  });

  it("uses the credentials to pull a toolbox, too", async () => {
    writeFileSync(join(folder, "context/Dockerfile"), "FROM busybox:latest\nRUN exit 1\n");
    const name = `${registry.host}/private/base:1`;
    const pull = (config: string): Promise<Run> =>
      dfdebug(engine, ["build", "--toolbox", name, "--exec", "ls /.dfdebug/bin/busybox", join(folder, "context")], {
        env: { DOCKER_CONFIG: config },
      });
    const refused = await pull(join(folder, "no-config"));
    expect(refused.stderr).toContain(`The toolbox image ${name} is not in the engine and could not be pulled`);
    const given = await pull(configured({ auths: { [registry.host]: { auth: basic } } }));
    expect(given.stdout).toBe("/.dfdebug/bin/busybox\n");
    docker(engine, "rmi", name);
    expect(readFileSync(join(folder, "context/Dockerfile"), "utf8")).toContain("exit 1");
  });
});
