import type { Duplex, Readable } from "node:stream";
import { Lifetime } from "../../../lifetime.js";
import type { SecretSource, SshSource } from "../../engine.js";
import { headerValues, serveDiffCopy, type FileSource, type TransferEvent } from "./file-sync.js";
import { serveGrpc, type GrpcHandler } from "./grpc-server.js";
import { serveCheckAgent, serveCredentials, serveForwardAgent, serveSecret, serveUpload } from "./services.js";
import { SshAgents } from "./ssh-agent.js";

export type { FileSource, TransferEvent } from "./file-sync.js";

export interface SessionOptions {
  /** Random; the solve names it. */
  readonly id: string;
  readonly name: string;
  /** The same for the same context: the engine then asks only for what changed since the last transfer. */
  readonly sharedKey: string;
  /** By the name the engine asks for. */
  readonly sources: Map<string, FileSource>;
  readonly credentials: (host: string) => Promise<{ username: string; secret: string } | undefined>;
  readonly secrets: readonly SecretSource[];
  readonly ssh: readonly SshSource[];
  readonly uploads: Map<string, () => Readable>;
  readonly onTransfer?: (event: TransferEvent) => void;
}

/** What BuildKit calls back during a build: files, credentials, secrets, ssh agents. Lives as long as the build. */
export class BuildkitSession implements AsyncDisposable {
  /** For `POST /session`. */
  readonly headers: Record<string, string | string[]>;
  private readonly options: SessionOptions;
  private readonly handlers: ReadonlyMap<string, GrpcHandler>;
  private readonly lifetime = new Lifetime();
  private readonly agents = this.lifetime.own(new SshAgents());

  constructor(options: SessionOptions) {
    this.options = options;
    this.handlers = this.services();
    this.headers = {
      "X-Docker-Expose-Session-Uuid": options.id,
      "X-Docker-Expose-Session-Name": options.name,
      "X-Docker-Expose-Session-Sharedkey": options.sharedKey,
      "X-Docker-Expose-Session-Grpc-Method": [...this.handlers.keys()],
    };
  }

  /** Adds or replaces what is served under a name. */
  setSource(name: string, source: FileSource): void {
    this.options.sources.set(name, source);
  }

  /** Serves on the upgraded socket until it closes. */
  serve(socket: Duplex): void {
    this.lifetime.defer(() => {
      socket.destroy();
    });
    serveGrpc(socket, this.handlers, () => undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lifetime[Symbol.asyncDispose]();
  }

  private services(): Map<string, GrpcHandler> {
    const { sources, credentials, secrets, ssh, uploads, onTransfer } = this.options;
    const agent = (source: SshSource): Promise<string> => this.agents.socket(source);
    const services = new Map<string, GrpcHandler>([
      [
        "/grpc.health.v1.Health/Check",
        // HealthCheckResponse{status: SERVING}
        async (call) => {
          call.send(Buffer.from([0x08, 0x01]));
        },
      ],
      [
        "/moby.filesync.v1.FileSync/DiffCopy",
        (call) =>
          serveDiffCopy(call, sources.get(headerValues(call, "dir-name")[0] ?? ""), onTransfer ?? (() => undefined)),
      ],
      ["/moby.filesync.v1.Auth/Credentials", (call) => serveCredentials(call, credentials)],
      ["/moby.buildkit.secrets.v1.Secrets/GetSecret", (call) => serveSecret(call, secrets)],
    ]);
    if (ssh.length > 0) {
      services.set("/moby.sshforward.v1.SSH/CheckAgent", (call) => serveCheckAgent(call, ssh, agent));
      services.set("/moby.sshforward.v1.SSH/ForwardAgent", (call) => serveForwardAgent(call, ssh, agent));
    }
    if (uploads.size > 0) services.set("/moby.upload.v1.Upload/Pull", (call) => serveUpload(call, uploads));
    return services;
  }
}
