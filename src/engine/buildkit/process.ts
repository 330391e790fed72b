import { Readable, Writable } from "node:stream";
import type { ClientDuplexStream, Metadata } from "@grpc/grpc-js";
import { ContainerError, type DfdebugError } from "../../errors.js";
import { log } from "../../log.js";
import type { Process } from "../engine.js";
import { randomId } from "./connection.js";
import type { ExitMarker, MarkerReader } from "./exit-marker.js";
import { callError, CallError, cleaned } from "./failures.js";
import type { ExecMessage, InitMessage, LLBBridgeClient } from "./gen/gateway.js";

type Input = NonNullable<ExecMessage["Input"]>;

/** Bytes of one message to a process; BuildKit copies each message, so large writes are cut. */
const chunkSize = 64 * 1024;

export interface ProcessOptions {
  readonly init: InitMessage;
  readonly tty: { readonly columns: number; readonly rows: number } | undefined;
  readonly stdin: boolean;
  readonly signals: boolean;
  /** The command runs under a shell that reports its code; undefined where the container has no shell. */
  readonly marker: ExitMarker | undefined;
}

interface Output {
  readonly stream: Readable;
  readonly reader: MarkerReader | undefined;
  ended: boolean;
}

/**
 * A process in a gateway container: one ExecProcess stream. It has ended when its output carries the exit marker (all of
 * it was delivered then), or by BuildKit's Exit and Done. With a terminal BuildKit waits for the end of standard input
 * before Done; without one it never sends Exit while a standard input that nobody uses is open.
 */
export class GatewayProcess implements Process {
  readonly stdin: Writable;
  readonly exited: Promise<number>;
  /** Settles when the engine's side is over, too: a first process outlives its command. */
  readonly closed: Promise<void>;

  private readonly id = randomId();
  private readonly stream: ClientDuplexStream<ExecMessage, ExecMessage>;
  private readonly options: ProcessOptions;
  private readonly out: Output;
  private readonly err: Output;
  private exitCode: number | undefined;
  private over = false;
  private settle: Settle<number> = { resolve: () => undefined, reject: () => undefined };

  private constructor(bridge: LLBBridgeClient, metadata: Metadata, options: ProcessOptions, started: Settle<void>) {
    this.options = options;
    this.stream = bridge.execProcess(metadata);
    this.out = this.output();
    this.err = this.output();
    if (options.tty) this.endOutput(this.err);
    this.stdin = new Writable({
      highWaterMark: chunkSize,
      write: (chunk: Buffer, _encoding, done) => this.writeInput(chunk, done),
      final: (done) => {
        this.endInput();
        done();
      },
    });
    this.stdin.on("error", () => undefined);
    this.exited = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    this.exited.catch(() => undefined);
    this.closed = new Promise((resolve) => {
      const fail = (error: DfdebugError | CallError): void => {
        this.finish();
        started.reject(error);
        this.settle.reject(error instanceof CallError ? endError(error) : error);
        resolve();
      };
      this.stream.on("data", (message: ExecMessage) => {
        this.receive(message, started, fail);
      });
      this.stream.on("error", (error) => {
        fail(callError(error as Parameters<typeof callError>[0]));
      });
      this.stream.on("end", () => {
        fail(new CallError("the process ended with its container", { code: 2 }));
      });
    });
    this.send({ $case: "Init", value: options.init });
    if (options.tty) this.resize(options.tty.columns, options.tty.rows);
  }

  get stdout(): Readable {
    return this.out.stream;
  }

  get stderr(): Readable {
    return this.err.stream;
  }

  /** Starts it. Rejects with ContainerError, exit code 126 or 127, when the engine cannot. */
  static async start(bridge: LLBBridgeClient, metadata: Metadata, options: ProcessOptions): Promise<GatewayProcess> {
    let process: GatewayProcess | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        process = new GatewayProcess(bridge, metadata, options, { resolve, reject });
      });
    } catch (error) {
      throw startError(error, options.init.Meta?.args[0] ?? "");
    }
    if (!process) throw new Error("unreachable: a started process is assigned before it settles");
    return process;
  }

  resize(columns: number, rows: number): void {
    if (this.options.tty && !this.over) this.send({ $case: "Resize", value: { Cols: columns, Rows: rows } });
  }

  kill(signal: string): void {
    if (this.options.signals && !this.over) this.send({ $case: "Signal", value: { Name: signal } });
  }

  /** Gives the engine's side its end: for a first process that only holds its container. */
  close(): void {
    this.endInput();
    this.stream.end();
  }

  private receive(message: ExecMessage, started: Settle<void>, fail: (error: CallError) => void): void {
    const input = message.Input;
    switch (input?.$case) {
      case "Started":
        log("buildkit", "process started");
        started.resolve();
        break;
      case "File":
        this.deliver(input.value.Fd === 2 ? this.err : this.out, input.value.Data, input.value.EOF);
        break;
      case "Exit": {
        this.exitCode = input.value.Code;
        const failure = input.value.Error;
        // A non-zero exit comes with an error as well; a process that never ran comes with only the error.
        if (failure && failure.code !== 0) {
          const error = new CallError(failure.message, { code: failure.code });
          if (input.value.Code === 0 || this.options.marker) {
            fail(error);
            return;
          }
          started.reject(error);
        }
        if (this.options.tty || this.options.stdin) this.endInput();
        break;
      }
      case "Done":
        this.finish();
        this.settle.resolve(this.exitCode ?? 0);
        this.stream.end();
        break;
      default:
        break;
    }
  }

  private deliver(output: Output, data: Buffer, eof: boolean): void {
    if (output.ended) return;
    const bytes = output.reader ? output.reader.take(data) : data;
    if (bytes.length > 0 && !output.stream.push(bytes)) this.stream.pause();
    if (output.reader?.code !== undefined) {
      this.endOutput(output);
      const both = this.options.tty ? this.out : output === this.out ? this.err : this.out;
      if (both.ended) {
        this.finish();
        this.settle.resolve(output.reader.code);
      }
    } else if (eof && !this.options.tty) this.endOutput(output);
  }

  private output(): Output {
    const stream = new Readable({
      highWaterMark: 1024 * 1024,
      read: () => {
        if (this.stream.isPaused()) this.stream.resume();
      },
    });
    return { stream, reader: this.options.marker?.reader(), ended: false };
  }

  private endOutput(output: Output): void {
    if (output.ended) return;
    output.ended = true;
    const rest = output.reader?.rest();
    if (rest && rest.length > 0) output.stream.push(rest);
    output.stream.push(null);
  }

  private writeInput(chunk: Buffer, done: (error?: Error) => void): void {
    if (this.over) {
      done();
      return;
    }
    let drained = true;
    for (let at = 0; at < chunk.length; at += chunkSize)
      drained = this.send({ $case: "File", value: { Fd: 0, EOF: false, Data: chunk.subarray(at, at + chunkSize) } });
    if (drained) done();
    else this.stream.once("drain", () => done());
  }

  private endInput(): void {
    if (!this.stream.writableEnded) this.send({ $case: "File", value: { Fd: 0, EOF: true, Data: Buffer.alloc(0) } });
  }

  private send(input: Input): boolean {
    if (this.stream.writableEnded || this.stream.destroyed) return true;
    return this.stream.write({ ProcessID: this.id, Input: input });
  }

  /** The command is over: nothing more is read or written for it. */
  private finish(): void {
    if (this.over) return;
    this.over = true;
    this.endOutput(this.out);
    this.endOutput(this.err);
    // What else the engine sends must not fill its window.
    this.stream.resume();
    this.stdin.destroy();
  }
}

interface Settle<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** A container that runc could not start says so only when its first process is already said to run. */
function endError(error: CallError): ContainerError {
  return new ContainerError(`Nothing can be run in this step's container: ${cleaned(error.message)}`, {
    code: "CONTAINER_CREATE",
    cause: error,
    hint: "What the step's user, mounts or directory lack has to be there first; ls and cat look at its files without a container.",
  });
}

/** docker's exit codes for a command that could not be started: 127 not found, 126 anything else. runc says which only in words. */
function startError(error: unknown, command: string): unknown {
  if (!(error instanceof CallError)) return error;
  const missing = /no such file or directory|executable file not found|not found/i.test(error.message);
  return new ContainerError(
    missing ? `${command}: not found in the container` : `${command} could not be started: ${error.message}`,
    { code: missing ? "COMMAND_NOT_FOUND" : "COMMAND_NOT_EXECUTABLE", cause: error },
    missing ? 127 : 126,
  );
}
