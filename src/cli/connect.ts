import { hostname } from "node:os";
import type { Duplex } from "node:stream";
import type { BuildEngine, ToolboxSource } from "../engine/engine.js";
import type { EngineTransport } from "../engine/buildkit/connection.js";
import type { DockerConnection } from "../docker/connection.js";
import type { DockerEndpoint } from "../docker/endpoint.js";
import type { CredentialLookup } from "../docker/credentials.js";
import { Lifetime } from "../lifetime.js";
import type { CliIo } from "./io.js";
import type { EngineFlags } from "./program.js";

/** The engine of one command, connected when it is first needed. */
export class ConnectedEngine implements AsyncDisposable {
  /** Does what may ask a person at the terminal by itself: a helper that has credentials. Whoever holds the keyboard is here. */
  asking: <Value>(work: () => Promise<Value>) => Promise<Value> = (work) => work();
  private readonly flags: EngineFlags;
  private readonly io: CliIo;
  private readonly toolboxImage: string | undefined;
  private readonly lifetime = new Lifetime();
  private found: Promise<DockerEndpoint> | undefined;
  private connected: Promise<DockerConnection> | undefined;

  constructor(flags: EngineFlags, io: CliIo, toolboxImage?: string) {
    this.flags = flags;
    this.io = io;
    this.toolboxImage = toolboxImage;
  }

  /** The connection. Rejects with EngineError. */
  connection(): Promise<DockerConnection> {
    this.connected ??= this.connect();
    return this.connected;
  }

  /** The BuildKit inside it. The engine is asked for its version and a channel to it meanwhile, and not waited for. */
  async buildkit(): Promise<BuildEngine> {
    const connection = this.connection();
    connection.catch(() => undefined);
    const [endpoint, { upgrade }, { requestsLeft }] = await Promise.all([
      this.endpoint(),
      import("../docker/connection.js"),
      import("../docker/dial.js"),
    ]);
    const refused = new Promise<never>((_resolve, reject) => {
      const refuse = async ({ isPodman }: DockerConnection): Promise<void> => {
        if (isPodman) reject((await import("../docker/errors.js")).noBuildkit(endpoint));
      };
      connection.then(refuse).catch(() => undefined);
    });
    refused.catch(() => undefined);
    const open: EngineTransport["upgrade"] = (path, headers, options) =>
      upgrade(endpoint, { protocol: "h2c", path, headers }, options);
    const lookup = credentialLookup(this.io.env);
    const unused = new AbortController();
    const signal = AbortSignal.any([this.io.signal, unused.signal]);
    let channel: Promise<Duplex> | undefined = open("/grpc", {}, { signal });
    const first = channel.catch(() => undefined);
    this.lifetime.defer(async () => {
      unused.abort();
      (await first)?.destroy();
    });
    // The engine's modules take as long to load as the answers.
    await requestsLeft();
    const { BuildkitEngine } = await import("../engine/buildkit/engine.js");
    const { createHash } = await import("node:crypto");
    return new BuildkitEngine({
      transport: {
        upgrade: (path, headers, options) => {
          const ready = path === "/grpc" ? channel : undefined;
          if (ready) channel = undefined;
          // Podman never answers here: who it is, the other request says.
          return Promise.race([ready ?? open(path, headers, options), refused]);
        },
      },
      version: async () => (await connection).engineVersion,
      sharedKey: (path) => createHash("sha256").update(`dfdebug\0${hostname()}\0${path}`).digest("hex"),
      credentials: (host) => this.asking(() => lookup(host)),
      bridgeGateway: async (signal) => (await import("../docker/bridge.js")).bridgeGateway(await connection, signal),
    });
  }

  /** The tools to look around with. Rejects only where an image was asked for by name and is not to be had. */
  async toolbox(): Promise<ToolboxSource> {
    const [connection, { resolveToolbox }, { chooseToolbox, toolboxOptions }] = await Promise.all([
      this.connection(),
      import("../sidecar/toolbox.js"),
      import("./toolbox.js"),
    ]);
    const choice = await chooseToolbox({ name: "--toolbox", value: this.toolboxImage }, this.io);
    return resolveToolbox(toolboxOptions(choice, connection, this.io));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lifetime[Symbol.asyncDispose]();
  }

  private endpoint(): Promise<DockerEndpoint> {
    this.found ??= import("../docker/endpoint.js").then(({ resolveEndpoint }) =>
      resolveEndpoint({ ...this.flags, env: this.io.env }),
    );
    return this.found;
  }

  private async connect(): Promise<DockerConnection> {
    const [endpoint, { DockerConnection }] = await Promise.all([this.endpoint(), import("../docker/connection.js")]);
    return this.lifetime.own(await DockerConnection.connect(endpoint, { signal: this.io.signal }));
  }
}

/** docker's credentials, loaded when a registry first asks. */
export function credentialLookup(env: NodeJS.ProcessEnv): CredentialLookup {
  return async (host) => {
    const { CredentialStore } = await import("../docker/credentials.js");
    return new CredentialStore({ env }).lookup(host);
  };
}
