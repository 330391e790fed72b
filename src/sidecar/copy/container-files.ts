import type { Readable } from "node:stream";
import { nearest } from "../../dockerfile/suggest.js";
import { ContainerError } from "../../errors.js";

/** A path in a container. */
export interface PathStat {
  readonly kind: "file" | "directory" | "symlink" | "other";
  readonly size: number;
  /** Where a symlink leads in the end, resolved in the container; undefined for the rest, or where it leads in circles. */
  readonly target: string | undefined;
}

export interface ReadOptions {
  /** A last symlink is followed. */
  readonly follow: boolean;
  /** Entries are named as docker names them, for an archive that leaves dfdebug; else a folder's root is ".". */
  readonly forStream: boolean;
}

/** A path's content on its way out. */
export interface FilesArchive {
  readonly stat: Pick<PathStat, "kind" | "size">;
  readonly archive: Readable;
  /** How many first parts of each entry's name are the path's own. */
  readonly strip: number;
  /** Pseudo file systems that were left out of a root. */
  readonly leftOut: readonly string[];
  /** Settles when the archive is complete. Rejects with ContainerError (COPY_FAILED) where a part could not be read. */
  readonly done: Promise<void>;
}

/** A single file's archive is named anything; else the entries are named as they are to be in the folder. */
export interface WriteOptions {
  readonly folder: string;
  /** The file that the archive's one entry becomes; undefined: the archive is unpacked in the folder. */
  readonly file: string | undefined;
  /** The name of the archive's root in the folder, where it has one. */
  readonly root: string | undefined;
  readonly signal: AbortSignal;
}

/** What a copy that did not end well left behind. */
export class PartialCopyError extends ContainerError {
  /** The path that may be partial, and whether it is known exactly. */
  readonly partial: string;

  constructor(message: string, partial: string, cause?: unknown) {
    super(message, { code: "COPY_FAILED", hint: `Partial now: ${partial}`, cause });
    this.partial = partial;
  }
}

/** A container's files for `cp`, whether it runs or not. Paths are absolute and resolve inside the container. */
export interface ContainerFiles extends AsyncDisposable {
  /** The name that a single file's one entry must have in what is written; undefined: its own. */
  readonly entryName: string | undefined;
  /** Undefined where nothing is there. The last part is not followed, unless the path ends with `/` or `/.`. */
  stat(path: string): Promise<PathStat | undefined>;
  /** Undefined where nothing is there. Rejects with EngineError or ContainerError. */
  read(path: string, options: ReadOptions): Promise<FilesArchive | undefined>;
  /** Consumes the archive. Rejects with ContainerError: COPY_CONFLICT, COPY_FAILED (PartialCopyError). */
  write(archive: AsyncIterable<Buffer>, options: WriteOptions): Promise<void>;
  /** Names in a folder, as many as can be had cheaply; for hints. */
  names(folder: string): Promise<readonly string[]>;
}

/** The error for a path that is not there: which part is missing, and what is there that is named nearly so. */
export async function missingPath(files: ContainerFiles, container: string, path: string): Promise<ContainerError> {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  let folder = "";
  for (const part of parts) {
    const here = folder === "" ? "/" : folder;
    const next = `${folder}/${part}`;
    // Followed, so that a symlink that leads nowhere is told from a missing name.
    const stat = await files.stat(next);
    if (!stat) {
      const near = nearest(part, await files.names(here));
      return new ContainerError(`${container}:${path} does not exist: ${here} has no ${part}`, {
        code: "NOT_FOUND",
        hint: near === undefined ? undefined : `Did you mean ${here === "/" ? "" : here}/${near}?`,
      });
    }
    if (stat.kind === "symlink" && (stat.target === undefined || !(await files.stat(stat.target))))
      return new ContainerError(
        `${container}:${path} does not exist: ${next} is a symlink that leads ${stat.target === undefined ? "in circles or nowhere" : `to ${stat.target}, which is not there`}`,
        { code: "NOT_FOUND" },
      );
    const kind = stat.kind === "symlink" ? (await files.stat(stat.target ?? ""))?.kind : stat.kind;
    if (kind !== "directory" && (part !== parts.at(-1) || path.endsWith("/") || path.endsWith("/.")))
      return new ContainerError(`${container}:${path} does not exist: ${next} is a file, not a folder`, {
        code: "NOT_FOUND",
      });
    folder = next;
  }
  return new ContainerError(`${container}:${path} does not exist`, { code: "NOT_FOUND" });
}
