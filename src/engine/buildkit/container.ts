import type { Metadata } from "@grpc/grpc-js";
import { ContainerError } from "../../errors.js";
import { Lifetime } from "../../lifetime.js";
import { log } from "../../log.js";
import type { ExecOptions, Process, StepContainer, StepEnvironment } from "../engine.js";
import { randomId, unary } from "./connection.js";
import type { InitMessage, LLBBridgeClient } from "./gen/gateway.js";
import {
  Meta,
  Mount,
  MountType,
  NetMode,
  SecurityMode,
  type ExecOp,
  type HostIP,
  type Platform,
  type SecretEnv,
} from "./gen/ops.js";
import { CallError, diskFull, diskFullHint } from "./failures.js";
import { ExitMarker } from "./exit-marker.js";
import { GatewayProcess } from "./process.js";

/** Where the toolbox is mounted in every container; its tools are in `bin` below. */
export const toolboxMount = "/.dfdebug";
/** A tmpfs for scripts that dfdebug writes; no part of any state. */
const scratchMount = "/.dfdebug-run";

/** A mounted toolbox: the result to mount, and the folder in it that becomes /.dfdebug. */
export interface MountedToolbox {
  readonly resultId: string;
  readonly selector: string;
}

export type ToolboxState =
  | { readonly available: true; readonly mount: MountedToolbox }
  | { readonly available: false; readonly reason: string; readonly hint: string };

/** Everything a container is made of, resolved: result ids instead of states. */
export interface ContainerSpec {
  /** Result to mount as the step's root; undefined for the empty filesystem. */
  readonly rootId: string | undefined;
  /** The step's other mounts, results filled in. */
  readonly mounts: readonly Mount[];
  readonly view: "inside" | "outside";
  readonly toolbox: ToolboxState;
  /** A shell that is there for sure, for dfdebug's own use: the toolbox's, else the state's /bin/sh; undefined where there is none. */
  readonly shell: string | undefined;
  readonly environment: StepEnvironment;
  readonly network: ExecOp["network"];
  readonly security: ExecOp["security"];
  readonly secretEnv: readonly SecretEnv[];
  readonly hostname: string;
  readonly extraHosts: readonly HostIP[];
  readonly platform: Platform | undefined;
  readonly signals: boolean;
}

/**
 * A gateway container. BuildKit's rules: the first process is the container (when it ends, all others die), and a process
 * that exits with an error ends it as well. See ExitMarker for how both are kept from happening.
 */
export class GatewayContainer implements StepContainer {
  readonly environment: StepEnvironment;
  readonly toolbox: StepContainer["toolbox"];
  private readonly id = randomId();
  private readonly bridge: LLBBridgeClient;
  private readonly metadata: Metadata;
  private readonly spec: ContainerSpec;
  private readonly lifetime = new Lifetime();
  /** Resolves when the first process runs, which later ones must wait for. */
  private first: Promise<GatewayProcess> | undefined;
  /** Written by the first process before its command. */
  private readonly files = new Map<string, string>();

  private constructor(bridge: LLBBridgeClient, metadata: Metadata, spec: ContainerSpec) {
    this.bridge = bridge;
    this.metadata = metadata;
    this.spec = spec;
    this.environment = spec.view === "outside" ? outsideEnvironment(spec.environment) : spec.environment;
    this.toolbox = spec.toolbox.available ? { available: true } : spec.toolbox;
  }

  /** Creates it; nothing runs in it yet. Rejects with ContainerError. */
  static async open(
    bridge: LLBBridgeClient,
    metadata: Metadata,
    spec: ContainerSpec,
    signal?: AbortSignal,
  ): Promise<GatewayContainer> {
    const container = new GatewayContainer(bridge, metadata, spec);
    try {
      await unary(
        bridge,
        "newContainer",
        {
          ContainerID: container.id,
          Mounts: mountsOf(spec),
          Network: spec.network,
          platform: spec.platform,
          constraints: undefined,
          extraHosts: [...spec.extraHosts],
          hostname: spec.hostname,
        },
        metadata,
        signal,
      );
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      const message = `The container could not be made: ${error.message}`;
      const full = diskFull(error.message);
      throw new ContainerError(full ? `The engine's disk is full. ${message}` : message, {
        code: full ? "ENGINE_DISK_FULL" : "CONTAINER_CREATE",
        cause: error,
        hint: full ? diskFullHint : "`dfdebug doctor` says what this engine can do.",
      });
    }
    log("buildkit", "container made");
    container.lifetime.defer(() => container.release());
    return container;
  }

  async exec(options: ExecOptions): Promise<Process> {
    const { environment } = this;
    const process = await this.start({
      argv: options.argv,
      env: mergeEnv(environment.env, options.env ?? []),
      cwd: options.cwd ?? environment.cwd,
      user: options.user ?? environment.user,
      tty: options.tty,
      stdin: options.tty !== undefined || options.stdin === true,
      secretEnv: this.spec.view === "inside" ? this.spec.secretEnv : [],
    });
    const abort = (): void => {
      process.kill("KILL");
      void this[Symbol.asyncDispose]();
    };
    options.signal?.addEventListener("abort", abort, { once: true });
    void process.exited.then(() => options.signal?.removeEventListener("abort", abort)).catch(() => undefined);
    return process;
  }

  async writeScratchFile(name: string, content: string | Uint8Array): Promise<string> {
    const path = `${scratchMount}/${name}`;
    if (!this.first && typeof content === "string" && content.length < 64 * 1024) {
      this.files.set(path, content);
      return path;
    }
    const process = await this.start({
      argv: [this.spec.shell ?? "/bin/sh", "-c", 'cat > "$1" && chmod 755 "$1"', "sh", path],
      env: [`PATH=/usr/sbin:/usr/bin:/sbin:/bin:${toolboxMount}/bin`],
      cwd: "/",
      user: "",
      tty: undefined,
      stdin: true,
      secretEnv: [],
    });
    process.stdout.resume();
    process.stderr.resume();
    process.stdin.end(content);
    const code = await process.exited;
    if (code !== 0) throw new ContainerError(`${path} could not be written`, { code: "SCRATCH_WRITE" });
    return path;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lifetime[Symbol.asyncDispose]();
  }

  /** Starts a process; the first one holds the container when its command has ended. */
  private async start(command: Command): Promise<GatewayProcess> {
    if (this.lifetime.disposed) throw new ContainerError("The container has ended", { code: "CONTAINER_ENDED" });
    if (this.first) {
      await this.first.catch(() => undefined);
      return this.run(command, false);
    }
    const first = this.run(command, true);
    this.first = first;
    const process = await first;
    this.lifetime.defer(() => {
      process.close();
    });
    return process;
  }

  private run(command: Command, hold: boolean): Promise<GatewayProcess> {
    const { shell } = this.spec;
    const marker = shell === undefined ? undefined : new ExitMarker();
    const args =
      shell === undefined || !marker
        ? [...command.argv]
        : marker.wrap(shell, command.argv, {
            tty: command.tty !== undefined,
            stdin: command.stdin,
            hold,
            keepsPwd: command.env.some((entry) => entry.startsWith("PWD=")),
            files: hold ? this.files : new Map(),
          });
    const init: InitMessage = {
      ContainerID: this.id,
      Meta: Meta.fromPartial({ args, env: [...command.env], cwd: command.cwd, user: command.user }),
      Fds: command.stdin ? [0, 1, 2] : [1, 2],
      Tty: command.tty !== undefined,
      Security: this.spec.security,
      secretenv: [...command.secretEnv],
    };
    return GatewayProcess.start(this.bridge, this.metadata, {
      init,
      tty: command.tty,
      stdin: command.stdin,
      signals: this.spec.signals,
      marker,
    });
  }

  /** What still runs is killed by it, and that is reported as an error: that is how it should be. */
  private async release(): Promise<void> {
    try {
      await unary(this.bridge, "releaseContainer", { ContainerID: this.id }, this.metadata);
    } catch (error) {
      log("buildkit", "release container", { error: String(error) });
    }
  }
}

interface Command {
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  readonly tty: ExecOptions["tty"];
  readonly stdin: boolean;
  readonly secretEnv: readonly SecretEnv[];
}

/** No network, no security setting, no secrets: what a container has where the step is no RUN. */
export const plainContainer = {
  network: NetMode.UNSET,
  security: SecurityMode.SANDBOX,
  secretEnv: [],
  hostname: "",
  extraHosts: [],
} as const;

function mountsOf(spec: ContainerSpec): Mount[] {
  const { toolbox } = spec;
  const scratch = Mount.fromPartial({ input: -1n, output: -1n, dest: scratchMount, mountType: MountType.TMPFS });
  if (spec.view === "inside") {
    const mounts = [stateMount("/", spec.rootId), ...spec.mounts, scratch];
    if (toolbox.available) mounts.push(toolboxMountOf(toolbox.mount));
    return mounts;
  }
  if (!toolbox.available)
    throw new ContainerError("There is no toolbox to look from", { code: "NO_TOOLBOX", hint: toolbox.hint });
  return [
    stateMount("/", toolbox.mount.resultId),
    stateMount("/target", spec.rootId, -1n),
    ...spec.mounts.map((mount) => ({ ...mount, dest: `/target${mount.dest}` })),
    scratch,
    toolboxMountOf(toolbox.mount),
  ];
}

/** A writable mount of a state: writes go to a copy that ends with the container. */
function stateMount(dest: string, resultID: string | undefined, output = 0n): Mount {
  return Mount.fromPartial({ input: -1n, output, dest, mountType: MountType.BIND, resultID: resultID ?? "" });
}

function toolboxMountOf(mount: MountedToolbox): Mount {
  return Mount.fromPartial({
    input: -1n,
    output: -1n,
    dest: toolboxMount,
    selector: mount.selector === "/" ? "" : mount.selector,
    readonly: true,
    mountType: MountType.BIND,
    resultID: mount.resultId,
  });
}

/** Outside, the toolbox is the user's own place: root, at the target, with the step's variables out of the way. */
function outsideEnvironment(environment: StepEnvironment): StepEnvironment {
  return {
    env: [`PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:${toolboxMount}/bin`, "TARGET=/target"],
    cwd: "/target",
    user: "",
    shell: environment.shell,
    argv: undefined,
  };
}

function mergeEnv(base: readonly string[], extra: readonly string[]): string[] {
  const merged = new Map<string, string>();
  for (const entry of [...base, ...extra]) merged.set(entry.split("=", 1)[0] ?? entry, entry);
  return [...merged.values()];
}
