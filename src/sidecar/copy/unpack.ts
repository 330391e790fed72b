import { constants } from "node:fs";
import { chmod, lchown, link, lstat, lutimes, mkdir, open, rename, symlink, unlink, utimes } from "node:fs/promises";
import type { Readable } from "node:stream";
import { ContainerError, cancellation } from "../../errors.js";
import type { Placement } from "./rules.js";
import type { TarEntry } from "./tar-header.js";
import { readEntries, type ReadEntry } from "./tar-reader.js";
import { uniqueDigits } from "../unique-digits.js";

/** What a copy to this machine has done so far; every file it counts is whole. */
export interface UnpackProgress {
  files: number;
  bytes: number;
  /** Paths that were left out, with why: devices and fifos. */
  readonly skipped: string[];
}

export interface UnpackOptions {
  /** The local folder, which exists, and the name of the archive's root in it. */
  readonly placement: Placement;
  /** How many first parts of each name are the root's own. */
  readonly strip: number;
  /** Numeric owners are taken over; needs root. */
  readonly owners: boolean;
  readonly progress: UnpackProgress;
  readonly signal: AbortSignal;
}

/**
 * Unpacks a tar archive as it comes. Nothing is written outside the placement, neither through names nor through symlinks:
 * a folder below it that is a symlink is refused, whoever made it. A file is written aside and renamed, so that none is ever
 * partial. Folders replace no files and files no folders. Owners are those of this process. Throws ContainerError:
 * UNSAFE_NAME, COPY_CONFLICT, COPY_FAILED.
 */
export async function unpackLocal(archive: Readable, options: UnpackOptions): Promise<void> {
  const { progress, signal } = options;
  const unpacker = new Unpacker(options);
  for await (const entry of readEntries(archive)) {
    if (signal.aborted) throw cancellation(signal);
    const path = unpacker.place(entry.parts);
    try {
      if (await unpacker.write(path, entry)) progress.files += 1;
    } catch (error) {
      throw localError(error, path);
    }
  }
  await unpacker.finish();
}

class Unpacker {
  private readonly options: UnpackOptions;
  /** Folders below the placement that are known to be folders, and not symlinks. */
  private readonly folders = new Set<string>();
  private readonly finished: { path: string; header: TarEntry }[] = [];

  constructor(options: UnpackOptions) {
    this.options = options;
  }

  /** latin1 for bytes, as every path here. */
  place(parts: readonly string[]): string {
    const { placement, strip } = this.options;
    const root = Buffer.from(placement.folder).toString("latin1");
    const named = placement.name === undefined ? [] : [Buffer.from(placement.name).toString("latin1")];
    return [root === "/" ? "" : root, ...named, ...parts.slice(strip)].join("/") || "/";
  }

  /** False for what only makes way for others, or was left out. */
  async write(path: string, entry: ReadEntry): Promise<boolean> {
    const { header } = entry;
    const { placement, strip, progress } = this.options;
    // The placement's own folder keeps what it is, as with docker.
    if (placement.name === undefined && entry.parts.length <= strip) return false;
    await this.checkParents(path);
    switch (header.type) {
      case "directory":
        await this.folder(path, header);
        return false;
      case "file":
        await this.file(path, header, entry.content);
        return true;
      case "symlink":
        await this.aside(path, (aside) => symlink(raw(header.linkname ?? ""), raw(aside)));
        await this.attributes(path, header);
        return true;
      case "link": {
        const target = this.place(entry.linkParts);
        await this.checkParents(target);
        if (!(await lstat(raw(target))).isFile())
          throw new ContainerError(`${shown(path)}: a hard link to what is no file`, { code: "UNSAFE_NAME" });
        await this.aside(path, (aside) => link(raw(target), raw(aside)));
        return true;
      }
      case "fifo":
      case "block-device":
      case "character-device":
        progress.skipped.push(`${shown(path)} (${header.type})`);
        return false;
    }
  }

  /** Folders last: what is put into one changes its time, and it may be one that must not be written to. */
  async finish(): Promise<void> {
    for (const { path, header } of this.finished.reverse()) await this.attributes(path, header);
  }

  private async folder(path: string, header: TarEntry): Promise<void> {
    const there = await kindOf(path);
    if (there !== undefined && there !== "directory") throw occupied(path, "not a folder", "a folder");
    if (there === undefined) await mkdir(raw(path), { mode: 0o700 });
    this.folders.add(path);
    this.finished.push({ path, header });
  }

  private async file(path: string, header: TarEntry, content: AsyncIterable<Buffer>): Promise<void> {
    const { progress, signal } = this.options;
    await this.aside(path, async (aside) => {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      const file = await open(raw(aside), flags, 0o600);
      try {
        for await (const chunk of content) {
          if (signal.aborted) throw cancellation(signal);
          await file.writeFile(chunk);
          progress.bytes += chunk.length;
        }
      } finally {
        await file.close();
      }
      await this.attributes(aside, header);
    });
  }

  /** Made under another name and renamed: what stood there before stays whole until then. */
  private async aside(path: string, make: (aside: string) => Promise<void>): Promise<void> {
    if ((await kindOf(path)) === "directory") throw occupied(path, "a folder", "a file");
    const folder = path.slice(0, path.lastIndexOf("/"));
    const aside = `${folder}/.dfdebug-${uniqueDigits(12)}`;
    try {
      await make(aside);
      await rename(raw(aside), raw(path));
    } catch (error) {
      await unlink(raw(aside)).catch(() => undefined);
      throw error;
    }
  }

  private async attributes(path: string, header: TarEntry): Promise<void> {
    const { owners } = this.options;
    const target = raw(path);
    if (owners) await lchown(target, header.uid, header.gid);
    if (header.type === "symlink") {
      await lutimes(target, header.modified, header.modified);
      return;
    }
    await chmod(target, header.mode & 0o7777);
    await utimes(target, header.modified, header.modified);
  }

  private async checkParents(path: string): Promise<void> {
    const root = Buffer.from(this.options.placement.folder).toString("latin1").replace(/\/$/, "");
    const parts = path.slice(root.length + 1).split("/");
    let at = root;
    for (const part of parts.slice(0, -1)) {
      at = `${at}/${part}`;
      if (this.folders.has(at)) continue;
      const kind = await kindOf(at);
      if (kind === "symlink")
        throw new ContainerError(`${shown(at)} is a symlink: nothing is written through it`, {
          code: "UNSAFE_NAME",
          hint: `Remove it, or copy into the folder that it leads to.`,
        });
      if (kind === undefined) await mkdir(raw(at), { mode: 0o755 });
      else if (kind !== "directory") throw occupied(at, "not a folder", "a folder");
      this.folders.add(at);
    }
  }
}

async function kindOf(path: string): Promise<"directory" | "symlink" | "other" | undefined> {
  try {
    const stat = await lstat(raw(path));
    return stat.isDirectory() ? "directory" : stat.isSymbolicLink() ? "symlink" : "other";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function raw(path: string): Buffer {
  return Buffer.from(path, "latin1");
}

function shown(path: string): string {
  return raw(path).toString();
}

function occupied(path: string, is: string, wanted: string): ContainerError {
  return new ContainerError(`${shown(path)} is ${is}, and ${wanted} would replace it`, { code: "COPY_CONFLICT" });
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "may not be written by this user",
  EPERM: "may not be written by this user",
  ENOSPC: "could not be written: the disk is full",
  EDQUOT: "could not be written: the disk quota is used up",
  EROFS: "is on a read-only filesystem",
  ENAMETOOLONG: "has a name that is too long here",
};

function localError(error: unknown, path: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (!(error instanceof Error) || code === undefined || !("syscall" in error)) return error;
  const why = reasons[code] ?? `could not be written (${code})`;
  return new ContainerError(`${shown(path)} ${why}`, { code: "COPY_FAILED", cause: error });
}
