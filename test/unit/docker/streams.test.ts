import { Duplex, PassThrough, Writable } from "node:stream";
import { describe, expect, it } from "vitest";
import { copyOutput, readFirstLine } from "../../../src/docker/streams.js";

/** A frame as the engine multiplexes two outputs over one connection. */
function frame(stream: 1 | 2, text: string): Buffer {
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(Buffer.byteLength(text), 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

/** A connection that brings these bytes, cut into pieces of `size`. */
function connection(bytes: Buffer, size: number, ends = true): Duplex {
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  for (let at = 0; at < bytes.length; at += size) stream.push(bytes.subarray(at, at + size));
  if (ends) stream.push(null);
  return stream;
}

function sink(): { stream: Writable; text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({ write: (chunk: Buffer, _encoding, done) => (chunks.push(chunk), done()) });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

const output = Buffer.concat([frame(1, "one\n"), frame(2, "warn\n"), frame(1, "two\nthree"), frame(1, "")]);

describe("copyOutput", () => {
  it.each([1, 3, 8, 11, 1000])("takes frames apart that come in pieces of %i bytes", async (size) => {
    const [stdout, stderr] = [sink(), sink()];
    const end = await copyOutput(
      connection(output, size),
      { stdout: stdout.stream, stderr: stderr.stream },
      { isTerminal: false },
    );
    expect([end, stdout.text(), stderr.text()]).toEqual(["ended", "one\ntwo\nthree", "warn\n"]);
  });

  it("waits for a sink that is slow", async () => {
    const slow = new PassThrough({ highWaterMark: 1 });
    const copying = copyOutput(
      connection(output, 4),
      { stdout: slow, stderr: new PassThrough() },
      { isTerminal: false },
    );
    const chunks: Buffer[] = [];
    slow.on("data", (chunk: Buffer) => chunks.push(chunk));
    expect(await copying).toBe("ended");
    slow.end();
    expect(Buffer.concat(chunks).toString()).toBe("one\ntwo\nthree");
  });

  it("ends when its reader goes away", async () => {
    const gone = new Writable({ write: (_chunk, _encoding, done) => done(new Error("EPIPE")) });
    const end = await copyOutput(
      connection(output, 1000, false),
      { stdout: gone, stderr: sink().stream },
      { isTerminal: false },
    );
    expect(end).toBe("reader gone");
  });

  it("ends a stream that stays open after its container is gone", async () => {
    const stdout = sink();
    const sinks = { stdout: stdout.stream, stderr: sink().stream };
    expect(await copyOutput(connection(output, 7, false), sinks, { isTerminal: false, gone: Promise.resolve() })).toBe(
      "ended",
    );
    expect(stdout.text()).toBe("one\ntwo\nthree");
  });
});

describe("readFirstLine", () => {
  it.each([1, 5, 12, 1000])("leaves all else in the stream, in pieces of %i bytes", async (size) => {
    const source = connection(Buffer.concat([frame(2, "note\n"), frame(1, "rea"), frame(1, "dy\nmore"), output]), size);
    expect(await readFirstLine(source)).toEqual({ line: "ready", said: "note\nrea" });
    const [stdout, stderr] = [sink(), sink()];
    await copyOutput(source, { stdout: stdout.stream, stderr: stderr.stream }, { isTerminal: false });
    expect([stdout.text(), stderr.text()]).toEqual(["moreone\ntwo\nthree", "note\nwarn\n"]);
  });

  it("reads the line that is meant of a terminal, and leaves all else", async () => {
    const source = connection(Buffer.from("sh: a warning\r\nready\r\n# "), 3);
    expect(await readFirstLine(source, (line) => line === "ready")).toMatchObject({ line: "ready" });
    const stdout = sink();
    await copyOutput(source, { stdout: stdout.stream, stderr: stdout.stream }, { isTerminal: true });
    expect(stdout.text()).toBe("sh: a warning\r\n# ");
  });

  it("tells what was said where no line came", async () => {
    const source = connection(Buffer.concat([frame(1, "half"), frame(2, " an error")]), 9);
    expect(await readFirstLine(source)).toEqual({ line: undefined, said: "half an error" });
  });
});
