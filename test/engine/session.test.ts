import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeEngines } from "../support/engines.js";
import { dfdebug, type Run } from "../support/run-dfdebug.js";
import { KeyAgent } from "../../src/engine/buildkit/session/ssh-key-agent.js";
import { sshString } from "../../src/engine/buildkit/session/ssh-wire.js";
import { keys } from "../unit/engine/buildkit/session/keys.js";

// What BuildKit calls back for during a build, asked for by real engines.
describeEngines("the session", (engine) => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-session-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const write = (name: string, content: string | Buffer): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const build = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Run> =>
    dfdebug(engine, ["build", "--progress=plain", "--no-cache", ...args, "."], { cwd: folder, env });

  /** A step that lists the keys of its agent: the comments of all, joined. */
  const listKeys = `FROM node:20-slim
RUN --mount=type=ssh node -e 'const s = require("net").connect(process.env.SSH_AUTH_SOCK); let d = Buffer.alloc(0); \\
  s.on("connect", () => s.write(Buffer.from([0, 0, 0, 1, 11]))); s.on("data", (c) => { d = Buffer.concat([d, c]); \\
  if (d.length >= 4 + d.readUInt32BE(0)) { console.log("agent:", d.toString("latin1").match(/[a-z0-9-]+@test/g).join()); s.end(); } })'
`;

  it("lets a step use key files", async () => {
    write("Dockerfile", listKeys);
    const paths = [write("one", keys.ed25519.privateKey), write("two", keys.rsa.privateKey)];
    const run = await build(["--ssh", `default=${paths.join(",")}`]);
    expect(run.stderr).toContain("agent: ed25519@test,rsa@test");
    expect(run.code).toBe(0);
  });

  it("lets a step use the user's agent", async () => {
    write("Dockerfile", listKeys);
    const agent = await KeyAgent.load([write("key", keys.ecdsa256.privateKey)]);
    const socket = join(folder, "agent.sock");
    const server = createServer((peer) => {
      peer.on("data", (request) => {
        void agent.answer(request.subarray(4)).then((answer) => peer.write(sshString(answer)));
      });
    });
    await once(server.listen(socket), "listening");
    try {
      const run = await build(["--ssh", "default"], { SSH_AUTH_SOCK: socket });
      expect(run.stderr).toContain("agent: ecdsa256@test");
      expect(run.code).toBe(0);
    } finally {
      server.close();
    }
  });

  it("sends only what has changed the second time", async () => {
    for (let index = 0; index < 50; index++) write(`file-${String(index)}`, Buffer.alloc(10_000, index));
    write("Dockerfile", "FROM scratch\nCOPY . /\n");
    const sent = async (): Promise<string> =>
      (await build([])).stderr.match(/transferred context: (\d+) files?/)?.[1] ?? "0";
    expect(await sent()).toBe("51");
    expect(await sent()).toBe("0");
    write("file-7", Buffer.alloc(10_000, "x"));
    expect(await sent()).toBe("1");
  });

  it("gives a registry's credentials to the engine, and to no one else", async () => {
    const asked: (string | undefined)[] = [];
    // A registry that lets nobody in: what counts is whom it hears of.
    const server = createHttpServer((request: IncomingMessage, response: ServerResponse) => {
      asked.push(request.headers.authorization);
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="test"' }).end();
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const host = `localhost:${String((server.address() as AddressInfo).port)}`;
    const auth = Buffer.from("ann:opensesame").toString("base64");
    write("config.json", JSON.stringify({ auths: { [host]: { auth } } }));
    write("Dockerfile", `FROM ${host}/private/image:1\n`);
    try {
      const run = await build([], { DOCKER_CONFIG: folder });
      expect(run.code).not.toBe(0);
      expect(asked).toContain(`Basic ${auth}`);
      expect(run.stdout + run.stderr).not.toContain("opensesame");
    } finally {
      server.close();
    }
  });
});
