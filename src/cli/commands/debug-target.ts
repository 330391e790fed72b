import { Containers, type ContainerInfo } from "../../docker/containers.js";
import type { DockerConnection } from "../../docker/connection.js";
import { UsageError } from "../../errors.js";
import { Lifetime } from "../../lifetime.js";
import { ownerLabels, type OwnerLabels } from "../../sidecar/labels.js";
import { parseMount, parseVolume } from "../../sidecar/mounts.js";
import { sidecarRights, type RightsRequest, type SidecarRights } from "../../sidecar/rights.js";
import { Sidecar } from "../../sidecar/sidecar.js";
import { nameOf, resolveTarget, type Target } from "../../sidecar/target.js";
import { platformOfImage, resolveToolboxImage, type ToolboxImage } from "../../sidecar/toolbox-image.js";
import { platformOf } from "../../docker/images.js";
import { readConfiguration } from "../config.js";
import { ConnectedEngine } from "../connect.js";
import type { DebugFlags } from "../debug-flags.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";

/** What a session needs of the command line: `debug`'s options, or `cp`'s and `forward`'s few. */
export type SessionFlags = Pick<DebugFlags, "image" | "readOnly" | "privileged"> &
  Partial<Pick<DebugFlags, "env" | "volume" | "mount" | "capAdd" | "inside" | "user">>;

/** What `debug`, `cp` and `forward` begin with: the target that was named, the toolbox, and a sidecar when it is needed. */
export class DebugTarget implements AsyncDisposable {
  readonly target: Target;
  readonly toolbox: ToolboxImage;
  /** Where the toolbox's name comes from. */
  readonly toolboxSource: string;
  readonly request: RightsRequest;
  readonly containers: Containers;
  private readonly lifetime: Lifetime;
  private readonly labels: OwnerLabels;
  private readonly flags: SessionFlags;
  private readonly io: CliIo;

  private constructor(
    parts: Pick<DebugTarget, "target" | "toolbox" | "toolboxSource" | "request"> & {
      containers: Containers;
      lifetime: Lifetime;
      flags: SessionFlags;
      io: CliIo;
    },
  ) {
    this.target = parts.target;
    this.toolbox = parts.toolbox;
    this.toolboxSource = parts.toolboxSource;
    this.request = parts.request;
    this.containers = parts.containers;
    this.lifetime = parts.lifetime;
    this.flags = parts.flags;
    this.io = parts.io;
    this.labels = ownerLabels();
  }

  /** Rejects with UsageError for a wrong name or option, EngineError for the rest. Makes nothing in the engine yet. */
  static async open(
    name: string | undefined,
    flags: SessionFlags,
    engineFlags: EngineFlags,
    io: CliIo,
  ): Promise<DebugTarget> {
    const request: RightsRequest = {
      privileged: flags.privileged === true,
      capAdd: (flags.capAdd ?? []).map((name) => name.toUpperCase().replace(/^CAP_/, "")),
      readOnly: flags.readOnly === true,
      binds: (flags.volume ?? []).map((text) => parseVolume(text, io.cwd)),
      mounts: (flags.mount ?? []).map((text) => parseMount(text, io.cwd)),
    };
    const lifetime = new Lifetime();
    try {
      const engine = lifetime.own(new ConnectedEngine(engineFlags, io, undefined));
      const [connection, configuration] = await Promise.all([engine.connection(), readConfiguration(io)]);
      const containers = new Containers(connection);
      const chosen = chooseToolbox(flags, io, configuration.toolbox);
      const resolving = resolveNamed(containers, name, io);
      const [target, toolbox] = await Promise.all([resolving, findToolbox(connection, chosen.image, resolving, io)]);
      return new DebugTarget({
        target,
        toolbox,
        toolboxSource: chosen.source,
        request,
        containers,
        lifetime,
        flags,
        io,
      });
    } catch (error) {
      await lifetime[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The target's name for people. */
  get name(): string {
    return this.target.kind === "container" ? nameOf(this.target.info) : this.target.name;
  }

  /** It has processes to look at. */
  get isLive(): boolean {
    return this.target.kind === "container" && isLive(this.target.info);
  }

  /** What a sidecar may do; undefined where a stand-in has to be made first. */
  get rights(): SidecarRights | undefined {
    return this.target.kind === "container" && this.isLive ? sidecarRights(this.target.info, this.request) : undefined;
  }

  /** Starts the sidecar, and a stand-in for what does not run. Rejects with ContainerError (125) or EngineError. */
  async sidecar(): Promise<Sidecar> {
    const { containers, toolbox, labels, io, lifetime, request, flags } = this;
    const live = await this.liveContainer();
    const config = live.Config as { Env?: readonly string[] | null; WorkingDir?: string };
    return lifetime.own(
      await Sidecar.open({
        containers,
        toolbox,
        rights: sidecarRights(live, request),
        readOnly: request.readOnly,
        label: this.name,
        labels,
        env: environment(flags.env ?? [], io.env),
        targetEnv: [...(config.Env ?? []), ...environment(flags.env ?? [], io.env)],
        targetCwd: config.WorkingDir || "/",
        signal: io.signal,
      }),
    );
  }

  /** What became of a target whose processes were all killed; undefined where it still runs. */
  async end(): Promise<string | undefined> {
    if (this.target.kind === "image" || !this.isLive) return undefined;
    const now = await this.containers.find(this.target.info.Id);
    if (!now) return `${this.name} was removed: the session ended with it.`;
    if (isLive(now) && now.State.StartedAt === this.target.info.State.StartedAt) return undefined;
    if (isLive(now))
      return `${this.name} was restarted: the session ended with its processes. Attach again: dfdebug debug ${this.name}`;
    const why = now.State.OOMKilled ? ", out of memory" : "";
    return `${this.name} exited (${String(now.State.ExitCode)}${why}): the session ended with it. Its files: dfdebug debug ${this.name}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lifetime[Symbol.asyncDispose]();
  }

  private async liveContainer(): Promise<ContainerInfo> {
    const { target, containers, toolbox, labels, lifetime } = this;
    if (target.kind === "container" && isLive(target.info)) return target.info;
    const { StandIn } = await import("../../sidecar/stand-in.js");
    return lifetime.own(await StandIn.open(target, { containers, toolbox, labels })).info;
  }
}

function isLive(info: ContainerInfo): boolean {
  return info.State.Running && !info.State.Restarting && !info.State.Dead;
}

function chooseToolbox(
  flags: SessionFlags,
  io: CliIo,
  configured: { image: string; source: string } | undefined,
): { image: string | undefined; source: string } {
  if (flags.image !== undefined) return { image: flags.image, source: "--image" };
  const fromEnvironment = io.env["DFDEBUG_TOOLBOX"];
  if (fromEnvironment) return { image: fromEnvironment, source: "DFDEBUG_TOOLBOX" };
  if (configured) return configured;
  return { image: undefined, source: "the best one there is" };
}

async function resolveNamed(containers: Containers, name: string | undefined, io: CliIo): Promise<Target> {
  if (name !== undefined) return resolveTarget(containers, name, { cwd: io.cwd, images: true });
  throw new UsageError("Which container?", {
    hint: "`docker ps -a` lists them. On a terminal dfdebug debug lets you pick.",
  });
}

async function findToolbox(
  connection: DockerConnection,
  image: string | undefined,
  target: Promise<Target>,
  io: CliIo,
): Promise<ToolboxImage> {
  return resolveToolboxImage({
    image,
    connection,
    env: io.env,
    platform: async () => {
      const resolved = await target;
      return resolved.kind === "image" ? platformOf(resolved.image) : platformOfImage(connection, resolved.info.Image);
    },
    credentials: async (host) => {
      const { CredentialStore } = await import("../../docker/credentials.js");
      return new CredentialStore({ env: io.env }).lookup(host);
    },
    signal: io.signal,
  });
}

/** `-e NAME=value`, or `-e NAME` to pass ours on, where it is set. */
function environment(entries: readonly string[], env: NodeJS.ProcessEnv): string[] {
  return entries.flatMap((entry) => {
    if (entry.startsWith("=") || entry === "") throw new UsageError(`-e ${entry}: a variable needs a name`);
    if (entry.includes("=")) return [entry];
    return env[entry] === undefined ? [] : [`${entry}=${env[entry]}`];
  });
}
