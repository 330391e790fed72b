import { createServer, connect, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { exchange, readBody } from "../../../src/docker/exchange.js";

let server: Server | undefined;

afterEach(() => server?.close());

/** A socket to what answers a request with these parts, each some time after the other. */
async function answering(parts: readonly (string | Buffer)[], atEnd: (socket: Socket) => void): Promise<Socket> {
  server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      void (async () => {
        for (const part of parts) {
          socket.write(part);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        atEnd(socket);
      })();
    });
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server?.once("listening", resolve));
  const { port } = server.address() as { port: number };
  const socket = connect(port, "127.0.0.1");
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
}

async function bodyOf(parts: readonly (string | Buffer)[], atEnd: (socket: Socket) => void = () => undefined) {
  const socket = await answering(parts, atEnd);
  try {
    return await readBody(socket, await exchange(socket, "GET", "/x", {}));
  } finally {
    socket.destroy();
  }
}

const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

describe("the body of an answer", () => {
  it("is as long as it says, and no longer", async () => {
    expect(await bodyOf(["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe", "llo"])).toBe("hello");
    expect(await bodyOf(["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])).toBe("");
    expect(await bodyOf(["HTTP/1.1 204 No Content\r\n\r\n"])).toBe("");
  });

  it("is put together of chunks, wherever they are cut", async () => {
    const text = '{"a":"\u00e9 0\\r\\n"}';
    const bytes = Buffer.from(text);
    const answer = Buffer.concat([
      Buffer.from(`${chunked}7\r\n`),
      bytes.subarray(0, 7),
      Buffer.from(`\r\n${(bytes.length - 7).toString(16).toUpperCase()}\r\n`),
      bytes.subarray(7),
      Buffer.from("\r\n0\r\n\r\n"),
    ]);
    for (let cut = chunked.length - 2; cut < answer.length; cut++)
      expect(await bodyOf([answer.subarray(0, cut), answer.subarray(cut)])).toBe(text);
  });

  it("is no shorter for a chunk that ends as the last one does", async () => {
    expect(await bodyOf([`${chunked}5\r\n0\r\n\r\n\r\n`, "1\r\nx\r\n0\r\n\r\n"])).toBe("0\r\n\r\nx");
  });

  it("ends with the connection where its length is not told", async () => {
    expect(await bodyOf(["HTTP/1.0 200 OK\r\n\r\none", " two"], (socket) => socket.end())).toBe("one two");
  });

  it("is lost with the connection before its end", async () => {
    for (const answer of ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", `${chunked}9\r\nshort`])
      await expect(bodyOf([answer], (socket) => socket.destroy())).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  it("is refused where it is no chunk", async () => {
    await expect(bodyOf([`${chunked}zz\r\n`])).rejects.toThrow("speaks no HTTP");
  });
});
