import type { Readable, Writable } from "node:stream";
import { LendingSocket } from "./lending-socket.js";

/** Where the two outputs of a process without a terminal go. */
export interface OutputSinks {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** How a stream of output ended: by itself, or because what read it went away. */
export type OutputEnd = "ended" | "reader gone";

export interface CopyOptions {
  /** The output of a terminal: one stream, as it is. Else it is taken apart. */
  readonly isTerminal: boolean;
  /**
   * Settles when the process's container is gone: an engine may then never end the stream (20.10 does not where the container
   * dies with the process), so a silence ends it.
   */
  readonly gone?: Promise<unknown> | undefined;
  /** The sinks have no use for what they are given once it is written; a socket then lends it (lending-socket.ts). */
  readonly lends?: boolean | undefined;
}

/** So long a stream whose container is gone has to be silent; milliseconds. */
const silenceMs = 500;
/** So many chunks may wait for a slow sink. */
const chunksAhead = 4;

/**
 * Copies an engine's stream until it ends, and waits for slow sinks. Without `isTerminal` it is taken apart as the
 * engine multiplexes it (Docker Engine API, ContainerAttach: a byte for the stream, three of zero, the length in four,
 * big-endian, then the payload). Rejects with the stream's error.
 */
export function copyOutput(source: Readable, sinks: OutputSinks, options: CopyOptions): Promise<OutputEnd> {
  const { isTerminal, gone, lends = false } = options;
  const { stdout } = sinks;
  return new Promise((resolve, reject) => {
    let isGone = false;
    let silence: NodeJS.Timeout | undefined;
    /** Chunks that are not yet written. */
    let waiting = 0;
    let isPaused = false;
    const listen = (): void => {
      clearTimeout(silence);
      if (isGone && waiting === 0) silence = setTimeout(ended, silenceMs);
    };
    void gone?.then(() => {
      isGone = true;
      listen();
    });

    const take = (chunk: Buffer, done: () => void): void => {
      waiting += 1;
      let writes = 1;
      const written = (): void => {
        writes -= 1;
        if (writes > 0) return;
        waiting -= 1;
        done();
        if (isGone) listen();
      };
      const write = (stream: number, payload: Buffer): void => {
        writes += 1;
        (stream === 2 ? sinks.stderr : stdout).write(payload, written);
      };
      if (isTerminal) write(1, chunk);
      else frames.push(chunk, write);
      written();
    };
    const frames = new FrameReader();
    const onData = (chunk: Buffer): void => {
      take(chunk, onWritten);
      if (waiting < chunksAhead) return;
      isPaused = true;
      source.pause();
    };
    const onWritten = (): void => {
      if (!isPaused || waiting >= chunksAhead) return;
      isPaused = false;
      source.resume();
    };
    const finish = (settle: () => void): void => {
      isGone = false;
      isPaused = false;
      clearTimeout(silence);
      if (lender) lender.lend(undefined);
      source.off("data", onData);
      source.off("end", ended);
      source.off("close", ended);
      source.off("error", failed);
      stdout.off("error", readerGone);
      settle();
    };
    const ended = (): void => finish(() => resolve("ended"));
    const failed = (error: Error): void => finish(() => reject(error));
    const readerGone = (): void => finish(() => resolve("reader gone"));
    source.once("end", ended);
    source.once("close", ended);
    source.once("error", failed);
    stdout.once("error", readerGone);
    const lender = lends && source instanceof LendingSocket ? source : undefined;
    if (lender) {
      lender.lend(take);
      return;
    }
    source.on("data", onData);
    source.resume();
  });
}

/**
 * Passes a process's input on until it ends, and its end too where `ends`; waits for a slow `sink`. An input that breaks off
 * has ended. What `sink` makes of an error is the caller's. Returns what stops it.
 */
export function copyInput(source: Readable, sink: Writable, ends = true): () => void {
  const ended = (): void => {
    if (ends) sink.end();
  };
  source.on("error", ended);
  if (!(source instanceof LendingSocket)) {
    source.pipe(sink, { end: ends });
    return () => {
      source.unpipe(sink);
      source.pause();
    };
  }
  source.once("end", ended);
  // What was refused is never given back: nothing more is read then.
  source.lend((chunk, done) => sink.write(chunk, (error) => error ?? done()));
  return () => {
    source.off("end", ended);
    source.lend(undefined);
  };
}

/** Takes frames out of chunks that may be cut anywhere. */
class FrameReader {
  private readonly header = Buffer.alloc(headerBytes);
  private headerLength = 0;
  private stream = 0;
  private left = 0;

  /**
   * Calls `emit` with the payloads in a chunk. Those of one stream that follow each other are moved together, over the
   * headers between them: the bytes move more cheaply than each small one is written.
   */
  push(chunk: Buffer, emit: (stream: number, payload: Buffer) => void): void {
    let run = { stream: 0, start: 0, end: 0 };
    const flush = (): void => {
      if (run.end > run.start) emit(run.stream, chunk.subarray(run.start, run.end));
    };
    for (let at = 0; at < chunk.length;) {
      if (this.left === 0) {
        const taken = chunk.copy(this.header, this.headerLength, at, at + headerBytes - this.headerLength);
        this.headerLength += taken;
        at += taken;
        if (this.headerLength < headerBytes) break;
        this.headerLength = 0;
        this.stream = this.header[0] ?? 1;
        this.left = this.header.readUInt32BE(4);
        continue;
      }
      const length = Math.min(this.left, chunk.length - at);
      if (run.end > run.start && this.stream === run.stream) {
        chunk.copyWithin(run.end, at, at + length);
        run.end += length;
      } else {
        flush();
        run = { stream: this.stream, start: at, end: at + length };
      }
      this.left -= length;
      at += length;
    }
    flush();
  }
}

const headerBytes = 8;

/** What a process said first. */
export interface FirstLine {
  /** The first line of its standard output, without its end; undefined where it ended before it said one. */
  readonly line: string | undefined;
  /** All else that it said up to then, both outputs. */
  readonly said: string;
}

/**
 * Reads one line of a process's standard output; what else it said is left in the stream, its other output too: an engine passes
 * on what was said at the same moment in any order. A terminal has both outputs in one, so there `isMeant` says which line it
 * is. Resolves too where the stream fails.
 */
export function readFirstLine(source: Readable, isMeant?: (line: string) => boolean): Promise<FirstLine> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const finish = (line: string | undefined, rest: readonly Buffer[]): void => {
      source.off("data", take);
      source.off("end", ended);
      source.off("close", ended);
      source.off("error", ended);
      source.pause();
      const left = Buffer.concat(rest);
      if (left.length > 0) source.unshift(left);
      resolve({ line, said });
    };
    let said = "";
    const take = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      said = "";
      let line = "";
      if (isMeant) {
        said = bytes.toString("utf8");
        for (let at = 0, end = bytes.indexOf(10); end >= 0; at = end + 1, end = bytes.indexOf(10, at)) {
          line = bytes.toString("utf8", at, end).replace(/\r$/, "");
          if (isMeant(line)) return finish(line, [bytes.subarray(0, at), bytes.subarray(end + 1)]);
        }
        return;
      }
      const errors: Buffer[] = [];
      for (let at = 0; at + headerBytes <= bytes.length;) {
        const from = at + headerBytes;
        const length = bytes.readUInt32BE(at + 4);
        const payload = bytes.subarray(from, from + length);
        const isError = bytes[at] === 2;
        const end = isError ? -1 : payload.indexOf(10);
        if (end >= 0) {
          const rest = bytes.subarray(from + end + 1);
          const left = length - end - 1;
          // The frame's other half becomes a frame.
          const header = Buffer.from(bytes.subarray(at, from));
          header.writeUInt32BE(left, 4);
          return finish(line + payload.subarray(0, end).toString("utf8"), [
            ...errors,
            ...(left > 0 ? [header] : []),
            rest,
          ]);
        }
        if (isError) errors.push(bytes.subarray(at, from + length));
        else line += payload.toString("utf8");
        said += payload.toString("utf8");
        at = from + length;
      }
    };
    const ended = (): void => finish(undefined, []);
    source.on("data", take);
    source.once("end", ended);
    source.once("close", ended);
    source.once("error", ended);
    source.resume();
  });
}
