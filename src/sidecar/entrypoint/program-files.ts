import { posix } from "node:path";
import { nearest } from "../../dockerfile/suggest.js";
import { DfdebugError } from "../../errors.js";
import type { ContainerFiles, PathStat } from "../copy/container-files.js";
import { readEntries } from "../copy/tar-reader.js";
import type { Owned } from "./accounts.js";
import type { ReadRanges } from "./elf-dynamic.js";
import type { ByteRange } from "./elf.js";

/** Enough of a program for its headers: what follows is not asked for. */
const headBytes = 64 * 1024;
/** A /etc/passwd that is larger is cut; so is a linker's cache. */
const textBytes = 4 * 1024 * 1024;
/** The first part of a library, in which most have all that its loader needs to know. */
const libraryBytes = 4 * 1024 * 1024;

/** A path with its last symlinks followed. */
export interface Found {
  /** As it was asked for. */
  readonly path: string;
  /** Where it leads in the end; the path itself where it is no symlink. */
  readonly real: string;
  /** Undefined where nothing is there. */
  readonly kind: PathStat["kind"] | undefined;
  /** A symlink that leads in circles. */
  readonly isLoop: boolean;
}

/** A file's (or folder's) first bytes, with its owner. */
export interface FileHead extends Owned {
  readonly bytes: Buffer;
}

/** A container's files as the check of its entrypoint reads them: symlinks inside the root, heads of files, names near a missing one. */
export class ProgramFiles {
  private readonly files: ContainerFiles;
  private readonly owners = new Map<string, Promise<FileHead | undefined>>();

  /** `files` is its owner's to dispose. */
  constructor(files: ContainerFiles) {
    this.files = files;
  }

  /** Rejects with EngineError. */
  async find(path: string): Promise<Found> {
    const stat = await this.stat(path);
    if (stat?.kind !== "symlink") return { path, real: path, kind: stat?.kind, isLoop: false };
    if (stat.target === undefined) return { path, real: path, kind: undefined, isLoop: true };
    const target = await this.stat(stat.target);
    const isLoop = target?.kind === "symlink";
    return { path, real: stat.target, kind: isLoop ? undefined : target?.kind, isLoop };
  }

  /** The first part of a path that is there and no folder; undefined where there is none. */
  async fileOnTheWay(path: string): Promise<string | undefined> {
    const parts = path.split("/").filter(Boolean);
    for (let count = 1; count <= parts.length; count++) {
      const { path: part, kind } = await this.find(`/${parts.slice(0, count).join("/")}`);
      if (kind !== "directory") return kind === undefined ? undefined : part;
    }
    return undefined;
  }

  /** Undefined where nothing is there. Follows no symlink. */
  head(path: string): Promise<FileHead | undefined> {
    const known = this.owners.get(path) ?? this.readHead(path, headBytes);
    this.owners.set(path, known);
    return known;
  }

  /** A small text file, symlinks followed; "" where there is none. */
  async text(path: string): Promise<string> {
    return (await this.whole(path))?.toString("utf8") ?? "";
  }

  /** As `text`, its bytes. Undefined where there is none. */
  async whole(path: string): Promise<Buffer | undefined> {
    const { real, kind } = await this.find(path);
    return kind === "file" ? (await this.readHead(real, textBytes))?.bytes : undefined;
  }

  /** Reads parts of a file that may be large; where it ends before, they come shorter. Follows no symlink. */
  reader(path: string): ReadRanges {
    let first: Promise<Buffer> | undefined;
    return async (ranges) => {
      const end = Math.max(...ranges.map(({ offset, size }) => offset + size));
      if (end > libraryBytes && (!first || (await first).length >= libraryBytes))
        return (await this.readParts(path, ranges))?.parts ?? ranges.map(() => Buffer.alloc(0));
      first ??= this.readHead(path, libraryBytes).then((head) => head?.bytes ?? Buffer.alloc(0));
      const known = await first;
      return ranges.map(({ offset, size }) => known.subarray(offset, offset + size));
    };
  }

  /** Names in a folder, as many as can be had cheaply. */
  async names(folder: string): Promise<readonly string[]> {
    const { real, kind } = await this.find(folder);
    return kind === "directory" ? this.files.names(real) : [];
  }

  /** A name in the folder that is nearly the path's own, as a path. */
  async near(path: string): Promise<string | undefined> {
    const folder = posix.dirname(path);
    const name = nearest(posix.basename(path), await this.names(folder));
    return name === undefined ? undefined : posix.join(folder, name);
  }

  private async stat(path: string): Promise<PathStat | undefined> {
    try {
      return await this.files.stat(path);
    } catch (error) {
      // The engine refuses a path that leads through a file with the same code as all it cannot do.
      if (!(error instanceof DfdebugError) || error.code !== "ENGINE_REFUSED" || path === "/") throw error;
      const parent = await this.find(posix.dirname(path));
      if (parent.kind !== "directory") return undefined;
      // So does a symlink that leads in circles.
      if (!(await this.files.names(parent.real)).includes(posix.basename(path))) throw error;
      return { kind: "symlink", size: 0, target: undefined };
    }
  }

  private async readHead(path: string, limit: number): Promise<FileHead | undefined> {
    const found = await this.readParts(path, [{ offset: 0, size: limit }]);
    return found && { ...found.owned, bytes: found.parts[0] ?? Buffer.alloc(0) };
  }

  /** The engine sends a file from its beginning: all parts come in one go, and what stands between them is let go. */
  private async readParts(
    path: string,
    ranges: readonly ByteRange[],
  ): Promise<{ owned: Owned; parts: readonly Buffer[] } | undefined> {
    const found = await this.files.read(path, { follow: false, forStream: false });
    if (!found) return undefined;
    const end = Math.max(...ranges.map(({ offset, size }) => offset + size));
    try {
      for await (const { header, content } of readEntries(found.archive)) {
        const chunks = ranges.map((): Buffer[] => []);
        let at = 0;
        if (header.type === "file")
          for await (const chunk of content) {
            for (const [index, { offset, size }] of ranges.entries()) {
              const part = chunk.subarray(Math.max(0, offset - at), Math.max(0, offset + size - at));
              if (part.length > 0) chunks[index]?.push(part);
            }
            at += chunk.length;
            if (at >= end) break;
          }
        const { mode, uid, gid } = header;
        return { owned: { mode, uid, gid }, parts: chunks.map((each) => Buffer.concat(each)) };
      }
      return undefined;
    } finally {
      found.archive.destroy();
    }
  }
}
