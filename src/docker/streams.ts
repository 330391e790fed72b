import type { Readable, Writable } from "node:stream";

/** Where the two outputs of a process without a terminal go. */
export interface OutputSinks {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** How a stream of output ended: by itself, or because what read it went away. */
export type OutputEnd = "ended" | "reader gone";

/** So long a stream whose container is gone has to be silent. */
const silenceMs = 500;

/**
 * Copies an engine's stream until it ends, and waits for slow sinks. Without `isTerminal` it is taken apart as the
 * engine multiplexes it (Docker Engine API, ContainerAttach: a byte for the stream, three of zero, the length in four,
 * big-endian, then the payload). Payloads are passed on as they came, not copied. Rejects with the stream's error.
 * `gone` settles when the process's container is gone: an engine may then never end the stream (20.10 does not where the
 * container dies with the process), so a silence ends it.
 */
export function copyOutput(
  source: Readable,
  sinks: OutputSinks,
  isTerminal: boolean,
  gone?: Promise<unknown>,
): Promise<OutputEnd> {
  return new Promise((resolve, reject) => {
    let isGone = false;
    let silence: NodeJS.Timeout | undefined;
    const listen = (): void => {
      clearTimeout(silence);
      if (isGone && waiting.size === 0) silence = setTimeout(ended, silenceMs);
    };
    void gone?.then(() => {
      isGone = true;
      listen();
    });
    const waiting = new Set<Writable>();
    const frames = new FrameReader((stream, payload) => write(stream === 2 ? sinks.stderr : sinks.stdout, payload));
    const drained = new Map<Writable, () => void>();

    const write = (sink: Writable, payload: Buffer): void => {
      if (sink.write(payload) || waiting.has(sink)) return;
      waiting.add(sink);
      source.pause();
      const resume = (): void => {
        waiting.delete(sink);
        drained.delete(sink);
        if (waiting.size === 0) source.resume();
        listen();
      };
      drained.set(sink, resume);
      sink.once("drain", resume);
    };
    const finish = (settle: () => void): void => {
      isGone = false;
      clearTimeout(silence);
      source.off("data", take);
      source.off("end", ended);
      source.off("close", ended);
      source.off("error", failed);
      for (const [sink, resume] of drained) sink.off("drain", resume);
      sinks.stdout.off("error", readerGone);
      settle();
    };
    const take = (chunk: Buffer): void => {
      listen();
      if (isTerminal) write(sinks.stdout, chunk);
      else frames.push(chunk);
    };
    const ended = (): void => finish(() => resolve("ended"));
    const failed = (error: Error): void => finish(() => reject(error));
    const readerGone = (): void => finish(() => resolve("reader gone"));
    source.on("data", take);
    source.once("end", ended);
    source.once("close", ended);
    source.once("error", failed);
    sinks.stdout.once("error", readerGone);
    source.resume();
  });
}

/** Takes frames out of chunks that may be cut anywhere. */
class FrameReader {
  private readonly emit: (stream: number, payload: Buffer) => void;
  private header = Buffer.alloc(0);
  private stream = 0;
  private left = 0;

  constructor(emit: (stream: number, payload: Buffer) => void) {
    this.emit = emit;
  }

  push(chunk: Buffer): void {
    let rest = this.header.length > 0 ? Buffer.concat([this.header, chunk]) : chunk;
    this.header = Buffer.alloc(0);
    while (rest.length > 0) {
      if (this.left === 0) {
        if (rest.length < 8) {
          this.header = Buffer.from(rest);
          return;
        }
        this.stream = rest[0] ?? 1;
        this.left = rest.readUInt32BE(4);
        rest = rest.subarray(8);
      }
      const payload = rest.subarray(0, this.left);
      if (payload.length > 0) this.emit(this.stream, payload);
      this.left -= payload.length;
      rest = rest.subarray(payload.length);
    }
  }
}

/** What a process without a terminal said first. */
export interface FirstLine {
  /** The first line of its standard output, without its end; undefined where it ended before it said one. */
  readonly line: string | undefined;
  /** All else that it said up to then, both outputs. */
  readonly said: string;
}

/** Reads one line of a process's standard output; what follows is left in the stream. Resolves too where the stream fails. */
export function readFirstLine(source: Readable): Promise<FirstLine> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const finish = (line: string | undefined, rest: Buffer): void => {
      source.off("data", take);
      source.off("end", ended);
      source.off("close", ended);
      source.off("error", ended);
      source.pause();
      if (rest.length > 0) source.unshift(rest);
      resolve({ line, said });
    };
    let said = "";
    const take = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      said = "";
      let line = "";
      for (let at = 0; at + 8 <= bytes.length;) {
        const length = bytes.readUInt32BE(at + 4);
        const payload = bytes.subarray(at + 8, at + 8 + length);
        const end = bytes[at] === 2 ? -1 : payload.indexOf(10);
        if (end >= 0) {
          const rest = bytes.subarray(at + 8 + end + 1);
          const left = length - end - 1;
          if (left === 0) return finish(line + payload.subarray(0, end).toString("utf8"), rest);
          // The frame's other half becomes a frame.
          const header = Buffer.from(bytes.subarray(at, at + 8));
          header.writeUInt32BE(left, 4);
          return finish(line + payload.subarray(0, end).toString("utf8"), Buffer.concat([header, rest]));
        }
        if (bytes[at] !== 2) line += payload.toString("utf8");
        said += payload.toString("utf8");
        at += 8 + length;
      }
    };
    const ended = (): void => finish(undefined, Buffer.alloc(0));
    source.on("data", take);
    source.once("end", ended);
    source.once("close", ended);
    source.once("error", ended);
    source.resume();
  });
}
