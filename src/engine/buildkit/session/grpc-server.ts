import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { errorMessage } from "../../../errors.js";
import { log } from "../../../log.js";

/*
 * BuildKit calls its client back: the session is a gRPC server on a socket that the client dialled. grpc-js's server
 * writes every message as an HTTP/2 frame of its own, which is what a context of fifty thousand files costs; here many
 * messages share one write, and writing waits for the other side.
 */

/** gRPC's numbers for how a call ended. */
export const grpcCode = {
  ok: 0,
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  unimplemented: 12,
  internal: 13,
} as const;

/** An error that a handler gives the caller: a code and words for people. */
export class GrpcError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = "GrpcError";
    this.code = code;
  }
}

/** Serves one method; resolves when the call is over. Throws GrpcError for its status. */
export type GrpcHandler = (call: GrpcCall) => Promise<void>;

/** Bytes of messages that are gathered before they are written. */
const batchSize = 64 * 1024;

/** One call: messages in, messages out. */
export class GrpcCall {
  readonly headers: IncomingHttpHeaders;
  private readonly stream: ServerHttp2Stream;
  private batch: Buffer = Buffer.allocUnsafe(batchSize);
  private used = 0;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.stream = stream;
    this.headers = headers;
  }

  /** Where the next message of at most `length` bytes is to be written, and `commit` with its true length; `length` up to a batch. */
  reserve(length: number): { buffer: Buffer; offset: number } {
    if (this.used + length + 5 > batchSize) this.write();
    return { buffer: this.batch, offset: this.used + 5 };
  }

  /** Takes the message that was written at `reserve`'s place. */
  commit(length: number): void {
    this.batch.writeUInt8(0, this.used);
    this.batch.writeUInt32BE(length, this.used + 1);
    this.used += 5 + length;
  }

  /** Sends a message, gathered with its neighbours. */
  send(message: Uint8Array): void {
    if (message.length + 5 <= batchSize) {
      const { buffer, offset } = this.reserve(message.length);
      buffer.set(message, offset);
      this.commit(message.length);
      return;
    }
    this.write();
    const header = Buffer.allocUnsafe(5);
    header.writeUInt8(0, 0);
    header.writeUInt32BE(message.length, 1);
    this.stream.write(header);
    this.stream.write(message);
  }

  /** Writes what was gathered and waits until the other side can take more. Rejects when the call has broken off. */
  async flush(): Promise<void> {
    this.write();
    await this.drained();
  }

  /** Waits while too much is underway. */
  async drained(): Promise<void> {
    if (this.stream.destroyed) throw new GrpcError(grpcCode.internal, "the call broke off");
    if (!this.stream.writableNeedDrain) return;
    await new Promise<void>((resolve, reject) => {
      const done = (): void => {
        this.stream.off("drain", done);
        this.stream.off("close", closed);
        resolve();
      };
      const closed = (): void => {
        this.stream.off("drain", done);
        reject(new GrpcError(grpcCode.internal, "the call broke off"));
      };
      this.stream.once("drain", done);
      this.stream.once("close", closed);
    });
  }

  /** The caller's messages, to their end. */
  async *messages(): AsyncGenerator<Buffer, void, void> {
    let held: Buffer = Buffer.alloc(0);
    for await (const chunk of this.stream as AsyncIterable<Buffer>) {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      let at = 0;
      while (held.length - at >= 5) {
        const length = held.readUInt32BE(at + 1);
        if (held.length - at - 5 < length) break;
        yield held.subarray(at + 5, at + 5 + length);
        at += 5 + length;
      }
      held = held.subarray(at);
    }
  }

  /** The one message of a unary call. */
  async message(): Promise<Buffer> {
    for await (const message of this.messages()) return message;
    return Buffer.alloc(0);
  }

  private write(): void {
    if (this.used === 0) return;
    if (!this.stream.destroyed) this.stream.write(this.batch.subarray(0, this.used));
    this.batch = Buffer.allocUnsafe(batchSize);
    this.used = 0;
  }
}

/** Serves gRPC methods (by path) on one socket until it closes. */
export function serveGrpc(socket: Duplex, handlers: ReadonlyMap<string, GrpcHandler>, onClose: () => void): void {
  const server = createServer({ settings: { initialWindowSize: 4 * 1024 * 1024, maxConcurrentStreams: 1000 } });
  server.on("session", (session: ServerHttp2Session) => {
    session.on("error", (error) => {
      log("session", "http2", { error: error.message });
    });
    session.once("close", onClose);
  });
  server.on("sessionError", (error: Error) => {
    log("session", "http2", { error: error.message });
  });
  server.on("stream", (stream, headers) => {
    void serveCall(stream, headers, handlers);
  });
  server.emit("connection", socket);
}

async function serveCall(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  handlers: ReadonlyMap<string, GrpcHandler>,
): Promise<void> {
  const path = String(headers[":path"]);
  const ended = { code: grpcCode.ok as number, message: "" };
  stream.on("error", (error) => {
    log("session", "call broke off", { path, error: error.message });
  });
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => {
    stream.sendTrailers({
      "grpc-status": String(ended.code),
      ...(ended.message ? { "grpc-message": encodeURIComponent(ended.message) } : {}),
    });
  });
  const call = new GrpcCall(stream, headers);
  try {
    const handler = handlers.get(path);
    if (!handler) throw new GrpcError(grpcCode.unimplemented, `dfdebug does not serve ${path}`);
    await handler(call);
    await call.flush();
  } catch (error) {
    ended.code = error instanceof GrpcError ? error.code : grpcCode.internal;
    ended.message = errorMessage(error);
    log("session", "call failed", { path, code: ended.code });
  }
  if (!stream.destroyed) stream.end();
}
