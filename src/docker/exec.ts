import { setTimeout as sleep } from "node:timers/promises";
import type { Duplex } from "node:stream";
import { compareVersions, type DockerConnection } from "./connection.js";
import { dialError } from "./errors.js";
import { copyOutput, type OutputEnd, type OutputSinks } from "./streams.js";

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface ExecSpec {
  readonly argv: readonly string[];
  /** Undefined: no terminal; standard output and error stay apart. */
  readonly tty?: TerminalSize | undefined;
  /** `NAME=value`, added to the container's. */
  readonly env?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly cwd?: string | undefined;
  /** Any capability and device; only where a user asked for it. */
  readonly privileged?: boolean | undefined;
  /** Whether it has standard input; true where it is left out. */
  readonly stdin?: boolean | undefined;
  /** Nobody is connected to its input and output: it is started with `startDetached`. */
  readonly detached?: boolean | undefined;
  /** docker's form, `ctrl-p,ctrl-q`; none where it is left out. */
  readonly detachKeys?: string | undefined;
}

/**
 * Never typed by accident: keys that the engine would take for "detach" are the user's (docker's default, Ctrl-P
 * Ctrl-Q, delays every Ctrl-P in a shell).
 */
export const noDetachKeys = Array.from({ length: 12 }, () => "ctrl-]").join(",");

/** docker's own number (docker/cli, initTtySize). */
const resizeAttempts = 10;

/** Whether a terminal of this engine has its size from its start. */
export function knowsTerminalSize(connection: DockerConnection): boolean {
  return compareVersions(connection.apiVersion, "1.42") >= 0;
}

/** A process in a container that waits to be started. */
export class PreparedExec {
  private readonly connection: DockerConnection;
  private readonly id: string;
  private readonly tty: TerminalSize | undefined;

  private constructor(connection: DockerConnection, id: string, tty: TerminalSize | undefined) {
    this.connection = connection;
    this.id = id;
    this.tty = tty;
  }

  /** Rejects with EngineError; CONFLICT where the container does not run, or is paused. */
  static async create(connection: DockerConnection, container: string, spec: ExecSpec): Promise<PreparedExec> {
    const { tty, env = [], user, cwd, detached = false } = spec;
    const body = {
      Cmd: spec.argv,
      AttachStdin: !detached && (spec.stdin ?? true),
      AttachStdout: !detached,
      AttachStderr: !detached,
      Tty: tty !== undefined,
      DetachKeys: spec.detachKeys ?? noDetachKeys,
      ...(env.length > 0 ? { Env: env } : {}),
      ...(user === undefined ? {} : { User: user }),
      ...(cwd === undefined ? {} : { WorkingDir: cwd }),
      ...(spec.privileged === true ? { Privileged: true } : {}),
    };
    const { Id } = await connection.json<{ Id: string }>("POST", `/containers/${container}/exec`, { body });
    return new PreparedExec(connection, Id, tty);
  }

  /** Rejects with EngineError where it cannot be started. */
  async start(): Promise<RunningExec> {
    const { connection, id, tty } = this;
    const knowsSize = knowsTerminalSize(connection);
    const body = {
      Detach: false,
      Tty: tty !== undefined,
      ...(tty && knowsSize ? { ConsoleSize: [tty.rows, tty.columns] } : {}),
    };
    const running = new RunningExec(connection, id, await connection.hijack(`/exec/${id}/start`, { body }), {
      isTerminal: tty !== undefined,
    });
    // What the user types finds a terminal that has its size.
    if (tty && !knowsSize) await running.resize(tty);
    return running;
  }

  /** Resolves when it runs, with nobody connected to it. Rejects with EngineError where it cannot be started. */
  async startDetached(): Promise<void> {
    const body = { Detach: true, Tty: this.tty !== undefined };
    await this.connection.json("POST", `/exec/${this.id}/start`, { body });
  }

  /** As RunningExec's, of one that could not be started: 126 or 127 where the engine knows why. */
  async exitCode(): Promise<number | undefined> {
    return (await inspect(this.connection, this.id)).ExitCode ?? undefined;
  }
}

/** A process in a container. `stdin.end()` is its end of input; destroying `stdin` gives the connection up. */
export class RunningExec {
  readonly stdin: Duplex;
  private readonly connection: DockerConnection;
  private readonly id: string;
  private readonly isTerminal: boolean;
  private gone: Promise<unknown> | undefined;
  private resizing: Promise<void> = Promise.resolve();

  constructor(connection: DockerConnection, id: string, stream: Duplex, options: { isTerminal: boolean }) {
    this.connection = connection;
    this.id = id;
    this.stdin = stream;
    this.isTerminal = options.isTerminal;
    // A process that does not read its input closes it: its output tells the rest.
    stream.on("error", () => undefined);
  }

  /** Its output ends with its container, of which `gone` tells, whatever the engine makes of the stream. */
  endWith(gone: Promise<unknown>): void {
    this.gone = gone;
  }

  /**
   * Resolves when the process's output is complete and delivered. With `lends` the sinks have no use for what is written. Rejects
   * with EngineError when the engine is lost.
   */
  async copyOutput(sinks: OutputSinks, { lends = false } = {}): Promise<OutputEnd> {
    try {
      return await copyOutput(this.stdin, sinks, { isTerminal: this.isTerminal, gone: this.gone, lends });
    } catch (error) {
      throw dialError(error, this.connection.endpoint);
    }
  }

  /**
   * The terminal's new size; sizes are set in their order. A process that just ended is no error; one that is about to begin
   * is asked again, as docker does. Resolves when it is set, or cannot be.
   */
  resize(size: TerminalSize): Promise<void> {
    const query = { h: size.rows, w: size.columns };
    this.resizing = this.resizing.then(async () => {
      for (let attempt = 1; attempt <= resizeAttempts; attempt++) {
        try {
          await this.connection.json("POST", `/exec/${this.id}/resize`, { query });
          return;
        } catch {
          if (this.stdin.destroyed || (await this.hasEnded())) return;
          await sleep(attempt * 10);
        }
      }
    });
    return this.resizing;
  }

  /** The exit code of a process that ended; undefined while it runs. Rejects with EngineError, NOT_FOUND when it is gone. */
  async exitCode(): Promise<number | undefined> {
    const { ExitCode, Running } = await inspect(this.connection, this.id);
    return Running ? undefined : (ExitCode ?? undefined);
  }

  /** Its process id on the engine's machine while it runs; 0 where it never started. Rejects as `exitCode`. */
  async hostPid(): Promise<number> {
    return (await inspect(this.connection, this.id)).Pid;
  }

  /** Also where nobody can say: the engine is gone. */
  private async hasEnded(): Promise<boolean> {
    return inspect(this.connection, this.id).then(
      ({ ExitCode, Running }) => !Running && ExitCode !== null,
      () => true,
    );
  }
}

function inspect(
  connection: DockerConnection,
  id: string,
): Promise<{ ExitCode: number | null; Running: boolean; Pid: number }> {
  return connection.json("GET", `/exec/${id}/json`);
}
