import type { IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import { EngineError, cancellation } from "../errors.js";
import { Lifetime } from "../lifetime.js";
import type { DockerEndpoint } from "./endpoint.js";
import { dial, type ConnectOptions } from "./dial.js";
import { dialError, noAnswer, refusal, responseError } from "./errors.js";
import { exchange, readBody, switchProtocols, type Upgrade } from "./exchange.js";

/** The newest API version whose behaviour dfdebug was written for, and the oldest it works with (Engine 19.03). */
const newestApi = "1.51";
const oldestApi = "1.40";

export interface RequestOptions extends ConnectOptions {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON. */
  readonly body?: object | Duplex | Buffer;
}

/** A Docker engine: every request is a connection of its own, so nothing is left open between them. */
export class DockerConnection implements AsyncDisposable {
  readonly endpoint: DockerEndpoint;
  /** Negotiated: the older of ours and the engine's. */
  readonly apiVersion: string;
  /** As the engine names itself in each answer: `20.10.24+dfsg1`; empty where it does not. */
  readonly engineVersion: string;
  /** It is Podman, which answers the Docker Engine API and has no BuildKit: its /grpc takes the upgrade and stays silent. */
  readonly isPodman: boolean;
  private readonly lifetime = new Lifetime();

  private constructor(endpoint: DockerEndpoint, apiVersion: string, server: EngineName) {
    this.endpoint = endpoint;
    this.apiVersion = apiVersion;
    this.engineVersion = server.version;
    this.isPodman = server.isPodman;
  }

  /** Pings the engine and agrees on an API version. Rejects with EngineError. */
  static async connect(endpoint: DockerEndpoint, options: ConnectOptions): Promise<DockerConnection> {
    const { status, headers } = await spoken(endpoint, options, async (socket) => {
      const head = await exchange(socket, "GET", "/_ping", { Connection: "close" });
      socket.destroy();
      return head;
    }).catch((error: unknown) => {
      throw error instanceof EngineError && error.code === "ENGINE_LOST" ? noAnswer(endpoint, error) : error;
    });
    if (status >= 400) throw noAnswer(endpoint, undefined, status);
    const offered = headers.get("api-version") ?? "1.41";
    if (compareVersions(offered, oldestApi) < 0)
      throw new EngineError(`The engine at ${endpoint.host} is too old: it speaks API ${offered}`, {
        code: "ENGINE_TOO_OLD",
        hint: `dfdebug needs API ${oldestApi}, Docker Engine 19.03 or later.`,
      });
    const agreed = compareVersions(offered, newestApi) < 0 ? offered : newestApi;
    return new DockerConnection(endpoint, agreed, engineName(headers.get("server")));
  }

  /**
   * A socket that carries a process's raw streams after the engine agreed (POST to /containers/ID/attach and
   * /exec/ID/start). Ending it is the end of the process's input, and leaves its output open. Rejects with EngineError.
   */
  hijack(path: string, options: RequestOptions = {}): Promise<Duplex> {
    const { body, query } = options;
    return upgrade(
      this.endpoint,
      {
        protocol: "tcp",
        path: `/v${this.apiVersion}${path}${queryString(query)}`,
        body: body === undefined ? undefined : JSON.stringify(body),
      },
      options,
    );
  }

  /** A request whose answer is small. Rejects with EngineError; 404 has the code NOT_FOUND. */
  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const { body } = options;
    if (body instanceof Duplex || Buffer.isBuffer(body)) {
      const chunks: Buffer[] = [];
      for await (const chunk of await this.stream(method, path, options)) chunks.push(chunk as Buffer);
      return parseJson(Buffer.concat(chunks).toString("utf8"));
    }
    return (await this.ask<T>(method, path, options)).answer();
  }

  /** As `json`, in two parts: resolves when the engine has taken the request, and `answer` is to be called once. */
  async ask<T>(
    method: string,
    path: string,
    options: Omit<RequestOptions, "body"> & { readonly body?: object | undefined } = {},
  ): Promise<{ answer(): Promise<T> }> {
    const { endpoint } = this;
    const json = options.body === undefined ? "" : JSON.stringify(options.body);
    const headers = {
      Connection: "close",
      "Content-Length": String(Buffer.byteLength(json)),
      ...(json === "" ? {} : { "Content-Type": "application/json" }),
      ...options.headers,
    };
    const versioned = `/v${this.apiVersion}${path}${queryString(options.query)}`;
    const { socket, head } = await spoken(endpoint, options, async (socket) => {
      const head = await exchange(socket, method, versioned, headers, json);
      if (head.status >= 400) throw refusal(head.status, await readBody(socket, head).catch(() => ""), method, path);
      return { socket, head };
    });
    socket.on("error", () => undefined);
    return {
      answer: async () => {
        try {
          return parseJson<T>(await whileOpen(socket, endpoint, options, () => readBody(socket, head)));
        } finally {
          socket.destroy();
        }
      },
    };
  }

  /** A request whose answer is read as it comes. Rejects with EngineError. */
  async stream(method: string, path: string, options: RequestOptions = {}): Promise<IncomingMessage> {
    const { body, headers } = options;
    const response = await send(
      this.endpoint,
      {
        method,
        path: `/v${this.apiVersion}${path}${queryString(options.query)}`,
        ...(body ? { body } : {}),
        ...(headers ? { headers } : {}),
      },
      options,
    );
    if ((response.statusCode ?? 500) >= 400) throw await responseError(response, method, path);
    return response;
  }

  /** Released with the connection. */
  own<T extends AsyncDisposable>(resource: T): T {
    return this.lifetime.own(resource);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lifetime[Symbol.asyncDispose]();
  }
}

/** What an engine says that it is. */
export interface EngineName {
  /** Empty where it does not say. */
  readonly version: string;
  readonly isPodman: boolean;
}

/** From the Server header of its answers: `Docker/28.5.2 (linux)`, `Libpod/4.3.1 (linux)`. */
export function engineName(server: string | undefined): EngineName {
  const [, name, version = ""] = /(Docker|Libpod)\/(\S+)/.exec(server ?? "") ?? [];
  return { version, isPodman: name === "Libpod" };
}

/** An answer's text; undefined where it is empty. */
function parseJson<T>(text: string): T {
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

function queryString(query: RequestOptions["query"]): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) parameters.set(name, String(value));
  return parameters.size > 0 ? `?${parameters.toString()}` : "";
}

/**
 * A socket that speaks another protocol after the engine agreed. Rejects with EngineError. POST /grpc and /session need no
 * API version in their path: these two have not changed with it, and agreeing on one first would cost a round trip.
 */
export function upgrade(endpoint: DockerEndpoint, wanted: Upgrade, options: ConnectOptions): Promise<Duplex> {
  return spoken(endpoint, options, async (socket) => {
    await switchProtocols(socket, wanted);
    return socket;
  });
}

/** Dials and lets `speak` use the socket; where that fails the socket is closed and the error translated. */
async function spoken<T>(
  endpoint: DockerEndpoint,
  options: ConnectOptions,
  speak: (socket: Duplex) => Promise<T>,
): Promise<T> {
  const socket = await dial(endpoint, options);
  return whileOpen(socket, endpoint, options, () => speak(socket));
}

/** As `spoken`, on a socket that is open already. */
async function whileOpen<T>(
  socket: Duplex,
  endpoint: DockerEndpoint,
  options: ConnectOptions,
  speak: () => Promise<T>,
): Promise<T> {
  if (options.signal?.aborted) socket.destroy();
  const abort = (): void => {
    socket.destroy();
  };
  options.signal?.addEventListener("abort", abort, { once: true });
  try {
    return await speak();
  } catch (error) {
    socket.destroy();
    throw options.signal?.aborted ? cancellation(options.signal) : dialError(error, endpoint);
  } finally {
    options.signal?.removeEventListener("abort", abort);
  }
}

async function send(
  endpoint: DockerEndpoint,
  what: { method: string; path: string; body?: object | Duplex | Buffer; headers?: Readonly<Record<string, string>> },
  options: ConnectOptions,
): Promise<IncomingMessage> {
  const [socket, { request: httpRequest }] = await Promise.all([dial(endpoint, options), import("node:http")]);
  return new Promise((resolve, reject) => {
    const { body } = what;
    const json =
      body === undefined || body instanceof Duplex || Buffer.isBuffer(body) ? undefined : JSON.stringify(body);
    const request = httpRequest({
      createConnection: () => socket,
      method: what.method,
      path: what.path,
      headers: {
        Host: "docker",
        // An engine that is told to close reads no further than it needs for its answer: an archive's padding, still on its
        // way then, would fail with EPIPE before the answer is read. Else it reads the rest first (net/http, up to 256 KiB).
        Connection: body === undefined ? "close" : "keep-alive",
        ...(json === undefined ? {} : { "Content-Type": "application/json" }),
        ...what.headers,
      },
      ...(options.signal ? { signal: options.signal } : {}),
    });
    request.once("response", resolve);
    request.once("close", () => socket.destroy());
    request.once("error", (error) => {
      socket.destroy();
      reject(options.signal?.aborted ? cancellation(options.signal) : dialError(error, endpoint));
    });
    if (body instanceof Duplex) body.pipe(request);
    else request.end(json ?? body);
  });
}

/** Dotted numbers, compared part by part. */
export function compareVersions(a: string, b: string): number {
  const left = a.split(".").map(Number);
  const right = b.split(".").map(Number);
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
