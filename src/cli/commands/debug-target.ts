import { setTimeout as sleep } from "node:timers/promises";
import { Containers, type ContainerInfo } from "../../docker/containers.js";
import type { DockerConnection } from "../../docker/connection.js";
import { requestsLeft } from "../../docker/dial.js";
import { UsageError } from "../../errors.js";
import { Lifetime } from "../../lifetime.js";
import { ownerLabels, sessionLabel, type OwnerLabels } from "../../sidecar/labels.js";
import { sidecarRights, type RightsRequest, type SidecarRights } from "../../sidecar/rights.js";
import {
  Sidecar,
  type SidecarOptions,
  type SoleCommand,
  type SoleProcess,
  type TerminalCommand,
  type TerminalProcess,
} from "../../sidecar/sidecar.js";
import { isLive, nameOf, resolveTarget, type Target } from "../../sidecar/target.js";
import { resolveToolboxImage, type ToolboxImage } from "../../sidecar/toolbox.js";
import { platformOf, platformOfImage } from "../../docker/images.js";
import { chooseToolbox, toolboxOptions } from "../toolbox.js";
import { ConnectedEngine } from "../connect.js";
import { Guard } from "./guard.js";
import type { DebugFlags } from "../debug-flags.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";
import { environmentEntries } from "../option-values.js";

/** What a session needs of the command line: `debug`'s options, or `cp`'s and `forward`'s few. */
export type SessionFlags = Pick<DebugFlags, "image" | "readOnly" | "privileged"> &
  Partial<Pick<DebugFlags, "env" | "volume" | "mount" | "capAdd" | "inside" | "user" | "explain">>;

/** How often, and how long apart, a target that exited is looked at once more. */
const restartLooks = 5;
const restartPauseMs = 200;

/** What `debug`, `cp` and `forward` begin with: the target that was named, the toolbox, and a sidecar when it is needed. */
export class DebugTarget implements AsyncDisposable {
  readonly toolbox: ToolboxImage;
  /** Where the toolbox's name comes from. */
  readonly toolboxSource: string;
  readonly request: RightsRequest;
  readonly containers: Containers;
  private current: Target;
  private readonly lifetime: Lifetime;
  private readonly labels: OwnerLabels;
  private readonly flags: SessionFlags;
  private readonly io: CliIo;

  private constructor(
    parts: Pick<DebugTarget, "target" | "toolbox" | "toolboxSource" | "request"> & {
      containers: Containers;
      lifetime: Lifetime;
      labels: OwnerLabels;
      flags: SessionFlags;
      io: CliIo;
    },
  ) {
    this.current = parts.target;
    this.toolbox = parts.toolbox;
    this.toolboxSource = parts.toolboxSource;
    this.request = parts.request;
    this.containers = parts.containers;
    this.lifetime = parts.lifetime;
    this.flags = parts.flags;
    this.io = parts.io;
    this.labels = parts.labels;
  }

  /**
   * `known`: what the name was found to mean already, on a connection that its caller owns. Rejects with UsageError for a wrong
   * name or option, EngineError for the rest. Makes nothing in the engine yet.
   */
  static async open(
    name: string | undefined,
    flags: SessionFlags,
    engineFlags: EngineFlags,
    io: CliIo,
    known?: { readonly engine: ConnectedEngine; readonly target: Target },
  ): Promise<DebugTarget> {
    const request = await rightsRequest(flags, io.cwd);
    const lifetime = new Lifetime();
    const labels = ownerLabels();
    try {
      const engine = known?.engine ?? lifetime.own(new ConnectedEngine(engineFlags, io, undefined));
      const [connection, choice] = await Promise.all([
        engine.connection(),
        chooseToolbox({ name: "--image", value: flags.image }, io),
      ]);
      const containers = new Containers(connection);
      const resolving = known ? Promise.resolve(known.target) : resolveNamed(containers, name, io);
      const finding = resolveToolboxImage(
        toolboxOptions(choice, connection, io, () => platformOfTarget(connection, resolving)),
      );
      const [target, toolbox] = await Promise.all([
        resolving,
        finding,
        flags.explain ? undefined : startGuard(lifetime, labels, engineFlags, io),
      ]);
      return new DebugTarget({
        target,
        toolbox,
        toolboxSource: choice.source,
        request,
        containers,
        lifetime,
        labels,
        flags,
        io,
      });
    } catch (error) {
      await lifetime[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** As it was when it was looked at last. */
  get target(): Target {
    return this.current;
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
    return this.beside(async () => Sidecar.open(await this.sidecarOptions()));
  }

  /** As `sidecar`, for one command without input: a sidecar of its own, which ends with it. */
  async run(command: SoleCommand): Promise<SoleProcess> {
    return this.beside(async () => Sidecar.run(await this.sidecarOptions(), command));
  }

  /** As `run`, on a terminal. */
  async runTerminal(command: TerminalCommand): Promise<TerminalProcess> {
    return this.beside(async () => Sidecar.runTerminal(await this.sidecarOptions(), command));
  }

  private async beside<T extends AsyncDisposable>(open: () => Promise<T>): Promise<T> {
    try {
      return this.lifetime.own(await open());
    } catch (error) {
      // It ended before the toolbox was beside it: what is left of it is opened, as of any that does not run.
      if (!(await this.endedMeanwhile())) throw error;
      return this.lifetime.own(await open());
    }
  }

  private async endedMeanwhile(): Promise<boolean> {
    const { current, containers } = this;
    if (current.kind === "image" || !isLive(current.info)) return false;
    const info = await containers.find(current.info.Id);
    if (!info || isLive(info)) return false;
    this.current = { kind: "container", info };
    return true;
  }

  /** The last lines of a container's output; empty for an image. */
  async lastLogs(lines: number): Promise<Buffer> {
    if (this.target.kind === "image") return Buffer.alloc(0);
    const { Id, Config } = this.target.info;
    return this.containers.lastLogs(Id, lines, Config.Tty);
  }

  /** What became of a target whose processes were all killed; undefined where it still runs. */
  async end(): Promise<string | undefined> {
    if (this.target.kind === "image" || !this.isLive) return undefined;
    const { Id, State } = this.target.info;
    let now = await this.containers.find(Id);
    for (let look = 0; look < restartLooks && now; look++) {
      const isSameRun = now.State.StartedAt === State.StartedAt;
      if (isLive(now) && isSameRun && (await this.hasProcesses())) return undefined;
      // What is restarted exits first; and an engine that is busy notes an end only after the processes are gone.
      if (isLive(now) && !isSameRun) break;
      await sleep(restartPauseMs);
      now = await this.containers.find(Id);
    }
    if (!now) return `${this.name} was removed: the session ended with it.`;
    if (now.State.Running && now.State.StartedAt === State.StartedAt) return undefined;
    if (now.State.Running)
      return `${this.name} was restarted: the session ended with its processes. Attach again: dfdebug debug ${this.name}`;
    const why = now.State.OOMKilled ? ", out of memory" : "";
    return `${this.name} exited (${String(now.State.ExitCode)}${why}): the session ended with it. Its files: dfdebug debug ${this.name}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lifetime[Symbol.asyncDispose]();
  }

  /** Also false where the engine cannot list them: then it is about to note that the container ended. */
  private async hasProcesses(): Promise<boolean> {
    if (this.target.kind === "image") return false;
    const { connection } = this.containers;
    const { listProcesses } = await import("../../docker/process-list.js");
    const list = await listProcesses(connection, this.target.info.Id, ["-o", "pid"], undefined).catch(() => undefined);
    return (list?.Processes?.length ?? 0) > 0;
  }

  private async sidecarOptions(): Promise<SidecarOptions> {
    const { containers, toolbox, labels, io, request, flags } = this;
    const live = await this.liveContainer();
    const config = live.Config as { Env?: readonly string[] | null; WorkingDir?: string; Hostname?: string };
    const env = environmentEntries(flags.env ?? [], io.env);
    return {
      containers,
      toolbox,
      rights: sidecarRights(live, request),
      readOnly: request.readOnly,
      label: this.name,
      labels,
      env,
      // As docker exec: the container's name for itself comes first, its own environment may say otherwise.
      targetEnv: [`HOSTNAME=${config.Hostname ?? ""}`, ...(config.Env ?? []), ...env],
      targetCwd: config.WorkingDir || "/",
      signal: io.signal,
    };
  }

  private async liveContainer(): Promise<ContainerInfo> {
    const { target, containers, toolbox, labels, lifetime, io } = this;
    if (target.kind === "container" && isLive(target.info)) return target.info;
    const { StandIn } = await import("../../sidecar/stand-in.js");
    return lifetime.own(await StandIn.open(target, { containers, toolbox, labels, signal: io.signal })).info;
  }
}

/** Rejects with UsageError for a mount that is none. */
async function rightsRequest(flags: SessionFlags, cwd: string): Promise<RightsRequest> {
  const { volume = [], mount = [], capAdd = [] } = flags;
  if (flags.inside && volume.length + mount.length > 0)
    throw new UsageError("--inside shows the target's root, where mounts of the toolbox are not", {
      hint: "Leave out --inside: the mounts are beside /target then.",
    });
  const mounts = volume.length + mount.length > 0 ? await import("../../sidecar/mounts.js") : undefined;
  return {
    privileged: flags.privileged === true,
    capAdd: capAdd.map((name) => name.toUpperCase().replace(/^CAP_/, "")),
    readOnly: flags.readOnly === true,
    binds: mounts ? volume.map((text) => mounts.parseVolume(text, cwd)) : [],
    mounts: mounts ? mount.map((text) => mounts.parseMount(text, cwd)) : [],
  };
}

/** Before anything is made in the engine, and while it answers: the start of a process takes as long as the answers. */
async function startGuard(lifetime: Lifetime, labels: OwnerLabels, flags: EngineFlags, io: CliIo): Promise<void> {
  await requestsLeft();
  lifetime.own(Guard.start(labels[sessionLabel] ?? "", flags, io));
}

async function resolveNamed(containers: Containers, name: string | undefined, io: CliIo): Promise<Target> {
  if (name !== undefined) return resolveTarget(containers, name, { cwd: io.cwd, images: true });
  if (io.stdin.isTTY && io.stderr.isTTY) {
    const { pickContainer } = await import("./pick-container.js");
    return { kind: "container", info: await containers.inspect(await pickContainer(containers, io)) };
  }
  throw new UsageError("Which container?", {
    hint: "`docker ps -a` lists them. On a terminal dfdebug debug lets you pick.",
  });
}

/** The platform that the target runs on, for a pull. */
async function platformOfTarget(connection: DockerConnection, target: Promise<Target>): Promise<string | undefined> {
  const resolved = await target;
  return resolved.kind === "image" ? platformOf(resolved.image) : platformOfImage(connection, resolved.info.Image);
}
