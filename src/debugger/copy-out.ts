import { constants } from "node:fs";
import { chmod, lstat, mkdir, open, stat, symlink, unlink } from "node:fs/promises";
import { basename, join } from "node:path";
import type { FileStat, Ref } from "../engine/engine.js";
import { ContainerError, UsageError } from "../errors.js";

export interface CopyReport {
  readonly files: number;
  readonly bytes: number;
  /** Paths of the state that were left out, with why: devices, sockets, fifos. */
  readonly skipped: readonly string[];
}

/**
 * Copies a file, folder or symlink out of a state to this machine, as `docker cp` places it: into `destination` where
 * that is a folder, else as it. Modes are kept, owners are not. Nothing is written outside the destination, through
 * symlinks or by names, and nothing is overwritten without `force`. Rejects with ContainerError and UsageError.
 */
export async function copyOut(
  state: Ref,
  path: string,
  destination: string,
  options: { force?: boolean; signal?: AbortSignal } = {},
): Promise<CopyReport> {
  const source = `/${path}`.replaceAll(/\/+/g, "/").replace(/(.)\/$/, "$1");
  const entry: FileStat = source === "/" ? rootStat : await state.stat(source);
  const into = await isFolder(destination);
  const name = source === "/" ? "" : basename(source);
  const target = into && name !== "" ? join(destination, name) : destination;
  const copy = new Copy(state, options.force === true, options.signal);
  await copy.entry(source, entry, target);
  return { files: copy.files, bytes: copy.bytes, skipped: copy.skipped };
}

const rootStat: FileStat = {
  name: "",
  type: "directory",
  mode: 0o755,
  uid: 0,
  gid: 0,
  size: 0,
  modified: 0,
  linkTarget: undefined,
};

class Copy {
  files = 0;
  bytes = 0;
  readonly skipped: string[] = [];
  private readonly state: Ref;
  private readonly force: boolean;
  private readonly signal: AbortSignal | undefined;

  constructor(state: Ref, force: boolean, signal: AbortSignal | undefined) {
    this.state = state;
    this.force = force;
    this.signal = signal;
  }

  async entry(source: string, entry: FileStat, target: string): Promise<void> {
    this.signal?.throwIfAborted();
    switch (entry.type) {
      case "directory":
        return this.folder(source, entry, target);
      case "symlink":
        await this.makeWay(target);
        await symlink(entry.linkTarget ?? "", target);
        this.files += 1;
        return;
      case "file":
        return this.file(source, entry, target);
      default:
        this.skipped.push(`${source} (${entry.type})`);
    }
  }

  private async folder(source: string, entry: FileStat, target: string): Promise<void> {
    const there = await lstatOf(target);
    if (there && !there.isDirectory()) throw occupied(target);
    if (!there) await mkdir(target, { mode: 0o700 });
    for (const child of await this.state.readDir(source)) {
      if (child.name === "" || child.name === "." || child.name === ".." || child.name.includes("/"))
        throw new ContainerError(`${source}: refused a name that would leave the destination`, { code: "UNSAFE_NAME" });
      await this.entry(source === "/" ? `/${child.name}` : `${source}/${child.name}`, child, join(target, child.name));
    }
    await chmod(target, entry.mode & 0o777);
  }

  private async file(source: string, entry: FileStat, target: string): Promise<void> {
    await this.makeWay(target);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const file = await open(target, flags, entry.mode & 0o777);
    try {
      for await (const chunk of this.state.readFile(source)) {
        this.signal?.throwIfAborted();
        await file.writeFile(chunk);
        this.bytes += chunk.length;
      }
    } finally {
      await file.close();
    }
    this.files += 1;
  }

  /** What stands at the target is removed only when that was asked for, and never a folder. */
  private async makeWay(target: string): Promise<void> {
    const there = await lstatOf(target);
    if (!there) return;
    if (!this.force || there.isDirectory()) throw occupied(target);
    await unlink(target);
  }
}

function occupied(target: string): UsageError {
  return new UsageError(`${target} exists already`, { code: "EXISTS", hint: "cp -f replaces files." });
}

async function lstatOf(path: string): Promise<Awaited<ReturnType<typeof lstat>> | undefined> {
  try {
    return await lstat(path);
  } catch {
    return undefined;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
