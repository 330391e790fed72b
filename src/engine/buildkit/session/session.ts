import type { Duplex, Readable } from "node:stream";
import type { SecretSource, SshSource } from "../../engine.js";
import type { CredentialLookup } from "../../../docker/credentials.js";
import { log } from "../../../log.js";
import type { FileSource } from "./file-tree.js";
import { GrpcServer, type GrpcMethod } from "./grpc-server.js";
import { getCredentials } from "./registry-auth.js";
import { getSecret } from "./secrets.js";
import { SshAgents } from "./ssh.js";
import { pullUpload } from "./upload.js";

export type { FileSource } from "./file-tree.js";

/** What a session serves to the engine. */
export interface SessionOptions {
  /** BuildKit's identifier of the session, 25 letters and digits. */
  readonly id: string;
  /** For the engine's logs. */
  readonly name: string;
  /** Contexts with equal keys are transferred incrementally (sessionSharedKey). */
  readonly sharedKey: string;
  /** By the name an engine asks for: `context`, `dockerfile`, named contexts. */
  readonly sources: ReadonlyMap<string, FileSource>;
  readonly credentials: CredentialLookup;
  readonly secrets: readonly SecretSource[];
  readonly ssh: readonly SshSource[];
  /** By the name in `http://buildkit-session/<name>`; each is pulled once at most. */
  readonly uploads: ReadonlyMap<string, () => Readable>;
  /** Told now and then while files are sent, and once at the end of each transfer. Must not throw. */
  readonly onTransfer?: (event: { name: string; files: number; bytes: number; done: boolean }) => void;
}

/**
 * The client's half of a build: BuildKit calls back over one connection for files, credentials, secrets and ssh agents.
 * It lives as long as its socket; disposing it ends the socket.
 */
export class BuildkitSession implements AsyncDisposable {
  /** For `POST /session`: who this is, and each method that is served. */
  readonly headers: Record<string, string | string[]>;
  /** Resolves when the connection has ended, for whatever reason. */
  readonly closed: Promise<void>;
  private readonly sources: Map<string, FileSource>;
  private readonly server: GrpcServer;

  constructor(options: SessionOptions) {
    this.sources = new Map(options.sources);
    const methods = new Map<string, GrpcMethod>([
      // HealthCheckResponse{status: SERVING}
      ["/grpc.health.v1.Health/Check", { kind: "unary", answer: () => Uint8Array.of(0x08, 0x01) }],
      ["/moby.filesync.v1.Auth/Credentials", getCredentials(options.credentials)],
      ["/moby.buildkit.secrets.v1.Secrets/GetSecret", getSecret(options.secrets)],
      ["/moby.upload.v1.Upload/Pull", pullUpload(new Map(options.uploads))],
      [
        "/moby.filesync.v1.FileSync/DiffCopy",
        {
          kind: "stream",
          run: async (call) => {
            // Loaded with the first transfer: nothing else of a session needs it.
            const { sendFiles } = await import("./file-sync.js");
            await sendFiles(call, this.sources, (event) => {
              options.onTransfer?.(event);
            });
          },
        },
      ],
    ]);
    // BuildKit treats a session that serves no agent as one without --ssh, and says so.
    if (options.ssh.length > 0) {
      const agents = new SshAgents(options.ssh);
      methods.set("/moby.sshforward.v1.SSH/CheckAgent", agents.check());
      methods.set("/moby.sshforward.v1.SSH/ForwardAgent", agents.forward());
    }
    this.headers = {
      "X-Docker-Expose-Session-Uuid": options.id,
      "X-Docker-Expose-Session-Name": options.name,
      "X-Docker-Expose-Session-Sharedkey": options.sharedKey,
      "X-Docker-Expose-Session-Grpc-Method": [...methods.keys()],
    };
    this.server = new GrpcServer(methods);
    this.closed = this.server.closed;
    void this.closed.then(() => {
      log("session", "ended", { id: options.id });
    });
  }

  /** Serves on the socket that `POST /session` was upgraded to. */
  serve(socket: Duplex): void {
    this.server.serve(socket);
  }

  /** Serves another folder, or other content under the same name, from the next request on. */
  setSource(name: string, source: FileSource): void {
    this.sources.set(name, source);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
  }
}
