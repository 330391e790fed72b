import { createHash } from "node:crypto";
import { hostname } from "node:os";
import type { BuildEngine, ToolboxSource } from "../engine/engine.js";
import type { DockerConnection } from "../docker/connection.js";
import { Lifetime } from "../lifetime.js";
import type { CliIo } from "./io.js";
import type { EngineFlags } from "./program.js";

/** The engine of one command, connected when it is first needed. */
export class ConnectedEngine implements AsyncDisposable {
  private readonly flags: EngineFlags;
  private readonly io: CliIo;
  private readonly toolboxImage: string | undefined;
  private readonly lifetime = new Lifetime();
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

  /** The BuildKit inside it. */
  async buildkit(): Promise<BuildEngine> {
    const [connection, { BuildkitEngine }, { CredentialStore }] = await Promise.all([
      this.connection(),
      import("../engine/buildkit/engine.js"),
      import("../docker/credentials.js"),
    ]);
    const credentials = new CredentialStore({ env: this.io.env });
    return new BuildkitEngine({
      transport: connection,
      version: connection.engineVersion,
      sharedKey: (path) => createHash("sha256").update(`dfdebug\0${hostname()}\0${path}`).digest("hex"),
      credentials: (host) => credentials.lookup(host),
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

  private async connect(): Promise<DockerConnection> {
    const [{ resolveEndpoint }, { DockerConnection }] = await Promise.all([
      import("../docker/endpoint.js"),
      import("../docker/connection.js"),
    ]);
    const endpoint = await resolveEndpoint({ ...this.flags, env: this.io.env });
    return this.lifetime.own(await DockerConnection.connect(endpoint, { signal: this.io.signal }));
  }
}
