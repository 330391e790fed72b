import { Duplex, PassThrough, Readable } from "node:stream";
import type { Containers } from "../../docker/containers.js";
import { readArchive, statArchive, writeArchive } from "../../docker/archive.js";
import { ContainerError, DfdebugError, EngineError, cancellation } from "../../errors.js";
import type { OwnerLabels } from "../labels.js";
import type { Target } from "../target.js";
import {
  PartialCopyError,
  type ContainerFiles,
  type FilesArchive,
  type PathStat,
  type ReadOptions,
  type WriteOptions,
} from "./container-files.js";
import { readEntries } from "./tar-reader.js";

/** Bytes of a folder's archive that are read for the names in it. */
const namesLimit = 8 * 1024 * 1024;

/**
 * The files of a container that does not run, or of an image, through the engine's archive API. Nothing is started; for an
 * image a container is made from it, and removed by dispose.
 */
export class StoredFiles implements ContainerFiles {
  readonly entryName = undefined;
  private readonly containers: Containers;
  private readonly id: string;
  private readonly isOwn: boolean;

  private constructor(containers: Containers, id: string, isOwn: boolean) {
    this.containers = containers;
    this.id = id;
    this.isOwn = isOwn;
  }

  /** Rejects with EngineError. */
  static async open(target: Target, containers: Containers, labels: OwnerLabels): Promise<StoredFiles> {
    if (target.kind === "container") return new StoredFiles(containers, target.info.Id, false);
    const id = await containers.create({
      Image: target.image.Id,
      // An image that says nothing about it cannot be made a container of without a command; it is never run.
      Cmd: ["/"],
      // The engine makes the image's own in what is made from it, and refuses where a file stands there.
      WorkingDir: "/",
      Labels: { ...labels },
      HostConfig: { NetworkMode: "none" },
    });
    return new StoredFiles(containers, id, true);
  }

  async stat(path: string): Promise<PathStat | undefined> {
    return statArchive(this.containers.connection, this.id, path);
  }

  async read(path: string, options: ReadOptions): Promise<FilesArchive | undefined> {
    const { connection } = this.containers;
    const asked = path === "/" ? "/." : path;
    let stat = await this.stat(asked);
    let from = asked;
    if (stat?.kind === "symlink" && options.follow) {
      from = stat.target ?? asked;
      stat = await this.stat(from);
    }
    if (!stat) return undefined;
    const response = await readArchive(connection, this.id, from);
    return {
      stat,
      archive: response,
      // "x/." is named ".", of which nothing is left when names are taken apart.
      strip: from.endsWith("/.") ? 0 : 1,
      leftOut: [],
      done: Promise.resolve(),
    };
  }

  async write(archive: AsyncIterable<Buffer>, options: WriteOptions): Promise<void> {
    const { folder, file, root, signal } = options;
    const where = `${folder === "/" ? "" : folder}/${file ?? root ?? ""}`;
    let sent = 0;
    const counted = async function* (): AsyncGenerator<Buffer> {
      for await (const chunk of archive) {
        sent += chunk.length;
        yield chunk;
      }
    };
    const body = new PassThrough();
    const source = Readable.from(counted(), { objectMode: false });
    let failure: unknown;
    source.once("error", (error) => {
      failure = error;
      body.destroy(error);
    });
    source.pipe(body);
    try {
      await Promise.race([
        writeArchive(this.containers.connection, this.id, folder, Duplex.from(body), signal),
        new Promise<never>((_resolve, reject) => body.once("error", reject)),
      ]);
    } catch (error) {
      source.destroy();
      const cause = failure ?? error;
      if (sent === 0 || (cause instanceof EngineError && cause.code === "ENGINE_REFUSED" && failure === undefined))
        throw refused(cause, where);
      const message = signal.aborted
        ? cancellation(signal).message
        : cause instanceof Error
          ? cause.message
          : "The copy failed";
      const partial = new PartialCopyError(message, `${where}: what was not copied yet is missing`, cause);
      throw signal.aborted ? cancelledPartial(partial, signal) : partial;
    }
  }

  async names(folder: string): Promise<readonly string[]> {
    const names = new Set<string>();
    let archive: Readable;
    try {
      archive = await readArchive(this.containers.connection, this.id, folder === "/" ? "/." : `${folder}/.`);
    } catch {
      return [];
    }
    let read = 0;
    archive.on("data", (chunk: Buffer) => {
      read += chunk.length;
      if (read > namesLimit) archive.destroy(new Error("enough"));
    });
    try {
      for await (const { parts } of readEntries(archive)) if (parts[0] !== undefined) names.add(parts[0]);
    } catch {
      // What came until then is what there is to suggest from.
    }
    archive.destroy();
    return [...names];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isOwn) await this.containers.remove(this.id);
  }
}

function refused(error: unknown, where: string): unknown {
  if (
    !(error instanceof DfdebugError) ||
    !["ENGINE_REFUSED", "CONFLICT", "NOT_FOUND", "ENGINE_DENIED"].includes(error.code)
  )
    return error;
  return new ContainerError(`The engine refused to write ${where}: ${error.message}`, {
    code: "COPY_CONFLICT",
    cause: error,
  });
}

/** An interruption that says what it left. */
export function cancelledPartial(partial: PartialCopyError, signal: AbortSignal): DfdebugError {
  const { message, code, exitCode } = cancellation(signal);
  return new DfdebugError(message, { code, hint: partial.hint, cause: partial }, exitCode);
}
