import { once } from "node:events";
import type { Duplex } from "node:stream";
import { Collector } from "../docker/collector.js";
import type { Containers, ContainerSpec, RunningExec, TerminalSize } from "../docker/containers.js";
import { knowsTerminalSize } from "../docker/exec.js";
import { copyOutput } from "../docker/streams.js";
import { ContainerError, errorMessage } from "../errors.js";
import { log } from "../log.js";
import { command } from "./command-script.js";
import { checkReady, holdContainer, notStarted, sidecarName, type HeldContainer } from "./first-process.js";
import type { OwnerLabels } from "./labels.js";
import type { SidecarRights } from "./rights.js";
import { firstProcess, firstProcessUser, hasAccount, lifeline, runFolderMount, soleProcess } from "./scripts.js";
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

/** The same on a terminal. */
export type TerminalCommand = Omit<SidecarCommand, "tty"> & { readonly tty: TerminalSize };

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

/** A process that a sidecar was made for, on a terminal. Dispose ends it. */
export interface TerminalProcess extends AsyncDisposable {
  readonly exec: Pick<RunningExec, "stdin" | "copyOutput" | "resize" | "exitCode">;
  /** Settles when it ended, by itself, with its target or with the engine. */
  readonly ended: Promise<unknown>;
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
    return new Sidecar(options, await hold(options, { becomes: [] }));
  }

  /**
   * A sidecar that is one command without input, and ends with it: no slower than `docker run`, where a process started in a
   * running sidecar costs as much again. Rejects as `open`.
   */
  static async run(options: SidecarOptions, what: SoleCommand): Promise<SoleProcess> {
    const held = await hold(options, { becomes: commandOf(options, what, soleProcess) });
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
   * As `run`, on a terminal. Its input is the user's keys, which end with no client: a process beside it watches over this one,
   * and until that runs the session's guard does.
   */
  static async runTerminal(options: SidecarOptions, what: TerminalCommand): Promise<TerminalProcess> {
    const { containers } = options;
    const { tty, env = [], view } = what;
    const seen = view === "outside" ? env : env.filter(isTerminalType);
    const held = await hold(options, { becomes: commandOf(options, what, soleProcess), tty, env: seen });
    const { id, control, removed } = held;
    const watch = containers.createExec(id, { argv: lifeline }).then((prepared) => prepared.start());
    // It ended at once, or the engine will: then there is nothing to watch over.
    watch.catch((error: unknown) => log("sidecar", "no lifeline", { error: errorMessage(error) }));
    const resize = (size: TerminalSize): Promise<void> => containers.resize(id, size).catch(() => undefined);
    if (!knowsTerminalSize(containers.connection)) await resize(tty);
    return {
      exec: {
        stdin: control,
        copyOutput: (sinks, options) => copyOutput(control, sinks, { ...options, isTerminal: true, gone: removed }),
        resize,
        exitCode: () => removed,
      },
      ended: removed,
      [Symbol.asyncDispose]: async () => {
        const watching = await watch.catch(() => undefined);
        watching?.stdin.end();
        await held[Symbol.asyncDispose]();
        watching?.stdin.destroy();
      },
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
      env: view === "outside" ? env : env.filter(isTerminalType),
      // Inside the wrapper changes the user itself, behind chroot.
      user: view === "outside" && user !== undefined ? await this.withGroup(user) : undefined,
    });
    const exec = await prepared.start();
    exec.endWith(held.removed);
    return { exec, kill: (signal) => order(held.control, signal, pidFile) };
  }

  /**
   * The engine gives a user id without a group that of the toolbox's own accounts, or root's. The target's own user has the
   * group of its first process: another's may not look into it. Rejects with ContainerError (125) for a name that the toolbox
   * does not know, which the engine would tell as the command's output.
   */
  private async withGroup(user: string): Promise<string> {
    const [name = ""] = user.split(":");
    if (!/^\d+$/.test(name)) {
      if ((await this.ask(hasAccount, name)).code === 0) return user;
      throw new ContainerError(
        `The toolbox has no user ${name}`,
        { code: "SIDECAR_START", hint: "Give a number, or --inside: there the names are the container's own." },
        125,
      );
    }
    if (!/^[1-9]\d*$/.test(user)) return user;
    const [uid, gid] = (await this.ask(firstProcessUser)).output.trim().split(":");
    return uid === user && gid ? `${user}:${gid}` : user;
  }

  /** Runs a small script in the sidecar. */
  private async ask(script: string, ...args: readonly string[]): Promise<{ output: string; code: number | undefined }> {
    const { options, held } = this;
    const argv = ["/bin/sh", "-c", script, "dfdebug", ...args];
    const exec = await (await options.containers.createExec(held.id, { argv })).start();
    exec.stdin.end();
    const output = new Collector();
    await exec.copyOutput({ stdout: output, stderr: new Collector() });
    exec.stdin.destroy();
    return { output: output.bytes.toString("utf8"), code: await exec.exitCode() };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.held[Symbol.asyncDispose]();
  }
}

/** What a sidecar's first process is to be; `becomes` is empty where it only holds the sidecar open. */
interface FirstCommand {
  readonly becomes: readonly string[];
  readonly tty?: TerminalSize;
  readonly env?: readonly string[];
}

function isTerminalType(entry: string): boolean {
  return entry.startsWith("TERM=");
}

async function hold(options: SidecarOptions, first: FirstCommand): Promise<HeldContainer> {
  const { containers, label, signal } = options;
  let held: HeldContainer | undefined;
  try {
    held = await holdContainer({ containers, spec: specOf(options, first), signal, speaks: true });
    checkReady(held.firstLine);
    return held;
  } catch (error) {
    await held?.[Symbol.asyncDispose]();
    throw notStarted(error, label, options.toolbox.name);
  }
}

function specOf(options: SidecarOptions, { becomes, tty, env: more = [] }: FirstCommand): ContainerSpec {
  const { toolbox, rights, readOnly, label, labels, env } = options;
  return {
    name: sidecarName(label),
    Image: toolbox.id,
    Entrypoint: [],
    Cmd: firstProcess({
      target: rights.targetProcess,
      readOnly,
      kit: toolbox.kit,
      label,
      command: becomes,
      isTerminal: tty !== undefined,
    }),
    Tty: tty !== undefined,
    User: "0:0",
    WorkingDir: "/",
    Env: [...env, ...more],
    Labels: { ...labels },
    Healthcheck: { Test: ["NONE"] },
    HostConfig: {
      ...rights.hostConfig,
      Tmpfs: runFolderMount,
      ...(tty && { ConsoleSize: [tty.rows, tty.columns] }),
    },
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
