import type { Duplex } from "node:stream";
import { EngineError } from "../errors.js";
import { refusal } from "./errors.js";

/*
 * Requests whose answers are small, and those for another protocol, spoken on the socket itself: they are answered while
 * node:http and node:http2 would still be loaded. What is read as it comes goes through node:http (connection.ts).
 */

/** The head of an answer. */
export interface Head {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
}

const endOfLine = "\r\n";
const endOfHead = "\r\n\r\n";
/** Milliseconds between the end of a socket's input and its loss. */
const endPatience = 500;
/** An answer whose head is longer than this many bytes is none of an engine. */
const longestHead = 64 * 1024;

/**
 * Sends a request and reads the answer's head; what follows is the socket's next input. Rejects with the
 * socket's error, or with EngineError where the answer is no HTTP.
 */
export async function exchange(
  socket: Duplex,
  method: string,
  path: string,
  headers: Readonly<Record<string, string | readonly string[]>>,
  body = "",
): Promise<Head> {
  const lines = Object.entries({ Host: "docker", ...headers }).flatMap(([name, value]) =>
    [value].flat().map((one) => `${name}: ${one}\r\n`),
  );
  socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
  let text = "";
  // latin1: a character is a byte, and an upgraded socket's first frames may follow at once.
  await readUntil(socket, (chunk) => {
    text += chunk.toString("latin1");
    if (text.length > longestHead) throw noHttp();
    return text.includes(endOfHead);
  });
  const end = text.indexOf(endOfHead);
  if (text.length > end + endOfHead.length) socket.unshift(Buffer.from(text.slice(end + endOfHead.length), "latin1"));
  const [first = "", ...rest] = text.slice(0, end).split("\r\n");
  const status = /^HTTP\/1\.\d (\d{3})/.exec(first)?.[1];
  if (status === undefined) throw noHttp();
  return {
    status: Number(status),
    headers: new Map(
      rest.map((line) => {
        const [name = "", ...value] = line.split(":");
        return [name.toLowerCase(), value.join(":").trim()] as const;
      }),
    ),
  };
}

/** What a connection is asked to become. */
export interface Upgrade {
  /** `h2c` for BuildKit's services, `tcp` for the raw streams of a process. */
  readonly protocol: "h2c" | "tcp";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** JSON. */
  readonly body?: string | undefined;
}

/**
 * Asks for a socket that speaks another protocol from the answer on. Rejects as `exchange` does, and with EngineError where
 * the engine refuses.
 */
export async function switchProtocols(socket: Duplex, upgrade: Upgrade): Promise<void> {
  const { protocol, path, headers, body = "" } = upgrade;
  const described = {
    Connection: "Upgrade",
    Upgrade: protocol,
    "Content-Length": String(Buffer.byteLength(body)),
    ...(body === "" ? {} : { "Content-Type": "application/json" }),
    ...headers,
  };
  const head = await exchange(socket, "POST", path, described, body);
  if (head.status !== 101) {
    const text = await readBody(socket, head).catch(() => "");
    throw refusal(head.status, text, "POST", path);
  }
}

/**
 * What follows an answer's head, as text: so many bytes, chunks (RFC 9112, 7.1), or all until the engine closes. Rejects as
 * `exchange` does.
 */
export async function readBody(socket: Duplex, { status, headers }: Head): Promise<string> {
  const length = Number(headers.get("content-length") ?? Number.NaN);
  if (status === 204 || length === 0) return "";
  if (/\bchunked$/i.test(headers.get("transfer-encoding") ?? "")) {
    const body = new ChunkedBody();
    await readUntil(socket, (bytes) => body.take(bytes));
    return Buffer.concat(body.chunks).toString("utf8");
  }
  const chunks: Buffer[] = [];
  let received = 0;
  const take = (bytes: Buffer): boolean => {
    chunks.push(bytes);
    received += bytes.length;
    return received >= length;
  };
  await readUntil(socket, take, { untilEnd: Number.isNaN(length) });
  return Buffer.concat(chunks).toString("utf8");
}

/** A body that comes in chunks, each behind its size in hexadecimal digits; the last one is empty. */
class ChunkedBody {
  readonly chunks: Buffer[] = [];
  private waiting: Buffer[] = [];
  private received = 0;
  /** So many bytes have to wait before there is something to take. */
  private needed = 0;

  /** Whether that was all. Throws EngineError where it is no chunk. */
  take(bytes: Buffer): boolean {
    this.waiting.push(bytes);
    this.received += bytes.length;
    // An engine's answer may be one chunk of megabytes: it is put together once.
    if (this.received < this.needed) return false;
    let rest = Buffer.concat(this.waiting);
    for (;;) {
      const begin = rest.indexOf(endOfLine) + endOfLine.length;
      this.needed = 0;
      if (begin < endOfLine.length) break;
      const size = Number.parseInt(rest.toString("latin1", 0, begin), 16);
      if (Number.isNaN(size)) throw noHttp();
      const end = begin + size;
      this.needed = end + endOfLine.length;
      if (rest.length < this.needed) break;
      if (size === 0) return true;
      this.chunks.push(rest.subarray(begin, end));
      rest = rest.subarray(this.needed);
    }
    this.waiting = [rest];
    this.received = rest.length;
    return false;
  }
}

/** Takes what comes until `take` says that it is enough, or with `untilEnd` until there is no more; the socket is paused then. */
function readUntil(
  socket: Duplex,
  take: (chunk: Buffer) => boolean,
  { untilEnd = false }: { readonly untilEnd?: boolean } = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (error?: unknown): void => {
      socket.off("data", onData);
      socket.off("error", end);
      socket.off("close", onClose);
      socket.off("end", onEnd);
      clearTimeout(ended);
      socket.pause();
      if (error instanceof Error) reject(error);
      else resolve();
    };
    const onData = (chunk: Buffer): void => {
      try {
        if (take(chunk)) end();
      } catch (error) {
        end(error);
      }
    };
    const onClose = (): void => end(closedByEngine());
    // An ssh that died says why a moment later; its stream may never close.
    let ended: NodeJS.Timeout | undefined;
    const onEnd = (): void => {
      if (untilEnd) end();
      else ended = setTimeout(onClose, endPatience);
    };
    if (socket.destroyed) {
      reject(closedByEngine());
      return;
    }
    socket.on("data", onData);
    socket.on("error", end);
    socket.on("close", onClose);
    socket.on("end", onEnd);
    socket.resume();
  });
}

function noHttp(): EngineError {
  return new EngineError("What answers there speaks no HTTP", {
    code: "ENGINE_UNREACHABLE",
    hint: "Is that a Docker engine?",
  });
}

/** As the system says it where it is the one to notice: a lost connection to all who translate errors. */
function closedByEngine(): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error("the engine closed the connection");
  error.code = "ECONNRESET";
  return error;
}
