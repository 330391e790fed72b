import { createHash, createPublicKey, generateKeyPairSync, randomBytes, verify, type JsonWebKey } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytesField, encodeMessage, readFields } from "../../../../../src/engine/buildkit/session/protobuf.js";
import { KeyAgent } from "../../../../../src/engine/buildkit/session/ssh-key-agent.js";
import { SshReader, sshString, sshUint32 } from "../../../../../src/engine/buildkit/session/ssh-wire.js";
import { keys } from "./keys.js";
import { Peer, type Call } from "./peer.js";

const getSecret = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
const credentials = "/moby.filesync.v1.Auth/Credentials";
const pull = "/moby.upload.v1.Upload/Pull";
const checkAgent = "/moby.sshforward.v1.SSH/CheckAgent";
const forwardAgent = "/moby.sshforward.v1.SSH/ForwardAgent";

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "dfdebug-session-"));
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

describe("the connection", () => {
  test("says what it serves", async () => {
    await using peer = await Peer.open();
    expect(peer.session.headers).toMatchObject({
      "X-Docker-Expose-Session-Uuid": "session",
      "X-Docker-Expose-Session-Name": "test",
      "X-Docker-Expose-Session-Sharedkey": "key",
    });
    const methods = peer.session.headers["X-Docker-Expose-Session-Grpc-Method"];
    expect(methods).toContain("/moby.filesync.v1.FileSync/DiffCopy");
    expect(methods).not.toContain(checkAgent);
  });

  test("is healthy", async () => {
    await using peer = await Peer.open();
    const { status, answer } = await peer.unary("/grpc.health.v1.Health/Check");
    expect(status.code).toBe(0);
    expect(readFields(answer)).toEqual([{ number: 1, value: 1 }]);
  });

  test("answers what it does not serve with UNIMPLEMENTED", async () => {
    await using peer = await Peer.open();
    const { status } = await peer.unary("/moby.filesync.v1.Auth/GetTokenAuthority");
    expect(status.code).toBe(12);
    expect((await peer.unary(checkAgent)).status.code).toBe(12);
  });

  test("ends with its socket, and ends the socket when it is disposed", async () => {
    const lost = await Peer.open();
    lost.client.destroy();
    await lost.session.closed;
    await lost[Symbol.asyncDispose]();
    const peer = await Peer.open();
    await peer.unary("/grpc.health.v1.Health/Check");
    const closed = once(peer.client, "close");
    await peer.session[Symbol.asyncDispose]();
    await Promise.all([closed, peer.session.closed]);
    await peer[Symbol.asyncDispose]();
  });
});

describe("credentials", () => {
  test("are those of the host, and empty where there are none", async () => {
    await using peer = await Peer.open({
      credentials: async (host) =>
        host === "r.example"
          ? { username: "ann", secret: "s3cret", source: "test" }
          : { secret: undefined, reason: "none" },
    });
    const { answer } = await peer.unary(credentials, encodeMessage({ 1: "r.example" }));
    expect([bytesField(answer, 1).toString(), bytesField(answer, 2).toString()]).toEqual(["ann", "s3cret"]);
    const anonymous = await peer.unary(credentials, encodeMessage({ 1: "other" }));
    expect(anonymous).toEqual({ status: { code: 0, message: "" }, answer: Buffer.alloc(0) });
  });
});

describe("secrets", () => {
  const ask = async (source: { file: string } | { env: string }, id = "token"): ReturnType<Peer["unary"]> => {
    await using peer = await Peer.open({ secrets: [{ id: "token", source }] });
    return await peer.unary(getSecret, encodeMessage({ 1: id }));
  };

  test("are read when they are asked for", async () => {
    const file = join(root, "late");
    await using peer = await Peer.open({ secrets: [{ id: "token", source: { file } }] });
    writeFileSync(file, "line\n\0binary");
    const { answer } = await peer.unary(getSecret, encodeMessage({ 1: "token" }));
    expect(bytesField(answer, 1).toString()).toBe("line\n\0binary");
  });

  test("come from the environment", async () => {
    process.env["DFDEBUG_TEST_SECRET"] = "from env";
    expect(bytesField((await ask({ env: "DFDEBUG_TEST_SECRET" })).answer, 1).toString()).toBe("from env");
    delete process.env["DFDEBUG_TEST_SECRET"];
  });

  test("that nobody gave are NOT_FOUND", async () => {
    expect((await ask({ env: "X" }, "other")).status).toEqual({ code: 5, message: "secret other: not found" });
  });

  test("that cannot be read are an error which names the file", async () => {
    const { status } = await ask({ file: join(root, "missing") });
    expect(status.code).toBe(2);
    expect(status.message).toContain(join(root, "missing"));
  });

  test("may have 500 KiB", async () => {
    const file = join(root, "large");
    writeFileSync(file, Buffer.alloc(500 * 1024, "x"));
    expect((await ask({ file })).status.code).toBe(0);
    writeFileSync(file, Buffer.alloc(500 * 1024 + 1, "x"));
    expect((await ask({ file })).status).toMatchObject({ code: 3 });
  });
});

describe("uploads", () => {
  const digest = async (call: Call): Promise<{ bytes: number; hash: string }> => {
    const hash = createHash("sha256");
    let bytes = 0;
    for await (const message of call.messages()) {
      const data = bytesField(message, 1);
      bytes += data.length;
      hash.update(data);
    }
    return { bytes, hash: hash.digest("hex") };
  };

  test("are pulled by name, whole, and once", async () => {
    const content = randomBytes(5_000_000);
    await using peer = await Peer.open({ uploads: new Map([["archive", () => Readable.from([content])]]) });
    const call = peer.call(pull, { urlpath: "/archive", urlhost: "buildkit-session" });
    call.end();
    expect(await digest(call)).toEqual({
      bytes: content.length,
      hash: createHash("sha256").update(content).digest("hex"),
    });
    expect((await call.status).code).toBe(0);
    const again = peer.call(pull, { urlpath: "/archive" });
    again.end();
    await digest(again);
    expect((await again.status).code).toBe(5);
  });

  test("that break off are an error", async () => {
    const stream = (): Readable =>
      Readable.from(
        (function* () {
          yield Buffer.from("start");
          throw new Error("the pipe broke");
        })(),
      );
    await using peer = await Peer.open({ uploads: new Map([["archive", stream]]) });
    const call = peer.call(pull, { urlpath: "/archive" });
    call.end();
    expect((await digest(call)).bytes).toBe(5);
    expect(await call.status).toEqual({ code: 2, message: "the pipe broke" });
  });
});

describe("ssh", () => {
  /** One conversation with an agent through the session. */
  async function talk(peer: Peer, requests: readonly Buffer[], id = "default"): Promise<Buffer[]> {
    const call = peer.call(forwardAgent, { "buildkit.ssh.id": id });
    const answers: Buffer[] = [];
    const bytes = Buffer.concat(requests.map((request) => sshString(request)));
    // Cut where no message ends: the agent's protocol is a stream.
    for (let at = 0; at < bytes.length; at += 7) call.send(encodeMessage({ 1: bytes.subarray(at, at + 7) }));
    let data: Buffer = Buffer.alloc(0);
    for await (const message of call.messages()) {
      data = Buffer.concat([data, bytesField(message, 1)]);
      while (data.length >= 4 && data.length >= 4 + data.readUInt32BE(0)) {
        const end = 4 + data.readUInt32BE(0);
        answers.push(data.subarray(4, end));
        data = data.subarray(end);
      }
      if (answers.length === requests.length) call.end();
    }
    return answers;
  }

  const list = Buffer.of(11);
  const signing = (blob: Buffer, data: Buffer, flags: number): Buffer =>
    Buffer.concat([Buffer.of(13), sshString(blob), sshString(data), sshUint32(flags)]);

  function identities(answer: Buffer | undefined): { blob: Buffer; comment: string }[] {
    const reader = new SshReader(answer ?? Buffer.alloc(0));
    expect(reader.byte()).toBe(12);
    return Array.from({ length: reader.uint32() }, () => ({
      blob: reader.string(),
      comment: reader.string().toString(),
    }));
  }

  const keyFile = (name: keyof typeof keys): string => {
    const file = join(root, name);
    writeFileSync(file, keys[name].privateKey);
    return file;
  };

  const names = ["ed25519", "rsa", "rsa-pem", "ecdsa256", "ecdsa384", "ecdsa521", "ecdsa-pkcs8"] as const;

  test.each(names)("signs with a key file: %s", async (name) => {
    await using peer = await Peer.open({ ssh: [{ id: "default", paths: [keyFile(name)] }] });
    const [identity] = identities((await talk(peer, [list]))[0]);
    if (!identity) throw new Error("no identity");
    const publicBlob = Buffer.from(keys[name].publicKey.split(" ")[1] ?? "", "base64");
    expect(identity.blob).toEqual(publicBlob);
    const data = randomBytes(100);
    for (const flags of name.startsWith("rsa") ? [0, 2, 4] : [0]) {
      const [answer] = await talk(peer, [signing(identity.blob, data, flags)]);
      const reader = new SshReader(answer ?? Buffer.alloc(0));
      expect(reader.byte()).toBe(14);
      expect(isValid(publicBlob, data, reader.string())).toBe(true);
    }
  });

  test("signs with several keys of one --ssh", async () => {
    await using peer = await Peer.open({
      ssh: [{ id: "default", paths: [keyFile("rsa"), keyFile("ecdsa256")] }],
    });
    const comments = identities((await talk(peer, [list]))[0]).map(({ comment }) => comment);
    expect(comments).toEqual(["rsa@test", "ecdsa256@test"]);
  });

  /** By the public key that ssh-keygen wrote. */
  function isValid(publicBlob: Buffer, data: Buffer, signature: Buffer): boolean {
    const fields = new SshReader(publicBlob);
    const type = fields.string().toString();
    const reader = new SshReader(signature);
    const algorithm = reader.string().toString();
    const raw = reader.string();
    if (type === "ssh-ed25519") {
      const jwk = { kty: "OKP", crv: "Ed25519", x: fields.string().toString("base64url") };
      return verify(null, data, createPublicKey({ key: jwk, format: "jwk" }), raw);
    }
    if (type === "ssh-rsa") {
      const [e, n] = [fields.integer(), fields.integer()].map((value) => value.toString("base64url"));
      const key = createPublicKey({ key: { kty: "RSA", n, e } as JsonWebKey, format: "jwk" });
      const hashes: Record<string, string> = { "ssh-rsa": "sha1", "rsa-sha2-256": "sha256", "rsa-sha2-512": "sha512" };
      return verify(hashes[algorithm], data, key, raw);
    }
    expect(algorithm).toBe(type);
    fields.string();
    const point = fields.string().subarray(1);
    const size = point.length / 2;
    const [crv, hash] = { 32: ["P-256", "sha256"], 48: ["P-384", "sha384"], 66: ["P-521", "sha512"] }[size] ?? [];
    const [x, y] = [point.subarray(0, size), point.subarray(size)].map((value) => value.toString("base64url"));
    const key = createPublicKey({ key: { kty: "EC", crv, x, y } as JsonWebKey, format: "jwk" });
    const pair = new SshReader(raw);
    const joined = Buffer.alloc(2 * size);
    for (const end of [size, 2 * size]) {
      const half = pair.integer();
      half.copy(joined, end - half.length);
    }
    return verify(hash, data, { key, dsaEncoding: "ieee-p1363" }, joined);
  }

  test("Ed25519 in PEM", async () => {
    const file = join(root, "ed-pem");
    const pair = generateKeyPairSync("ed25519");
    writeFileSync(file, pair.privateKey.export({ type: "pkcs8", format: "pem" }));
    await using peer = await Peer.open({ ssh: [{ id: "default", paths: [file] }] });
    const [identity] = identities((await talk(peer, [list]))[0]);
    const [answer] = await talk(peer, [signing(identity?.blob ?? Buffer.alloc(0), Buffer.from("x"), 0)]);
    const reader = new SshReader((answer ?? Buffer.alloc(0)).subarray(5));
    reader.string();
    expect(verify(null, Buffer.from("x"), pair.publicKey, reader.string())).toBe(true);
  });

  test("answers nothing but listing and signing", async () => {
    await using peer = await Peer.open({ ssh: [{ id: "default", paths: [keyFile("ed25519")] }] });
    const remove = Buffer.of(19);
    const extension = Buffer.concat([Buffer.of(27), sshString("session-bind@openssh.com")]);
    const answers = await talk(peer, [remove, extension, list]);
    expect(answers.slice(0, 2)).toEqual([Buffer.of(5), Buffer.of(5)]);
    expect(identities(answers[2])).toHaveLength(1);
    expect(await talk(peer, [signing(Buffer.from("other key"), Buffer.from("x"), 0)])).toEqual([Buffer.of(5)]);
  });

  test("forwards to the user's agent, and passes on nothing that could change it", async () => {
    const agent = await KeyAgent.load([keyFile("ed25519")]);
    const asked: (number | undefined)[] = [];
    const server = createServer((socket) => {
      let data: Buffer = Buffer.alloc(0);
      socket.on("data", (chunk) => {
        data = Buffer.concat([data, chunk]);
        void (async () => {
          while (data.length >= 4 && data.length >= 4 + data.readUInt32BE(0)) {
            const request = data.subarray(4, 4 + data.readUInt32BE(0));
            data = data.subarray(4 + request.length);
            asked.push(request[0]);
            socket.write(sshString(await agent.answer(request)));
          }
        })();
      });
    });
    const socket = join(root, "agent.sock");
    await once(server.listen(socket), "listening");
    try {
      await using peer = await Peer.open({ ssh: [{ id: "work", paths: [socket] }] });
      expect((await peer.unary(checkAgent, encodeMessage({ 1: "work" }))).status.code).toBe(0);
      const answers = await talk(peer, [Buffer.of(19), list], "work");
      expect(answers[0]).toEqual(Buffer.of(5));
      expect(identities(answers[1]).map(({ comment }) => comment)).toEqual(["ed25519@test"]);
      expect(asked).toEqual([11]);
    } finally {
      server.close();
    }
  });

  test("says which id, key or agent is not there", async () => {
    const locked = keyFile("locked");
    const plain = join(root, "plain");
    writeFileSync(plain, "not a key");
    const ssh = [
      { id: "locked", paths: [locked] },
      { id: "plain", paths: [plain] },
      { id: "missing", paths: [join(root, "missing-key")] },
    ];
    await using peer = await Peer.open({ ssh });
    const check = async (id: string): Promise<string> =>
      (await peer.unary(checkAgent, encodeMessage({ 1: id }))).status.message;
    expect(await check("other")).toContain('"other"');
    expect(await check("locked")).toMatch(/locked is protected by a passphrase/);
    expect(await check("plain")).toMatch(/plain is neither an agent's socket nor a private key/);
    expect(await check("missing")).toContain("missing-key");
  });
});
