import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { DfdebugError, errorMessage } from "../../../errors.js";
import { log } from "../../../log.js";
import { frame, MessageSplitter } from "./grpc-frames.js";

/** gRPC status codes that a session answers with. */
export const grpcCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  notFound: 5,
  unimplemented: 12,
} as const;

/** What a handler throws to answer with a status of its own; everything else becomes UNKNOWN with its message. */
export class GrpcStatusError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** One call from the other side. It ends when its handler does, or when `signal` aborts. */
export interface GrpcCall {
  /** All values of a metadata key (lower case), in order; empty where it was not sent. */
  metadata(key: string): readonly string[];
  /** The messages as they arrive, as many at a time as there are; ends when the other side has closed its half. */
  readonly messages: AsyncIterable<readonly Buffer[]>;
  /** Writes bytes that are whole gRPC frames; `sent` is called when they may be overwritten, with an error where they were not sent. */
  write(frames: Uint8Array, sent?: (error?: Error | null) => void): void;
  /** Sends one message and waits until it was handed to the socket. */
  send(message: Uint8Array): Promise<void>;
  /** Aborts when the other side cancels, or the connection is lost. */
  readonly signal: AbortSignal;
}

export type GrpcMethod =
  | { readonly kind: "unary"; readonly answer: (request: Buffer, call: GrpcCall) => Promise<Uint8Array> | Uint8Array }
  | { readonly kind: "stream"; readonly run: (call: GrpcCall) => Promise<void> };

/** Receive windows, in bytes: the other side sends little but uploads of results, and must never wait for us. */
const streamWindow = 1 << 20;
const connectionWindow = 16 << 20;

/**
 * A gRPC server on one connection that exists already. It is no grpc-js, which spends on each message what thousands of
 * small messages cannot afford: handlers write batches of framed messages themselves.
 */
export class GrpcServer {
  /** Resolves when the connection has ended, for whatever reason. */
  readonly closed: Promise<void>;
  private readonly methods: ReadonlyMap<string, GrpcMethod>;
  private readonly server: Http2Server;
  private readonly sessions = new Set<ServerHttp2Session>();
  private finish: () => void = () => undefined;

  constructor(methods: ReadonlyMap<string, GrpcMethod>) {
    this.methods = methods;
    this.closed = new Promise((resolve) => {
      this.finish = resolve;
    });
    this.server = createServer({
      settings: { initialWindowSize: streamWindow, maxConcurrentStreams: 1000 },
      maxSessionMemory: 128,
    });
    this.server.on("session", (session) => {
      this.sessions.add(session);
      session.setLocalWindowSize(connectionWindow);
      session.on("close", () => this.sessions.delete(session));
      session.on("error", (error: Error) => {
        log("session", "http2", { error: error.message });
      });
    });
    this.server.on("sessionError", (error: Error) => {
      log("session", "http2", { error: error.message });
    });
    // The raw headers are Node's fourth argument since version 8; @types/node leaves them out.
    const onStream = (
      stream: ServerHttp2Stream,
      headers: IncomingHttpHeaders,
      _flags: number,
      rawHeaders: readonly string[],
    ): void => {
      void this.handle(stream, headers[":path"] ?? "", rawHeaders);
    };
    this.server.on("stream", onStream as never);
  }

  /** Serves on `socket`, which is the server's from now on. */
  serve(socket: Duplex): void {
    socket.once("close", this.finish);
    // Over TLS Node's server goes by ALPN alone, which docker's engine has none of: HTTP/2 was agreed by the upgrade.
    if (socket instanceof TLSSocket) socket.alpnProtocol = "h2";
    // Emitting a connection is the documented way to hand over a socket that was not accepted by the server itself.
    this.server.emit("connection", socket);
  }

  close(): void {
    for (const session of this.sessions) session.destroy();
    this.finish();
  }

  private async handle(stream: ServerHttp2Stream, path: string, rawHeaders: readonly string[]): Promise<void> {
    const abort = new AbortController();
    log("session", "call", { path });
    stream.on("error", (error) => {
      log("session", "call failed", { path, error: error.message });
    });
    stream.once("close", () => {
      abort.abort();
    });
    const method = this.methods.get(path);
    let status: { code: number; message: string } = { code: grpcCode.ok, message: "" };
    // The trailers are asked for when the body is through; a call without messages sends them in its only header block.
    stream.once("wantTrailers", () => {
      stream.sendTrailers({ "grpc-status": String(status.code), "grpc-message": encodeURIComponent(status.message) });
    });
    try {
      if (!method) throw new GrpcStatusError(grpcCode.unimplemented, `dfdebug does not serve ${path}`);
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      const call = new Call(stream, rawHeaders, abort.signal);
      if (method.kind === "stream") await method.run(call);
      else await call.send(await method.answer(await call.only(), call));
    } catch (error) {
      status = statusOf(error);
      if (!abort.signal.aborted) log("session", "call refused", { path, code: status.code });
    }
    log("session", "answered", { path });
    if (stream.destroyed || stream.closed) return;
    if (stream.headersSent) stream.end();
    else
      stream.respond(
        {
          ":status": 200,
          "content-type": "application/grpc",
          "grpc-status": String(status.code),
          "grpc-message": encodeURIComponent(status.message),
        },
        { endStream: true },
      );
    // What the other side still sends is of no use, but a full window would keep the stream open.
    stream.resume();
  }
}

function statusOf(error: unknown): { code: number; message: string } {
  if (error instanceof GrpcStatusError) return { code: error.code, message: error.message };
  if (error instanceof DfdebugError) return { code: grpcCode.unknown, message: error.message };
  return { code: grpcCode.unknown, message: errorMessage(error) };
}

class Call implements GrpcCall {
  readonly signal: AbortSignal;
  private readonly stream: ServerHttp2Stream;
  private readonly rawHeaders: readonly string[];

  constructor(stream: ServerHttp2Stream, rawHeaders: readonly string[], signal: AbortSignal) {
    this.stream = stream;
    this.rawHeaders = rawHeaders;
    this.signal = signal;
  }

  /** From the raw list: Node's headers object joins repeated values with a comma, which a value may have in it. */
  metadata(key: string): readonly string[] {
    const values: string[] = [];
    for (let index = 0; index + 1 < this.rawHeaders.length; index += 2) {
      const value = this.rawHeaders[index + 1];
      if (this.rawHeaders[index]?.toLowerCase() === key && value !== undefined) values.push(value);
    }
    return values;
  }

  get messages(): AsyncIterable<readonly Buffer[]> {
    return split(this.stream);
  }

  write(frames: Uint8Array, sent?: (error?: Error | null) => void): void {
    this.stream.write(frames, sent);
  }

  send(message: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.stream.write(frame(message), (error) => {
        if (error) reject(error);
        else resolve();
      });
    });
  }

  /** The request of a unary call. */
  async only(): Promise<Buffer> {
    for await (const batch of this.messages) {
      const [first] = batch;
      if (first) return first;
    }
    throw new GrpcStatusError(grpcCode.invalidArgument, "the request is empty");
  }
}

async function* split(stream: ServerHttp2Stream): AsyncGenerator<readonly Buffer[], void, undefined> {
  const splitter = new MessageSplitter();
  for await (const chunk of stream.iterator({ destroyOnReturn: false })) {
    const batch = splitter.push(chunk as Buffer);
    if (batch.length > 0) yield batch;
  }
}
