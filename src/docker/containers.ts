import type { Duplex, Readable } from "node:stream";
import type Dockerode from "dockerode";
import { DfdebugError } from "../errors.js";
import { orUndefined } from "./absent.js";
import { dockerClient } from "./client.js";
import { compareVersions, type DockerConnection } from "./connection.js";
import { apiError } from "./errors.js";
import { copyOutput, type OutputEnd, type OutputSinks } from "./streams.js";

/** A container as the engine describes it. */
export type ContainerInfo = Dockerode.ContainerInspectInfo;
/** A container in a list. */
export type ContainerSummary = Dockerode.ContainerInfo;
/** What a container is made from: the Engine API's own fields. */
export type ContainerSpec = Dockerode.ContainerCreateOptions;
export type HostConfig = Dockerode.HostConfig;
export type MountSettings = Dockerode.MountSettings;

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
  /** Any capability and device; only where a user asked for it. */
  readonly privileged?: boolean | undefined;
}

/**
 * Never typed by accident: keys that the engine would take for "detach" are the user's (docker's default, Ctrl-P
 * Ctrl-Q, delays every Ctrl-P in a shell).
 */
const noDetachKeys = Array.from({ length: 12 }, () => "ctrl-]").join(",");

/**
 * The container part of the Engine API, with dfdebug's errors: rejects with EngineError, whose code tells 404 (NOT_FOUND),
 * 409 (CONFLICT), 401 and 403 (ENGINE_DENIED) and the rest (ENGINE_REFUSED) apart. Lives as long as its connection.
 */
export class Containers {
  readonly connection: DockerConnection;
  private readonly docker: Dockerode;

  constructor(connection: DockerConnection) {
    this.connection = connection;
    this.docker = dockerClient(connection);
  }

  /** By name, id or an id's unambiguous beginning. */
  inspect(container: string): Promise<ContainerInfo> {
    return this.call(() => this.docker.getContainer(container).inspect());
  }

  /** As `inspect`; undefined where there is no such container. */
  async find(container: string): Promise<ContainerInfo | undefined> {
    return orUndefined(this.inspect(container));
  }

  /** All containers, stopped ones too, newest first. `labels`: `name` or `name=value`, all of which must be there. */
  list(labels: readonly string[] = []): Promise<ContainerSummary[]> {
    const filters = labels.length > 0 ? { filters: { label: [...labels] } } : {};
    return this.call(() => this.docker.listContainers({ all: true, ...filters }));
  }

  /** The new container's id. */
  async create(spec: ContainerSpec): Promise<string> {
    return (await this.call(() => this.docker.createContainer(spec))).id;
  }

  start(id: string): Promise<void> {
    return this.call(() => this.docker.getContainer(id).start());
  }

  /** Standard input, output and error of the first process, as one connection; it may be made before the start. */
  attach(id: string): Promise<Duplex> {
    const options = { stream: true, stdin: true, stdout: true, stderr: true, hijack: true };
    return this.call(async () => (await this.docker.getContainer(id).attach(options)) as Duplex);
  }

  /** Resolves with the exit code when the container ended (`not-running`), or when it is gone (`removed`). */
  async wait(id: string, condition: "not-running" | "removed" = "not-running"): Promise<number> {
    const { StatusCode } = await this.call<{ StatusCode: number }>(() =>
      this.docker.getContainer(id).wait({ condition }),
    );
    return StatusCode;
  }

  /** Removes it with its anonymous volumes, running or not. Already gone is success. */
  async remove(id: string): Promise<void> {
    await ignoreGone(this.call(() => this.docker.getContainer(id).remove({ force: true, v: true })));
  }

  /** Makes an image of a container's files and configuration, without pausing it; the image's id. */
  async commit(id: string, labels: Readonly<Record<string, string>>): Promise<string> {
    const changes = Object.entries(labels).map(([name, value]) => `LABEL ${name}=${JSON.stringify(value)}`);
    const { Id } = await this.call(
      () =>
        this.docker
          .getContainer(id)
          .commit({ pause: false, changes: changes.join("\n"), comment: "dfdebug: temporary" }) as Promise<{
          Id: string;
        }>,
    );
    return Id;
  }

  /** Unpacks a tar archive in a container's folder, running or not. */
  putArchive(id: string, folder: string, archive: Buffer): Promise<void> {
    return this.call(async () => {
      await this.docker.getContainer(id).putArchive(archive, { path: folder });
    });
  }

  /** A small file's bytes, read into memory; undefined where it is not there, or no file. Follows no symlink. */
  async readFile(id: string, path: string): Promise<Buffer | undefined> {
    const archive = await orUndefined(this.call(() => this.docker.getContainer(id).getArchive({ path })));
    if (!archive) return undefined;
    const { extract } = (await import("tar-stream")).default;
    for await (const entry of (archive as Readable).pipe(extract())) {
      if (entry.header.type !== "file") return undefined;
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    }
    return undefined;
  }

  /** The last lines of a container's output, both streams in their order, as bytes. */
  async lastLogs(id: string, lines: number, isTerminal: boolean): Promise<Buffer> {
    const answer = await this.call(() =>
      this.docker.getContainer(id).logs({ follow: false, stdout: true, stderr: true, tail: lines }),
    );
    const bytes = answer;
    if (isTerminal || !Buffer.isBuffer(bytes)) return Buffer.from(bytes);
    const parts: Buffer[] = [];
    for (let at = 0; at + 8 <= bytes.length;) {
      const end = at + 8 + bytes.readUInt32BE(at + 4);
      parts.push(bytes.subarray(at + 8, end));
      at = end;
    }
    return Buffer.concat(parts);
  }

  /** Prepares a process in a running container; nothing runs yet. */
  async createExec(id: string, spec: ExecSpec): Promise<PreparedExec> {
    const { tty } = spec;
    const knowsSize = compareVersions(this.connection.apiVersion, "1.42") >= 0;
    const exec = await this.call(() =>
      this.docker.getContainer(id).exec({
        Cmd: [...spec.argv],
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        Tty: tty !== undefined,
        DetachKeys: noDetachKeys,
        ...(tty && knowsSize ? { ConsoleSize: [tty.rows, tty.columns] } : {}),
        ...(spec.env && spec.env.length > 0 ? { Env: [...spec.env] } : {}),
        ...(spec.user === undefined ? {} : { User: spec.user }),
        ...(spec.privileged === true ? { Privileged: true } : {}),
      }),
    );
    return new PreparedExec(exec, {
      tty,
      resizeAtStart: tty !== undefined && !knowsSize,
      translate: (error) => apiError(error, this.connection.endpoint),
    });
  }

  private async call<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw apiError(error, this.connection.endpoint);
    }
  }
}

interface ExecSettings {
  readonly tty: TerminalSize | undefined;
  readonly resizeAtStart: boolean;
  readonly translate: (error: unknown) => DfdebugError;
}

/** A process that waits to be started. */
export class PreparedExec {
  private readonly exec: Dockerode.Exec;
  private readonly settings: ExecSettings;

  constructor(exec: Dockerode.Exec, settings: ExecSettings) {
    this.exec = exec;
    this.settings = settings;
  }

  /** Rejects with EngineError where it cannot be started. */
  async start(): Promise<RunningExec> {
    const { tty, resizeAtStart, translate } = this.settings;
    try {
      const stream = await this.exec.start({ hijack: true, stdin: true, Tty: tty !== undefined });
      const running = new RunningExec(this.exec, stream, tty !== undefined, translate);
      if (resizeAtStart && tty) running.resize(tty);
      return running;
    } catch (error) {
      throw translate(error);
    }
  }
}

/** A process in a container. `stdin.end()` is its end of input; destroying `stdin` gives the connection up. */
export class RunningExec {
  readonly stdin: Duplex;
  private readonly exec: Dockerode.Exec;
  private readonly isTerminal: boolean;
  private readonly translate: (error: unknown) => DfdebugError;

  constructor(exec: Dockerode.Exec, stream: Duplex, isTerminal: boolean, translate: (error: unknown) => DfdebugError) {
    this.exec = exec;
    this.stdin = stream;
    this.isTerminal = isTerminal;
    this.translate = translate;
    // A process that does not read its input closes it: its output tells the rest.
    stream.on("error", () => undefined);
  }

  /** Resolves when the process's output is complete and delivered. Rejects with EngineError when the engine is lost. */
  async copyOutput(sinks: OutputSinks): Promise<OutputEnd> {
    try {
      return await copyOutput(this.stdin, sinks, this.isTerminal);
    } catch (error) {
      throw this.translate(error);
    }
  }

  /** The terminal's new size; a process that just ended is no error. */
  resize(size: TerminalSize): void {
    this.exec.resize({ h: size.rows, w: size.columns }).catch(() => undefined);
  }

  /** The exit code of a process that ended; undefined while it runs. */
  async exitCode(): Promise<number | undefined> {
    try {
      const { ExitCode, Running } = await this.exec.inspect();
      return Running ? undefined : (ExitCode ?? undefined);
    } catch (error) {
      throw this.translate(error);
    }
  }
}

/** Already gone, or about to be, is success. */
async function ignoreGone(answer: Promise<unknown>): Promise<void> {
  try {
    await answer;
  } catch (error) {
    if (!(error instanceof DfdebugError) || (error.code !== "NOT_FOUND" && error.code !== "CONFLICT")) throw error;
  }
}
