import { randomBytes } from "node:crypto";
import { Writable, type Duplex } from "node:stream";
import type { Containers, RunningExec, TerminalSize } from "../docker/containers.js";
import { copyOutput } from "../docker/streams.js";
import { ContainerError, DfdebugError, EngineError, cancellation } from "../errors.js";
import { Lifetime } from "../lifetime.js";
import type { OwnerLabels } from "./labels.js";
import type { SidecarRights } from "./rights.js";
import { command, firstProcess } from "./scripts.js";
import type { ToolboxImage } from "./toolbox-image.js";

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

/** A process in a sidecar. */
export interface SidecarProcess {
  readonly exec: RunningExec;
  /** A signal's name without SIG: `INT`. */
  kill(signal: string): void;
}

/**
 * A toolbox container beside a target. It lives as long as the connection to its first process: when this dfdebug dies, even
 * by SIGKILL, the engine ends that process and removes the container with all that runs in it. Dispose removes it.
 */
export class Sidecar implements AsyncDisposable {
  /** Settles when the sidecar ended, by itself, with its target or with the engine. */
  readonly ended: Promise<void>;
  private readonly options: SidecarOptions;
  private readonly id: string;
  private readonly firstPid: number;
  private readonly control: Duplex;
  private readonly lifetime: Lifetime;
  private processes = 0;

  private constructor(
    options: SidecarOptions,
    parts: { id: string; firstPid: number; control: Duplex; ended: Promise<void>; lifetime: Lifetime },
  ) {
    this.options = options;
    this.id = parts.id;
    this.firstPid = parts.firstPid;
    this.control = parts.control;
    this.ended = parts.ended;
    this.lifetime = parts.lifetime;
  }

  /** Rejects with ContainerError (exit code 125) where the engine or the target do not allow it. */
  static async open(options: SidecarOptions): Promise<Sidecar> {
    const { containers, toolbox, rights, readOnly, label, labels, signal } = options;
    const lifetime = new Lifetime();
    try {
      const id = await containers.create({
        name: `dfdebug-${label.replaceAll(/[^\w.-]/g, "_").slice(0, 60)}-${randomBytes(3).toString("hex")}`,
        Image: toolbox.id,
        Entrypoint: [],
        Cmd: firstProcess({ target: rights.targetProcess, readOnly, kit: toolbox.kit, label }),
        User: "0:0",
        WorkingDir: "/",
        Env: [...options.env],
        Labels: { ...labels },
        OpenStdin: true,
        StdinOnce: true,
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        HostConfig: rights.hostConfig,
      });
      lifetime.defer(() => containers.remove(id));
      if (signal.aborted) throw cancellation(signal);
      // Attached before it starts: from its first moment on it ends with this process.
      const control = await containers.attach(id);
      const first = new FirstProcess(control);
      await containers.start(id);
      lifetime.defer(async () => {
        const removed = containers.wait(id, "removed").catch(() => undefined);
        control.destroy();
        await removed;
      });
      const firstPid = await first.ready;
      return new Sidecar(options, { id, firstPid, control, ended: first.ended, lifetime });
    } catch (error) {
      await lifetime[Symbol.asyncDispose]();
      throw notStarted(error, label);
    }
  }

  /**
   * Starts a process. What cannot be found or executed ends with 127 or 126, as in a shell. Rejects with EngineError or
   * ContainerError (exit code 125).
   */
  async exec(options: SidecarCommand): Promise<SidecarProcess> {
    const { containers, toolbox, targetEnv, targetCwd } = this.options;
    const { argv, view, tty, env = [], cwd, user } = options;
    const pidFile = `pid-${String((this.processes += 1))}`;
    const prepared = await containers.createExec(this.id, {
      argv: command({
        argv,
        view,
        cwd,
        isTerminal: tty !== undefined,
        inside: { user, cwd: targetCwd, env: [...targetEnv, ...env] },
        kit: toolbox.kit,
        firstPid: this.firstPid,
        pidFile,
      }),
      tty,
      env: view === "outside" ? env : env.filter((entry) => entry.startsWith("TERM=")),
      // Inside the wrapper changes the user itself, behind chroot.
      user: view === "outside" ? user : undefined,
    });
    const exec = await prepared.start();
    return {
      exec,
      kill: (signal) => {
        if (this.control.writable) this.control.write(`kill ${signal} ${pidFile}\n`);
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lifetime[Symbol.asyncDispose]();
  }
}

/** What the sidecar's first process says: that it is ready, or why not. */
class FirstProcess {
  /** Its process id in the shared namespace. Rejects with ContainerError. */
  readonly ready: Promise<number>;
  readonly ended: Promise<void>;

  constructor(control: Duplex) {
    let said = "";
    let settle: (pid: number | undefined) => void;
    const answer = new Promise<number | undefined>((resolve) => (settle = resolve));
    const listener = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        said = (said + chunk.toString("utf8")).slice(-4000);
        const ready = /^ready (\d+)$/m.exec(said);
        if (ready) settle(Number(ready[1]));
        done();
      },
    });
    control.on("error", () => undefined);
    this.ended = copyOutput(control, { stdout: listener, stderr: listener }, false).then(
      () => settle(undefined),
      () => settle(undefined),
    );
    this.ready = answer.then((pid) => {
      if (pid !== undefined) return pid;
      const reason = /^failed (.*)$/m.exec(said)?.[1] ?? (said.trim() || "it ended at once");
      throw new ContainerError(`The toolbox container could not be set up: ${reason}`, { code: "SIDECAR_START" }, 125);
    });
    // Looked at only when the start succeeded.
    this.ready.catch(() => undefined);
  }
}

/** docker's 125 for a container that the engine refuses to make or to start; a lost engine stays what it is. */
function notStarted(error: unknown, label: string): DfdebugError {
  if (error instanceof EngineError && ["NOT_FOUND", "CONFLICT", "ENGINE_REFUSED"].includes(error.code))
    return new ContainerError(
      `The toolbox could not be started beside ${label}: ${error.message}`,
      { code: "SIDECAR_START", cause: error },
      125,
    );
  if (error instanceof DfdebugError) return error;
  throw error;
}
