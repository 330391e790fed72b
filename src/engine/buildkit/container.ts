import type { Metadata } from "@grpc/grpc-js";
import { finished } from "node:stream/promises";
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
 * A gateway container. BuildKit's rule is that the first process is the container (when it ends, all others die), so
 * the first one is a shell that waits for input that never comes, and what the user runs are further processes.
 */
export class GatewayContainer implements StepContainer {
  readonly environment: StepEnvironment;
  readonly toolbox: StepContainer["toolbox"];
  private readonly id = randomId();
  private readonly bridge: LLBBridgeClient;
  private readonly metadata: Metadata;
  private readonly spec: ContainerSpec;
  private readonly lifetime = new Lifetime();
  private readonly ending = new AbortController();

  private constructor(bridge: LLBBridgeClient, metadata: Metadata, spec: ContainerSpec) {
    this.bridge = bridge;
    this.metadata = metadata;
    this.spec = spec;
    this.environment = spec.view === "outside" ? outsideEnvironment(spec.environment) : spec.environment;
    this.toolbox = spec.toolbox.available ? { available: true } : spec.toolbox;
  }

  /** Creates it and starts its holder process. Rejects with ContainerError. */
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
        bridge.newContainer,
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
      container.lifetime.defer(() => container.release());
      await container.hold();
      return container;
    } catch (error) {
      await container[Symbol.asyncDispose]();
      if (error instanceof ContainerError || !(error instanceof Error)) throw error;
      throw new ContainerError(`The container could not be made: ${error.message}`, {
        code: "CONTAINER_CREATE",
        cause: error,
        hint: "`dfdebug doctor` says what this engine can do.",
      });
    }
  }

  exec(options: ExecOptions): Promise<Process> {
    const { environment } = this;
    const stdin = options.tty !== undefined || options.stdin === true;
    return this.start({
      argv: options.argv,
      env: mergeEnv(environment.env, options.env ?? []),
      cwd: options.cwd ?? environment.cwd,
      user: options.user ?? environment.user,
      tty: options.tty,
      stdin,
    });
  }

  async writeScratchFile(name: string, content: string | Uint8Array): Promise<string> {
    const path = `${scratchMount}/${name}`;
    const process = await this.start({
      argv: [this.shell(), "-c", 'cat > "$1" && chmod 755 "$1"', "sh", path],
      env: [`PATH=/usr/sbin:/usr/bin:/sbin:/bin:${toolboxMount}/bin`],
      cwd: "/",
      user: "",
      tty: undefined,
      stdin: true,
    });
    process.stdout.resume();
    process.stderr.resume();
    process.stdin.end(content);
    await finished(process.stdin).catch(() => undefined);
    const code = await process.exited;
    if (code !== 0) throw new ContainerError(`${path} could not be written`, { code: "SCRATCH_WRITE" });
    return path;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.ending.abort();
    return this.lifetime[Symbol.asyncDispose]();
  }

  private shell(): string {
    return this.spec.toolbox.available
      ? this.spec.view === "outside" && this.spec.toolbox.mount.selector === "/"
        ? "/bin/sh"
        : `${toolboxMount}/bin/sh`
      : "/bin/sh";
  }

  private async hold(): Promise<void> {
    const holder = await this.start({
      argv: [this.shell(), "-c", "read _"],
      env: [`PATH=/bin:${toolboxMount}/bin`],
      cwd: "/",
      user: "",
      tty: undefined,
      stdin: true,
    });
    holder.stdout.resume();
    holder.stderr.resume();
    this.lifetime.defer(() => {
      holder.stdin.end();
    });
  }

  private start(command: {
    argv: readonly string[];
    env: readonly string[];
    cwd: string;
    user: string;
    tty: ExecOptions["tty"];
    stdin: boolean;
  }): Promise<GatewayProcess> {
    const init: InitMessage = {
      ContainerID: this.id,
      Meta: Meta.fromPartial({
        args: [...command.argv],
        env: [...command.env],
        cwd: command.cwd,
        user: command.user,
      }),
      Fds: command.stdin ? [0, 1, 2] : [1, 2],
      Tty: command.tty !== undefined,
      Security: this.spec.security,
      secretenv: [...this.spec.secretEnv],
    };
    return GatewayProcess.start(this.bridge, this.metadata, {
      init,
      tty: command.tty,
      stdin: command.stdin,
      signals: this.spec.signals,
    });
  }

  /** The holder is killed by it, and its end is reported as an error: that is how it should be. */
  private async release(): Promise<void> {
    try {
      await unary(this.bridge, this.bridge.releaseContainer, { ContainerID: this.id }, this.metadata);
    } catch (error) {
      log("buildkit", "release container", { error: String(error) });
    }
  }
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
