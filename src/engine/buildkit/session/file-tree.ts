import { createHash } from "node:crypto";
import { closeSync, constants, openSync, read, readSync, realpathSync, statSync, type BigIntStats } from "node:fs";
import { fsPath, bytePath, pathText } from "../../context/byte-path.js";
import type { PathFilter } from "../../context/path-filter.js";
import { unreadable, walkTree } from "../../context/walk.js";
import { BuildError } from "../../../errors.js";
import { goFileMode, goMode } from "./go-mode.js";
import type { FileHeader } from "./packet-writer.js";
import { xattrReader } from "./xattrs.js";

/** What a session serves under a name. */
export type FileSource =
  | {
      readonly kind: "directory";
      /** A folder on this machine, relative to the working directory or absolute; links to it are followed. */
      readonly path: string;
    }
  | {
      readonly kind: "memory";
      /** Contents by slash-separated path; folders come to be as needed. */
      readonly files: ReadonlyMap<string, Uint8Array>;
    };

/** A tree of files that can be sent. */
export interface FileTree {
  /** The folder in which symbolic links can be followed; undefined where there are none. */
  readonly root: string | undefined;
  /** The wanted paths in BuildKit's order. Throws BuildError for what cannot be read. */
  headers(filter: PathFilter): Iterator<FileHeader, unknown>;
  /** Opens a file for reading; undefined where it is gone by now, or is nothing that can be read. Throws BuildError. */
  open(path: string): OpenFile | undefined;
}

/** A file being read from its start to its end; 0 bytes read is the end. */
export interface OpenFile {
  readNow(target: Buffer, offset: number, length: number): number;
  readLater(target: Buffer, offset: number, length: number): Promise<number>;
  close(): void;
}

/** Throws BuildError (CONTEXT_NOT_FOUND) where the source's folder is not there. */
export function openTree(source: FileSource): FileTree {
  return source.kind === "directory" ? new FolderTree(source.path) : new MemoryTree(source.files);
}

class FolderTree implements FileTree {
  readonly root: string;
  private readonly base: string;

  constructor(path: string) {
    try {
      this.root = realpathSync(path);
      if (!statSync(this.root).isDirectory()) throw new Error("it is not a folder");
    } catch (error) {
      throw new BuildError(`The folder ${JSON.stringify(path)} cannot be sent: ${(error as Error).message}`, {
        code: "CONTEXT_NOT_FOUND",
        cause: error,
      });
    }
    this.base = `${bytePath(this.root)}/`;
  }

  *headers(filter: PathFilter): Generator<FileHeader, void, undefined> {
    // The first path of each inode with several links: later ones are sent as hard links to it.
    const seen = new Map<bigint, string>();
    for (const { path, stats, linkTarget } of walkTree(this.root, filter)) {
      const mode = goMode(Number(stats.mode));
      const isFolder = stats.isDirectory();
      let link = linkTarget;
      if (link === undefined && !isFolder && stats.nlink > 1n) {
        link = seen.get(stats.ino);
        if (link === undefined) seen.set(stats.ino, path);
      }
      yield {
        path,
        mode,
        size: isFolder ? 0 : Number(stats.size),
        modified: stats.mtimeNs,
        link,
        device: mode & goFileMode.device ? deviceNumbers(stats) : undefined,
        xattrs: this.xattrsOf(path),
      };
    }
  }

  /** The native module takes text: names that are no UTF-8 are sent without attributes. */
  private xattrsOf(path: string): ReadonlyMap<string, Uint8Array> | undefined {
    const read = xattrReader();
    const name = pathText(path);
    return name.includes("\ufffd") ? undefined : read?.(`${this.root}/${name}`);
  }

  open(path: string): OpenFile | undefined {
    try {
      // Whatever took the file's place since it was looked at, a pipe or a link, is neither waited for nor followed.
      return new Descriptor(
        openSync(fsPath(this.base + path), constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW),
        path,
      );
    } catch (error) {
      if (vanished.has((error as NodeJS.ErrnoException).code ?? "")) return undefined;
      throw unreadable(path, error);
    }
  }
}

/** Errors of a path that is not the regular file it was: BuildKit's client sends nothing for it. A socket is ENXIO. */
const vanished = new Set(["ENOENT", "ENOTDIR", "ELOOP", "ENXIO", "EISDIR"]);

class Descriptor implements OpenFile {
  private readonly descriptor: number;
  private readonly path: string;

  constructor(descriptor: number, path: string) {
    this.descriptor = descriptor;
    this.path = path;
  }

  readNow(target: Buffer, offset: number, length: number): number {
    try {
      return readSync(this.descriptor, target, offset, length, null);
    } catch (error) {
      throw unreadable(this.path, error);
    }
  }

  readLater(target: Buffer, offset: number, length: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.descriptor, target, offset, length, null, (error, got) => {
        if (error) reject(unreadable(this.path, error));
        else resolve(got);
      });
    });
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

/** The numbers in Linux's encoding of a device, as BuildKit's client takes them apart. */
function deviceNumbers(stats: BigIntStats): { major: number; minor: number } {
  const device = stats.rdev;
  return { major: Number((device >> 8n) & 0xfffn), minor: Number((device & 0xffn) | ((device >> 12n) & 0xfff00n)) };
}

class MemoryTree implements FileTree {
  readonly root = undefined;
  private readonly files: ReadonlyMap<string, Uint8Array>;

  constructor(files: ReadonlyMap<string, Uint8Array>) {
    this.files = new Map(Array.from(files, ([path, content]) => [bytePath(path), content]));
  }

  *headers(filter: PathFilter): Generator<FileHeader, void, undefined> {
    const sent = new Set<string>();
    // A slash sorts before every other character: a folder's content follows it at once.
    const paths = [...this.files.keys()].sort((left, right) =>
      left.replaceAll("/", "\0") < right.replaceAll("/", "\0") ? -1 : 1,
    );
    for (const path of paths) {
      if (filter.isActive && !filter.matches(pathText(path))) continue;
      for (let slash = path.indexOf("/"); slash !== -1; slash = path.indexOf("/", slash + 1)) {
        const folder = path.slice(0, slash);
        if (sent.has(folder)) continue;
        sent.add(folder);
        yield header(folder, goFileMode.folder | 0o755);
      }
      const content = this.files.get(path) ?? new Uint8Array();
      yield { ...header(path, 0o644), size: content.length, modified: timeOf(content) };
    }
  }

  open(path: string): OpenFile | undefined {
    const content = this.files.get(path);
    return content ? new MemoryFile(content) : undefined;
  }
}

function header(path: string, mode: number): FileHeader {
  return { path, mode: mode >>> 0, size: 0, modified: 0n, link: undefined, device: undefined, xattrs: undefined };
}

/** The engine keeps what has the size and time it had before: the time is made of the content, so an edit changes it. */
function timeOf(content: Uint8Array): bigint {
  return BigInt(createHash("sha256").update(content).digest().readUIntBE(0, 6));
}

class MemoryFile implements OpenFile {
  private readonly content: Uint8Array;
  private position = 0;

  constructor(content: Uint8Array) {
    this.content = content;
  }

  readNow(target: Buffer, offset: number, length: number): number {
    const piece = this.content.subarray(this.position, this.position + length);
    target.set(piece, offset);
    this.position += piece.length;
    return piece.length;
  }

  readLater(target: Buffer, offset: number, length: number): Promise<number> {
    return Promise.resolve(this.readNow(target, offset, length));
  }

  close(): void {
    this.position = this.content.length;
  }
}
