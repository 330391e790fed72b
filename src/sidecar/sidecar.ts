import { once } from "node:events";
import type { Duplex } from "node:stream";
import { Collector } from "../docker/collector.js";
import type { Containers, ContainerSpec, RunningExec, TerminalSize } from "../docker/containers.js";
import { copyOutput } from "../docker/streams.js";
import { command } from "./command-script.js";
import { checkReady, holdContainer, notStarted, sidecarName, type HeldContainer } from "./first-process.js";
import type { OwnerLabels } from "./labels.js";
import type { SidecarRights } from "./rights.js";
import { firstProcess, firstProcessUser, runFolderMount, soleProcess } from "./scripts.js";
import type { ToolboxImage } from "./toolbox.js";

export interface SidecarOptions {
  readonly containers: Containers;
  readonly toolbox: ToolboxImage;
  readonly rights: SidecarRights;
  readonly readOnly: boolean;
  /** The target's name: for prompts and the sidecar's own name. */
  readonly label: string;
  readonly labels: OwnerLabels;
  /** `NAME=value`. */
  readonly env: readonly string[];
  /** The target's configuration, for commands in the inside view. */
  readonly targetEnv: readonly string[];
  readonly targetCwd: string;
  readonly signal: AbortSignal;
}

export interface SidecarCommand {
  /** Empty: a shell. */
  readonly argv: readonly string[];
  readonly view: "inside" | "outside";
  readonly tty?: TerminalSize | undefined;
  readonly env?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  readonly user?: string | undefined;
}

/** A command that is a sidecar's only one. In the outside view its user is root. */
export type SoleCommand = Omit<SidecarCommand, "tty" | "env">;

/** A process in a sidecar. */
export interface SidecarProcess {
  readonly exec: RunningExec;
  /** A signal's name without SIG: `INT`. */
  kill(signal: string): void;
}

/** A process that a sidecar was made for, with no input. */
export interface SoleProcess extends AsyncDisposable {
  readonly exec: Pick<RunningExec, "copyOutput" | "exitCode">;
  kill(signal: string): void;
}

/**
 * A toolbox container beside a target. It lives as long as the connection to its first process: when this dfdebug dies, even
 * by SIGKILL, the engine ends that process and removes the container with all that runs in it. Dispose removes it.
 */
export class Sidecar implements AsyncDisposable {
  /** Settles when the sidecar ended, by itself, with its target or with the engine. */
  readonly ended: Promise<unknown>;
  private readonly options: SidecarOptions;
  private readonly held: HeldContainer;
  private processes = 0;

  private constructor(options: SidecarOptions, held: HeldContainer) {
    this.options = options;
    this.held = held;
    this.ended = Promise.race([held.removed, once(held.control, "close").catch(() => undefined)]);
    held.control.resume();
  }

  /** Rejects with ContainerError (exit code 125) where the engine or the target do not allow it. */
  static async open(options: SidecarOptions): Promise<Sidecar> {
    return new Sidecar(options, await hold(options, []));
  }

  /**
   * A sidecar that is one command without input, and ends with it: no slower than `docker run`, where a process started in a
   * running sidecar costs as much again. Rejects as `open`.
   */
  static async run(options: SidecarOptions, what: SoleCommand): Promise<SoleProcess> {
    const held = await hold(options, commandOf(options, what, soleProcess));
    const { control, removed } = held;
    return {
      exec: {
        copyOutput: (sinks, options) => copyOutput(control, sinks, { ...options, isTerminal: false, gone: removed }),
        exitCode: () => removed,
      },
      kill: (signal) => order(control, signal, soleProcess),
      [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
    };
  }

  /**
   * Starts a process. What cannot be found or executed ends with 127 or 126, as in a shell. Rejects with EngineError or
   * ContainerError (exit code 125).
   */
  async exec(what: SidecarCommand): Promise<SidecarProcess> {
    const { options, held } = this;
    const { view, tty, env = [], user } = what;
    const pidFile = `pid-${String((this.processes += 1))}`;
    const prepared = await options.containers.createExec(held.id, {
      argv: commandOf(options, what, pidFile),
      tty,
      env: view === "outside" ? env : env.filter((entry) => entry.startsWith("TERM=")),
      // Inside the wrapper changes the user itself, behind chroot.
      user: view === "outside" && user !== undefined ? await this.withGroup(user) : undefined,
    });
    const exec = await prepared.start();
    exec.endWith(held.removed);
    return { exec, kill: (signal) => order(held.control, signal, pidFile) };
  }

  /**
   * The engine gives a user id without a group that of the toolbox's own accounts, or root's. The target's own user has the
   * group of its first process: another's may not look into it.
   */
  private async withGroup(user: string): Promise<string> {
    if (!/^[1-9]\d*$/.test(user)) return user;
    const { options, held } = this;
    const argv = ["/bin/sh", "-c", firstProcessUser];
    const exec = await (await options.containers.createExec(held.id, { argv })).start();
    exec.stdin.end();
    const output = new Collector();
    await exec.copyOutput({ stdout: output, stderr: new Collector() });
    exec.stdin.destroy();
    const [uid, gid] = output.bytes.toString("utf8").trim().split(":");
    return uid === user && gid ? `${user}:${gid}` : user;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.held[Symbol.asyncDispose]();
  }
}

async function hold(options: SidecarOptions, becomes: readonly string[]): Promise<HeldContainer> {
  const { containers, label, signal } = options;
  let held: HeldContainer | undefined;
  try {
    held = await holdContainer({ containers, spec: specOf(options, becomes), signal, speaks: true });
    checkReady(held.firstLine);
    return held;
  } catch (error) {
    await held?.[Symbol.asyncDispose]();
    throw notStarted(error, label);
  }
}

function specOf(options: SidecarOptions, becomes: readonly string[]): ContainerSpec {
  const { toolbox, rights, readOnly, label, labels, env } = options;
  return {
    name: sidecarName(label),
    Image: toolbox.id,
    Entrypoint: [],
    Cmd: firstProcess({ target: rights.targetProcess, readOnly, kit: toolbox.kit, label, command: becomes }),
    User: "0:0",
    WorkingDir: "/",
    Env: [...env],
    Labels: { ...labels },
    Healthcheck: { Test: ["NONE"] },
    HostConfig: { ...rights.hostConfig, Tmpfs: runFolderMount },
  };
}

function commandOf(options: SidecarOptions, what: SidecarCommand, pidFile: string): string[] {
  const { toolbox, targetEnv, targetCwd, rights } = options;
  const { argv, view, tty, env = [], cwd, user } = what;
  return command({
    argv,
    view,
    cwd,
    isTerminal: tty !== undefined,
    inside: { user, cwd: targetCwd, env: [...targetEnv, ...env], entersMounts: rights.entersMounts },
    kit: toolbox.kit,
    pidFile,
  });
}

/** The lifeline passes it on. */
function order(control: Duplex, signal: string, pidFile: string): void {
  if (control.writable) control.write(`kill ${signal} ${pidFile}\n`);
}
