import { posix } from "node:path";
import { pack } from "tar-stream";
import { Duplex } from "node:stream";
import type { ContainerFiles, FilesArchive, PathStat } from "../../src/sidecar/copy/container-files.js";

/** A symlink in MemoryFiles. */
export class Link {
  readonly target: string;

  constructor(target: string) {
    this.target = target;
  }
}

/** A container's files that are in memory: for what only reads them. Folders are where files are; modes are 0755. */
export class MemoryFiles implements ContainerFiles {
  readonly entryName = undefined;
  private readonly files: ReadonlyMap<string, Buffer | Link>;

  constructor(files: Readonly<Record<string, Buffer | string | Link>>) {
    this.files = new Map(
      Object.entries(files).map(([path, content]) => [
        path,
        typeof content === "string" ? Buffer.from(content) : content,
      ]),
    );
  }

  stat(path: string): Promise<PathStat | undefined> {
    const file = this.files.get(path);
    if (file instanceof Link)
      return Promise.resolve({ kind: "symlink", size: 0, target: posix.resolve(posix.dirname(path), file.target) });
    if (file) return Promise.resolve({ kind: "file", size: file.length, target: undefined });
    const isFolder = path === "/" || [...this.files.keys()].some((name) => name.startsWith(`${path}/`));
    return Promise.resolve(isFolder ? { kind: "directory", size: 0, target: undefined } : undefined);
  }

  async read(path: string): Promise<FilesArchive | undefined> {
    const stat = await this.stat(path);
    if (!stat) return undefined;
    const file = this.files.get(path);
    const archive = pack();
    if (file instanceof Buffer) archive.entry({ name: posix.basename(path), mode: 0o755 }, file);
    else archive.entry({ name: posix.basename(path) || ".", type: "directory", mode: 0o755 });
    archive.finalize();
    return { stat, archive: Duplex.from(archive), strip: 1, leftOut: [], done: Promise.resolve() };
  }

  names(folder: string): Promise<readonly string[]> {
    const prefix = folder === "/" ? "/" : `${folder}/`;
    const below = [...this.files.keys()].filter((name) => name.startsWith(prefix));
    return Promise.resolve([...new Set(below.map((name) => name.slice(prefix.length).split("/")[0] ?? ""))]);
  }

  write(): Promise<void> {
    return Promise.reject(new Error("MemoryFiles are read only"));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
