import { Readable, Writable } from "node:stream";
import type { ClientDuplexStream, Metadata } from "@grpc/grpc-js";
import { ContainerError, type DfdebugError } from "../../errors.js";
import type { Process } from "../engine.js";
import { randomId } from "./connection.js";
import { callError, CallError } from "./failures.js";
import type { ExecMessage, InitMessage, LLBBridgeClient } from "./gen/gateway.js";

type Input = NonNullable<ExecMessage["Input"]>;

/** Bytes of one message to a process; BuildKit copies each message, so large writes are cut. */
const chunkSize = 64 * 1024;

export interface ProcessOptions {
  readonly init: InitMessage;
  readonly tty: { readonly columns: number; readonly rows: number } | undefined;
  readonly stdin: boolean;
  readonly signals: boolean;
}

/**
 * A process in a gateway container: one ExecProcess stream. Its end is Exit (the code), then Done (no more output);
 * with a terminal BuildKit waits for the end of standard input before Done, without one it never sends Exit while a
 * standard input that nobody uses is open.
 */
export class GatewayProcess implements Process {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exited: Promise<number>;

  private readonly id = randomId();
  private readonly stream: ClientDuplexStream<ExecMessage, ExecMessage>;
  private readonly options: ProcessOptions;
  private exitCode: number | undefined;
  private paused = 0;
  private ended = false;

  private constructor(bridge: LLBBridgeClient, metadata: Metadata, options: ProcessOptions, started: Settle) {
    this.options = options;
    this.stream = bridge.execProcess(metadata);
    this.stdout = this.output();
    this.stderr = this.output();
    if (options.tty) this.stderr.push(null);
    this.stdin = new Writable({
      highWaterMark: chunkSize,
      write: (chunk: Buffer, _encoding, done) => this.writeInput(chunk, done),
      final: (done) => {
        this.send({ $case: "File", value: { Fd: 0, EOF: true, Data: Buffer.alloc(0) } });
        done();
      },
    });
    this.stdin.on("error", () => undefined);
    this.exited = new Promise((resolve, reject) => {
      const fail = (error: DfdebugError | CallError): void => {
        this.finish();
        started.reject(error);
        reject(error);
      };
      this.stream.on("data", (message: ExecMessage) => {
        this.receive(message, started, resolve, fail);
      });
      this.stream.on("error", (error) => {
        if (!this.ended) fail(callError(error as Parameters<typeof callError>[0]));
      });
      this.stream.on("end", () => {
        if (!this.ended) fail(new CallError("the process stream ended early", { code: 2 }));
      });
    });
    this.exited.catch(() => undefined);
    this.send({ $case: "Init", value: options.init });
    if (options.tty) this.resize(options.tty.columns, options.tty.rows);
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
    if (this.options.tty) this.send({ $case: "Resize", value: { Cols: columns, Rows: rows } });
  }

  kill(signal: string): void {
    if (this.options.signals) this.send({ $case: "Signal", value: { Name: signal } });
  }

  private receive(
    message: ExecMessage,
    started: Settle,
    resolve: (code: number) => void,
    fail: (error: CallError) => void,
  ): void {
    const input = message.Input;
    switch (input?.$case) {
      case "Started":
        started.resolve();
        break;
      case "File":
        this.deliver(input.value.Fd === 2 ? this.stderr : this.stdout, input.value.Data, input.value.EOF);
        break;
      case "Exit": {
        this.exitCode = input.value.Code;
        const failure = input.value.Error;
        // A non-zero exit comes with an error as well; a process that never ran comes with only the error.
        if (failure && failure.code !== 0 && input.value.Code === 0) {
          fail(new CallError(failure.message, { code: failure.code }));
          return;
        }
        if (failure && failure.code !== 0) started.reject(new CallError(failure.message, { code: failure.code }));
        if (this.options.tty || this.options.stdin)
          this.send({ $case: "File", value: { Fd: 0, EOF: true, Data: Buffer.alloc(0) } });
        break;
      }
      case "Done":
        this.finish();
        resolve(this.exitCode ?? 0);
        break;
      default:
        break;
    }
  }

  private deliver(to: Readable, data: Uint8Array, eof: boolean): void {
    if (data.length > 0 && !to.readableEnded && !to.destroyed && !to.push(data) && ++this.paused === 1)
      this.stream.pause();
    if (eof && !to.readableEnded && !this.options.tty) to.push(null);
  }

  private output(): Readable {
    return new Readable({
      highWaterMark: 1024 * 1024,
      read: () => {
        if (this.paused > 0) {
          this.paused = 0;
          this.stream.resume();
        }
      },
    });
  }

  private writeInput(chunk: Buffer, done: (error?: Error) => void): void {
    let drained = true;
    for (let at = 0; at < chunk.length; at += chunkSize)
      drained = this.send({
        $case: "File",
        value: { Fd: 0, EOF: false, Data: chunk.subarray(at, at + chunkSize) },
      });
    if (drained || this.ended) done();
    else this.stream.once("drain", () => done());
  }

  private send(input: Input): boolean {
    if (this.ended) return true;
    return this.stream.write({ ProcessID: this.id, Input: input });
  }

  private finish(): void {
    if (this.ended) return;
    this.stream.end();
    this.ended = true;
    for (const output of [this.stdout, this.stderr]) if (!output.readableEnded && !output.destroyed) output.push(null);
    this.stdin.destroy();
  }
}

interface Settle {
  resolve(): void;
  reject(error: unknown): void;
}

/** docker's exit codes for a command that could not be started: 127 not found, 126 anything else. runc says which only in words. */
function startError(error: unknown, command: string): unknown {
  if (!(error instanceof CallError)) return error;
  const missing = /no such file or directory|executable file not found|not found/i.test(error.message);
  return new ContainerError(
    missing ? `${command}: not found in the container` : `${command} could not be started: ${lastPart(error.message)}`,
    { code: missing ? "COMMAND_NOT_FOUND" : "COMMAND_NOT_EXECUTABLE", cause: error },
    missing ? 127 : 126,
  );
}

function lastPart(message: string): string {
  return message.replace(/^.*(?:exec|runc)[^:]*: /s, "").trim();
}
