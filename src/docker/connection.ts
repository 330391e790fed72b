import { spawn } from "node:child_process";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect as connectTcp } from "node:net";
import { Duplex } from "node:stream";
import { EngineError, cancellation } from "../errors.js";
import { Lifetime } from "../lifetime.js";
import type { DockerEndpoint } from "./endpoint.js";
import { dialError, responseError } from "./errors.js";

/** The newest API version whose behaviour dfdebug was written for, and the oldest it works with (Engine 19.03). */
const newestApi = "1.51";
const oldestApi = "1.40";

export interface ConnectOptions {
  readonly signal?: AbortSignal | undefined;
}

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
  private readonly lifetime = new Lifetime();

  private constructor(endpoint: DockerEndpoint, apiVersion: string, engineVersion: string) {
    this.endpoint = endpoint;
    this.apiVersion = apiVersion;
    this.engineVersion = engineVersion;
  }

  /** Pings the engine and agrees on an API version. Rejects with EngineError. */
  static async connect(endpoint: DockerEndpoint, options: ConnectOptions): Promise<DockerConnection> {
    const response = await send(endpoint, { method: "GET", path: "/_ping" }, options);
    response.resume();
    if ((response.statusCode ?? 500) >= 400)
      throw new EngineError(`The engine at ${endpoint.host} answered ${String(response.statusCode)} to a ping`, {
        code: "ENGINE_UNREACHABLE",
        hint: "Is that a Docker engine?",
      });
    const offered = header(response, "api-version") ?? "1.41";
    if (compareVersions(offered, oldestApi) < 0)
      throw new EngineError(`The engine at ${endpoint.host} is too old: it speaks API ${offered}`, {
        code: "ENGINE_TOO_OLD",
        hint: `dfdebug needs API ${oldestApi}, Docker Engine 19.03 or later.`,
      });
    const version = /Docker\/(\S+)/.exec(header(response, "server") ?? "")?.[1] ?? "";
    return new DockerConnection(endpoint, compareVersions(offered, newestApi) < 0 ? offered : newestApi, version);
  }

  /** A socket that speaks HTTP/2 after the engine agreed (POST /grpc and /session). Rejects with EngineError. */
  upgrade(
    path: string,
    headers: Record<string, string | string[]>,
    options: { signal?: AbortSignal },
  ): Promise<Duplex> {
    return this.switchProtocols(path, { Upgrade: "h2c", ...headers }, undefined, options);
  }

  /**
   * A socket that carries a process's raw streams after the engine agreed (POST to /containers/ID/attach and
   * /exec/ID/start). Ending it is the end of the process's input, and leaves its output open. Rejects with EngineError.
   */
  hijack(path: string, options: RequestOptions = {}): Promise<Duplex> {
    const body = options.body === undefined ? undefined : JSON.stringify(options.body);
    const headers = { Upgrade: "tcp", ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
    return this.switchProtocols(`${path}${queryString(options.query)}`, headers, body, options);
  }

  /** A request whose answer is small. Rejects with EngineError; 404 has the code NOT_FOUND. */
  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    return readJson(await this.stream(method, path, options));
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

  private async switchProtocols(
    path: string,
    headers: Record<string, string | string[]>,
    body: string | undefined,
    options: ConnectOptions,
  ): Promise<Duplex> {
    const socket = await dial(this.endpoint, options);
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        socket.destroy();
        reject(error);
      };
      const request = httpRequest({
        createConnection: () => socket,
        method: "POST",
        path: `/v${this.apiVersion}${path}`,
        headers: { Host: "docker", Connection: "Upgrade", ...headers },
      });
      request.once("upgrade", (_response, upgraded, head) => {
        if (head.length > 0) upgraded.unshift(head);
        resolve(upgraded);
      });
      request.once("response", (response) => {
        responseError(response, "POST", path).then(fail, fail);
      });
      request.once("error", (error) => {
        fail(options.signal?.aborted ? cancellation(options.signal) : dialError(error, this.endpoint));
      });
      request.end(body);
    });
  }
}

/** The whole of an answer, as `connection.stream` gives it; undefined where it is empty. */
export async function readJson<T>(response: IncomingMessage): Promise<T> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString("utf8");
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

function queryString(query: RequestOptions["query"]): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) parameters.set(name, String(value));
  return parameters.size > 0 ? `?${parameters.toString()}` : "";
}

/** One raw connection to the engine. Rejects with EngineError. */
export async function dial(endpoint: DockerEndpoint, options: ConnectOptions): Promise<Duplex> {
  if (options.signal?.aborted) throw cancellation(options.signal);
  const { target } = endpoint;
  switch (target.kind) {
    case "unix":
      return connected(connectTcp(target.path), "connect", endpoint, options);
    case "tcp":
      if (!target.tls) return connected(connectTcp(target.port, target.hostname), "connect", endpoint, options);
      else {
        const { connect } = await import("node:tls");
        const socket = connect({
          host: target.hostname,
          port: target.port,
          servername: target.hostname,
          ...target.tls,
        });
        return connected(socket, "secureConnect", endpoint, options);
      }
    case "ssh": {
      const child = spawn("ssh", [...target.args, "--", target.destination, "docker", "system", "dial-stdio"], {
        stdio: ["pipe", "pipe", "pipe"],
      });
      let complaint = "";
      child.stderr.on("data", (chunk: Buffer) => {
        complaint = (complaint + chunk.toString("utf8")).slice(-2000);
      });
      const socket = Duplex.from({ readable: child.stdout, writable: child.stdin });
      child.once("error", (error) => socket.destroy(dialError(error, endpoint)));
      child.once("exit", (code) => {
        if (code !== 0)
          socket.destroy(dialError(new Error(complaint.trim() || `ssh exited with ${String(code)}`), endpoint));
      });
      socket.once("close", () => child.kill());
      return socket;
    }
  }
}

function connected(
  socket: Duplex,
  event: "connect" | "secureConnect",
  endpoint: DockerEndpoint,
  options: ConnectOptions,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      socket.destroy(options.signal ? cancellation(options.signal) : undefined);
    };
    options.signal?.addEventListener("abort", abort, { once: true });
    const fail = (error: Error): void => {
      options.signal?.removeEventListener("abort", abort);
      reject(options.signal?.aborted ? cancellation(options.signal) : dialError(error, endpoint));
    };
    socket.once("error", fail);
    socket.once(event, () => {
      options.signal?.removeEventListener("abort", abort);
      socket.off("error", fail);
      resolve(socket);
    });
  });
}

async function send(
  endpoint: DockerEndpoint,
  what: { method: string; path: string; body?: object | Duplex | Buffer; headers?: Readonly<Record<string, string>> },
  options: ConnectOptions,
): Promise<IncomingMessage> {
  const socket = await dial(endpoint, options);
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
        Connection: "close",
        ...(json === undefined ? {} : { "Content-Type": "application/json" }),
        ...what.headers,
      },
      ...(options.signal ? { signal: options.signal } : {}),
    });
    request.once("response", resolve);
    request.once("error", (error) => {
      socket.destroy();
      reject(options.signal?.aborted ? cancellation(options.signal) : dialError(error, endpoint));
    });
    if (body instanceof Duplex) body.pipe(request);
    else request.end(json ?? body);
  });
}

function header(response: IncomingMessage, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
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
