import { constants, createServer, connect, type ServerHttp2Stream } from "node:http2";
import { createConnection, createServer as listen, type AddressInfo, type Server } from "node:net";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { HeaderGuard, PlainHeaders, withoutLongValues } from "../../../../src/engine/buildkit/header-guard.js";

/** A literal field without indexing, its strings not compressed. */
function literal(name: string, value: string): Buffer {
  const text = (string: string): Buffer => {
    const bytes = Buffer.from(string);
    if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
    const length = [127];
    let rest = bytes.length - 127;
    for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) | 0x80);
    return Buffer.concat([Buffer.from([...length, rest]), bytes]);
  };
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}

async function portOf(server: Server): Promise<number> {
  await once(server.listen(0), "listening");
  return (server.address() as AddressInfo).port;
}

/** The trailers of a server that sends this one, through the guard, by chunks of so many bytes. */
async function trailersOf(value: string, chunk: number): Promise<[string, string][]> {
  const server = createServer({ maxSendHeaderBlockLength: Number.MAX_SAFE_INTEGER });
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.respond({ ":status": 200 }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "2", details: value }));
    stream.end("body");
  });
  const port = await portOf(server);
  const relay = listen((local) => {
    const engine = createConnection(port);
    const guard = new HeaderGuard();
    local.pipe(new PlainHeaders()).pipe(engine);
    engine.on("data", (data: Buffer) => {
      for (let at = 0; at < data.length; at += chunk) guard.write(data.subarray(at, at + chunk));
    });
    guard.pipe(local);
    local.on("close", () => engine.destroy());
  });
  const client = connect(`http://localhost:${String(await portOf(relay))}`);
  const all: [string, string][] = [];
  // What is sent behind a shortened block is understood, too.
  for (let call = 0; call < 2; call++) {
    const request = client.request({ ":path": "/" });
    request.resume();
    const [trailers] = (await once(request, "trailers")) as [Record<string, string>];
    all.push([trailers["grpc-status"] ?? "", trailers["details"] ?? ""]);
  }
  client.destroy();
  relay.close();
  server.close();
  return all;
}

describe("a header guard", () => {
  it.each([1, 7, 65_536])("passes short values on, in chunks of %i", async (chunk) => {
    const value = "x".repeat(20_000);
    expect(await trailersOf(value, chunk)).toEqual([
      ["2", value],
      ["2", value],
    ]);
  });

  it("takes a long value out of a block and leaves the rest", () => {
    const [status, long, message] = [
      literal("grpc-status", "2"),
      literal("details", "x".repeat(100_000)),
      literal("m", "y".repeat(30_000)),
    ];
    expect(withoutLongValues(Buffer.concat([status, long, message]))).toEqual(Buffer.concat([status, message]));
    const short = Buffer.concat([status, message]);
    expect(withoutLongValues(short)).toBe(short);
  });

  it("leaves a block alone that others refer to, or that it cannot read", () => {
    const indexed = literal("details", "x".repeat(100_000));
    indexed[0] = 0x40;
    expect(withoutLongValues(indexed)).toBe(indexed);
    const cut = literal("details", "x".repeat(100_000)).subarray(0, 50_000);
    expect(withoutLongValues(cut)).toBe(cut);
  });

  it("shortens what a frame and its continuations hold, however they come", async () => {
    const block = Buffer.concat([literal("grpc-status", "2"), literal("details", "x".repeat(100_000))]);
    const frames: Buffer[] = [frame(0, 0, 1, Buffer.from("body"))];
    for (let at = 0; at < block.length; at += 16_384) {
      const isLast = at + 16_384 >= block.length;
      const flags = (at === 0 ? constants.NGHTTP2_FLAG_END_STREAM : 0) | (isLast ? 4 : 0);
      frames.push(frame(at === 0 ? 1 : 9, flags, 1, block.subarray(at, at + 16_384)));
    }
    frames.push(frame(0, 1, 3, Buffer.from("more")));
    const bytes = Buffer.concat(frames);
    for (const chunk of [9, 1000, bytes.length]) {
      const guard = new HeaderGuard();
      const parts: Buffer[] = [];
      guard.on("data", (part: Buffer) => parts.push(part));
      for (let at = 0; at < bytes.length; at += chunk) guard.write(bytes.subarray(at, at + chunk));
      guard.end();
      await once(guard, "end");
      expect(Buffer.concat(parts)).toEqual(
        Buffer.concat([
          frame(0, 0, 1, Buffer.from("body")),
          frame(1, 5, 1, literal("grpc-status", "2")),
          frame(0, 1, 3, Buffer.from("more")),
        ]),
      );
    }
  });
});

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}
