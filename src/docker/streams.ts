import type { Readable, Writable } from "node:stream";

/** Where the two outputs of a process without a terminal go. */
export interface OutputSinks {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** How a stream of output ended: by itself, or because what read it went away. */
export type OutputEnd = "ended" | "reader gone";

/**
 * Copies an engine's stream until it ends, and waits for slow sinks. Without `isTerminal` it is taken apart as the
 * engine multiplexes it (Docker Engine API, ContainerAttach: a byte for the stream, three of zero, the length in four,
 * big-endian, then the payload). Payloads are passed on as they came, not copied. Rejects with the stream's error.
 */
export function copyOutput(source: Readable, sinks: OutputSinks, isTerminal: boolean): Promise<OutputEnd> {
  return new Promise((resolve, reject) => {
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
      };
      drained.set(sink, resume);
      sink.once("drain", resume);
    };
    const finish = (settle: () => void): void => {
      source.off("data", take);
      source.off("end", ended);
      source.off("close", ended);
      source.off("error", failed);
      for (const [sink, resume] of drained) sink.off("drain", resume);
      sinks.stdout.off("error", readerGone);
      settle();
    };
    const take = (chunk: Buffer): void => {
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
