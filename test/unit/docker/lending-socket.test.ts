import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LendingSocket } from "../../../src/docker/lending-socket.js";
import { copyInput, copyOutput } from "../../../src/docker/streams.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dfdebug-lending-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Both ends of a connection. */
async function pair(): Promise<{ near: LendingSocket; far: Socket }> {
  const path = join(folder, "socket");
  const server = createServer().listen(path);
  await once(server, "listening");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const near = new LendingSocket();
  near.connect(path);
  const [far] = await accepted;
  server.close();
  return { near, far };
}

/** Keeps copies, as what it is lent is read over. */
function sink(): { stream: Writable; bytes: () => Buffer } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(Buffer.from(chunk));
      setImmediate(done);
    },
  });
  return { stream, bytes: () => Buffer.concat(chunks) };
}

function frame(stream: 1 | 2, payload: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

describe("a lending socket", () => {
  it("is a socket as any other before it lends", async () => {
    const { near, far } = await pair();
    far.write("one");
    expect(String((await once(near, "data"))[0])).toBe("one");
    near.pause();
    near.unshift(Buffer.from("two"));
    far.end("three");
    const text: string[] = [];
    near.lend((chunk, done) => {
      text.push(chunk.toString());
      done();
    });
    await once(near, "end");
    expect(text.join("")).toBe("twothree");
  });

  it("uses the same few buffers again", async () => {
    const { near, far } = await pair();
    const memory = new Set<ArrayBufferLike>();
    let length = 0;
    near.lend((chunk, done) => {
      memory.add(chunk.buffer);
      length += chunk.length;
      setImmediate(done);
    });
    const block = Buffer.alloc(1 << 20);
    for (let number = 0; number < 32; number++) if (!far.write(block)) await once(far, "drain");
    far.end();
    await once(near, "end");
    expect(length).toBe(32 << 20);
    expect(memory.size).toBeLessThanOrEqual(4);
  });

  it("stops reading while its borrower has all, and goes on", async () => {
    const { near, far } = await pair();
    const kept: (() => void)[] = [];
    let length = 0;
    near.lend((chunk, done) => {
      length += chunk.length;
      kept.push(done);
    });
    far.end(Buffer.alloc(8 << 20));
    while (kept.length < 3) await turn();
    for (let round = 0; round < 20; round++) await turn();
    expect(kept.length).toBe(3);
    const ended = once(near, "end");
    const giveBack = setInterval(() => kept.splice(0).forEach((done) => done()));
    await ended;
    clearInterval(giveBack);
    expect(length).toBe(8 << 20);
  });
});

describe("copying from a lending socket", () => {
  it.each([1, 10, 1000, 32_768, 200_000])("takes frames of %i bytes apart, byte for byte", async (size) => {
    const { near, far } = await pair();
    const payload = randomBytes(Math.min(size * 2000, 4 << 20));
    const [stdout, stderr] = [sink(), sink()];
    const copying = copyOutput(
      near,
      { stdout: stdout.stream, stderr: stderr.stream },
      { isTerminal: false, lends: true },
    );
    const expected: [Buffer[], Buffer[]] = [[], []];
    const frames: Buffer[] = [];
    for (let at = 0, number = 0; at < payload.length; at += size, number++) {
      const part = payload.subarray(at, at + size);
      const which = number % 5 === 3 ? 1 : 0;
      expected[which].push(part);
      frames.push(frame(which === 1 ? 2 : 1, part));
    }
    far.end(Buffer.concat(frames));
    expect(await copying).toBe("ended");
    for (const { stream } of [stdout, stderr]) await once(stream.end(), "finish");
    expect(stdout.bytes().equals(Buffer.concat(expected[0]))).toBe(true);
    expect(stderr.bytes().equals(Buffer.concat(expected[1]))).toBe(true);
  });

  it("passes an input on, and its end", async () => {
    const { near, far } = await pair();
    const payload = randomBytes(3 << 20);
    const received = sink();
    copyInput(near, received.stream);
    far.end(payload);
    await once(received.stream, "finish");
    expect(received.bytes().equals(payload)).toBe(true);
  });

  it("leaves the rest of an input that was stopped", async () => {
    const { near, far } = await pair();
    const received = new PassThrough();
    const stop = copyInput(near, received, false);
    far.write("one");
    expect(String((await once(received, "data"))[0])).toBe("one");
    stop();
    far.end("two");
    const text: string[] = [];
    near.on("data", (chunk: Buffer) => text.push(chunk.toString()));
    await once(near.resume(), "end");
    expect(text).toEqual(["two"]);
  });

  it("reads no more of an input that nobody takes", async () => {
    const { near, far } = await pair();
    const gone = new Writable({ write: (_chunk, _encoding, done) => done(new Error("EPIPE")) });
    const refused = once(gone, "error");
    copyInput(near, gone);
    far.on("error", () => undefined);
    far.write(Buffer.alloc(16 << 20));
    await refused.catch(() => undefined);
    for (let round = 0; round < 20; round++) await turn();
    expect(near.bytesRead).toBeLessThan(1 << 20);
    near.destroy();
  });
});
