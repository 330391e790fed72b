import { createHash, randomBytes } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { credentials, Metadata, type CallOptions, type ClientUnaryCall, type ServiceError } from "@grpc/grpc-js";
import { cancellation } from "../../errors.js";
import { Lifetime } from "../../lifetime.js";
import { TempFolder } from "../../temp-folder.js";
import { ControlClient } from "./gen/control.js";
import { LLBBridgeClient } from "./gen/gateway.js";
import { callError } from "./failures.js";
import { HeaderGuard, PlainHeaders } from "./header-guard.js";

/** What BuildKit needs of the Docker engine: sockets that speak HTTP/2 after an upgrade. */
export interface EngineTransport {
  upgrade(path: string, headers: Record<string, string | string[]>, options: { signal?: AbortSignal }): Promise<Duplex>;
}

/** A generated client's method in its longest form, which is the one that type inference sees. */
type UnaryMethod<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

/* eslint-disable @typescript-eslint/no-explicit-any -- each asks for one of the two types only */
type RequestOf<Method> = Method extends UnaryMethod<infer Request, any> ? Request : never;
type ResponseOf<Method> = Method extends UnaryMethod<any, infer Response> ? Response : never;
/* eslint-enable @typescript-eslint/no-explicit-any */

/**
 * gRPC clients over one hijacked engine socket. grpc-js only dials addresses, so it dials a private unix socket whose
 * one connection is piped to the engine's; the socket is gone from the disk as soon as it is connected.
 */
export class BuildkitConnection implements AsyncDisposable {
  readonly control: ControlClient;
  readonly bridge: LLBBridgeClient;
  private readonly lifetime: Lifetime;

  private constructor(address: string, lifetime: Lifetime) {
    this.lifetime = lifetime;
    const options = {
      // Definitions and file chunks exceed grpc's 4 MiB default; BuildKit's own limit holds on the other side.
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      "grpc.enable_retries": 0,
    };
    this.control = new ControlClient(address, credentials.createInsecure(), options);
    this.bridge = new LLBBridgeClient(address, credentials.createInsecure(), {
      ...options,
      channelOverride: this.control.getChannel(),
    });
    lifetime.defer(() => this.control.close());
  }

  /** Upgrades a socket of the engine to BuildKit's API. Rejects with EngineError. */
  static async open(transport: EngineTransport, options: { signal?: AbortSignal }): Promise<BuildkitConnection> {
    const lifetime = new Lifetime();
    try {
      const engine = await transport.upgrade("/grpc", {}, options);
      lifetime.defer(() => {
        engine.destroy();
      });
      const folder = lifetime.own(await TempFolder.make());
      const address = join(folder.path, "buildkit.sock");
      const relay = await listenOnce(address, (local) => {
        local.on("error", () => engine.destroy());
        engine.on("error", () => local.destroy());
        engine.on("close", () => local.destroy());
        local.on("close", () => engine.destroy());
        local.pipe(new PlainHeaders()).pipe(engine).pipe(new HeaderGuard()).pipe(local);
        void folder[Symbol.asyncDispose]();
      });
      lifetime.defer(() => {
        relay.close();
      });
      return new BuildkitConnection(`unix:${address}`, lifetime);
    } catch (error) {
      await lifetime[Symbol.asyncDispose]();
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lifetime[Symbol.asyncDispose]();
  }
}

/** One unary call as a promise. Rejects with CancelledError when the signal aborts, else with CallError or EngineError. */
export function unary<Client extends object, Name extends keyof Client>(
  client: Client,
  name: Name,
  request: RequestOf<Client[Name]>,
  metadata: Metadata,
  signal?: AbortSignal,
): Promise<ResponseOf<Client[Name]>> {
  type Response = ResponseOf<Client[Name]>;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(cancellation(signal));
      return;
    }
    const method = client[name] as UnaryMethod<RequestOf<Client[Name]>, Response>;
    const call = method.call(client, request, metadata, {}, (error, response) => {
      signal?.removeEventListener("abort", abort);
      if (!error) resolve(response);
      else reject(signal?.aborted ? cancellation(signal) : callError(error));
    });
    const abort = (): void => call.cancel();
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/** Metadata that ties a call to the build with this ref. */
export function buildMetadata(ref: string): Metadata {
  const metadata = new Metadata();
  metadata.set("buildkit-controlapi-buildid", ref);
  return metadata;
}

/** A random identifier as BuildKit makes them: 25 lower-case letters and digits. */
export function randomId(): string {
  return BigInt(`0x${randomBytes(17).toString("hex")}`)
    .toString(36)
    .padStart(25, "0")
    .slice(-25);
}

/** The digest of an op's marshalled bytes. */
export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function listenOnce(path: string, onConnection: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      server.close();
      onConnection(socket);
    });
    server.once("error", reject);
    server.listen(path, () => resolve(server));
  });
}
