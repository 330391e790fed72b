import { lstat, readlink, realpath, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { formatBytes, formatCount } from "../../debugger/format.js";
import { ContainerError, DfdebugError, UsageError, cancellation } from "../../errors.js";
import { missingPath, type ContainerFiles } from "../../sidecar/copy/container-files.js";
import { packLocal, type PackProgress } from "../../sidecar/copy/pack.js";
import { repack } from "../../sidecar/copy/repack.js";
import {
  assertsDirectory,
  baseName,
  checkDirection,
  parseCopyEnd,
  placeCopy,
  specifiesContent,
  type CopyEnd,
  type DestinationKind,
} from "../../sidecar/copy/rules.js";
import { unpackLocal, type UnpackProgress } from "../../sidecar/copy/unpack.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";
import { CopyTarget } from "./copy-files.js";
import { CopyMeter } from "./copy-meter.js";

/** `dfdebug cp`'s options as commander gives them. */
export interface CopyFlags {
  readonly archive?: boolean;
  readonly followLink?: boolean;
  readonly quiet?: boolean;
  readonly image?: string;
}

type ContainerEnd = Extract<CopyEnd, { kind: "container" }>;

/**
 * `dfdebug cp`: docker cp's grammar and rules, on what the container's processes see. Resolves with 0. Rejects with
 * UsageError (2), ContainerError (1; 125 where there is no toolbox container) or EngineError (3).
 */
export async function runCopy(
  from: string,
  to: string,
  flags: CopyFlags,
  engine: EngineFlags,
  io: CliIo,
): Promise<number> {
  const source = parseCopyEnd(from);
  const destination = parseCopyEnd(to);
  const direction = checkDirection(source, destination);
  const inside = (direction === "out" ? source : destination) as ContainerEnd;
  const other = (direction === "out" ? destination : source) as Exclude<CopyEnd, ContainerEnd>;
  if (direction === "out" && other.kind === "stream" && io.stdout.isTTY)
    throw new UsageError("A tar archive is not for a terminal", { hint: "Redirect it: > FILE, or | tar x" });
  if (direction === "in" && other.kind === "stream" && io.stdin.isTTY)
    throw new UsageError("A tar archive is expected on standard input, which is a terminal");
  // What is wrong here is said before anything is started there.
  const place = other.kind === "local" ? await localPlace(other.path, direction, flags, io) : undefined;
  await using target = await CopyTarget.open(inside.name, {
    writes: direction === "in",
    image: flags.image,
    engine,
    io,
  });
  const copy = { files: target.files, container: target.name, path: inside.path, flags, io };
  if (direction === "out") await (place ? copyOut(copy, place) : streamOut(copy));
  else await (place ? copyIn(copy, place) : streamIn(copy));
  return 0;
}

interface Copy {
  readonly files: ContainerFiles;
  readonly container: string;
  readonly path: string;
  readonly flags: CopyFlags;
  readonly io: CliIo;
}

interface LocalPlace {
  /** As the user wrote it. */
  readonly shown: string;
  /** Absolute; a last `/` or `/.` is kept. */
  readonly path: string;
  readonly kind: DestinationKind;
  /** A destination: followed to its end. A source: as -L and a last `/` say. */
  readonly real: string;
}

/** The local end, looked at. Rejects with UsageError or ContainerError. */
async function localPlace(text: string, direction: "out" | "in", flags: CopyFlags, io: CliIo): Promise<LocalPlace> {
  const path = keepEnd(resolve(io.cwd, text), text);
  return direction === "out" ? localDestination(text, path) : localSource(text, path, flags);
}

/** `resolve` drops a last `/` and `/.`, which mean something. */
function keepEnd(path: string, written: string): string {
  if (path === "/") return path;
  if (specifiesContent(written)) return `${path}/.`;
  return written.endsWith("/") ? `${path}/` : path;
}

async function localSource(shown: string, path: string, flags: CopyFlags): Promise<LocalPlace> {
  const found = await lstat(path).catch((error: unknown) => {
    throw notThere(error, shown);
  });
  // The system follows what ends with a slash by itself: `found` is no symlink then, and the path's last part may be one.
  const followed = assertsDirectory(path) || (found.isSymbolicLink() && flags.followLink === true);
  const real = followed
    ? await realpath(path).catch((error: unknown) => {
        throw notThere(error, shown);
      })
    : path;
  const kind = (followed ? await stat(real) : found).isDirectory() ? "directory" : "file";
  return { shown, path, kind, real };
}

function notThere(error: unknown, shown: string): ContainerError {
  const { code } = error as NodeJS.ErrnoException;
  const why =
    code === "ENOENT" ? "does not exist" : code === "ENOTDIR" ? "is not a folder" : `cannot be read (${code ?? ""})`;
  return new ContainerError(`${shown} ${why}`, { code: "NOT_FOUND", cause: error });
}

/** Symlinks that a chain of them may have, as docker. */
const mostLinks = 10;

async function localDestination(shown: string, path: string): Promise<LocalPlace> {
  let real = path;
  for (let links = 0; ; links++) {
    const found = await lstat(real).catch(() => undefined);
    if (!found) break;
    if (!found.isSymbolicLink()) {
      if (!found.isDirectory() && !found.isFile())
        throw new ContainerError(`${shown} is neither a file nor a folder`, { code: "COPY_CONFLICT" });
      return { shown, path, kind: found.isDirectory() ? "directory" : "file", real };
    }
    if (links === mostLinks) throw new ContainerError(`${shown}: too many symlinks`, { code: "COPY_CONFLICT" });
    const target = await readlink(real);
    real = isAbsolute(target) ? target : join(dirname(real), target);
  }
  const parent = dirname(resolve(real));
  const above = await stat(parent).catch(() => undefined);
  if (!above?.isDirectory())
    throw new ContainerError(`${shown}: the folder ${parent} does not exist`, { code: "NOT_FOUND" });
  return { shown, path, kind: undefined, real };
}

async function copyOut(copy: Copy, place: LocalPlace): Promise<void> {
  const { files, container, path, flags, io } = copy;
  const found = await files.read(path, { follow: flags.followLink === true, forStream: false });
  if (!found) throw await missingPath(files, container, path);
  const { archive } = found;
  const progress: UnpackProgress = { files: 0, bytes: 0, skipped: [] };
  let meter: CopyMeter | undefined;
  const abort = (): void => void archive.destroy(cancellation(io.signal));
  io.signal.addEventListener("abort", abort, { once: true });
  try {
    if (found.stat.kind === "other") throw notMadeHere(`${container}:${path}`);
    const placement = placeCopy(
      { path, isDirectory: found.stat.kind === "directory" },
      { path: place.real, kind: place.kind },
      place.shown,
    );
    meter = new CopyMeter(progress, found.stat.kind === "file" ? found.stat.size : undefined, flags.quiet === true, io);
    const owners = flags.archive === true && process.getuid?.() === 0;
    await unpackLocal(archive, { placement, strip: found.strip, owners, progress, signal: io.signal });
    archive.resume();
    await found.done;
  } catch (error) {
    meter?.clear();
    // What the reading side says of it is nearer to the cause.
    const cause =
      error instanceof DfdebugError && error.code !== "COPY_FAILED" ? error : await reason(found.done, error);
    throw withWhatIsThere(io.signal.aborted ? cancellation(io.signal) : cause, progress, place.shown);
  } finally {
    io.signal.removeEventListener("abort", abort);
    archive.destroy();
  }
  meter.done(`to ${place.shown}`, [...progress.skipped, ...found.leftOut]);
}

/** For a fifo, socket or device that was asked for itself; below a folder they are left out, and named. */
function notMadeHere(shown: string): ContainerError {
  return new ContainerError(`${shown} is neither a file nor a folder: it cannot be made here`, {
    code: "COPY_CONFLICT",
    hint: `A pipe or device is in the archive that dfdebug cp ${shown} - prints.`,
  });
}

/** What `done` was rejected with, or the first error. */
async function reason(done: Promise<void>, first: unknown): Promise<unknown> {
  try {
    await Promise.race([done, new Promise<void>((resolve) => setTimeout(resolve, 1_000).unref())]);
    return first;
  } catch (error) {
    return error;
  }
}

/** Files are written whole or not at all, so what is there is known. */
function withWhatIsThere(error: unknown, progress: UnpackProgress, shown: string): unknown {
  if (!(error instanceof DfdebugError)) return error;
  const there =
    progress.files === 0
      ? "Nothing was copied."
      : `${formatCount(progress.files, "file")} (${formatBytes(progress.bytes)}) are whole in ${shown}; the rest is missing.`;
  const hint = [error.hint, there].filter(Boolean).join("\n");
  return new DfdebugError(error.message, { code: error.code, hint, cause: error }, error.exitCode);
}

async function streamOut(copy: Copy): Promise<void> {
  const { files, container, path, flags, io } = copy;
  const found = await files.read(path, { follow: flags.followLink === true, forStream: true });
  if (!found) throw await missingPath(files, container, path);
  try {
    await pipeline(found.archive, io.stdout, { end: false, signal: io.signal });
  } catch (error) {
    // A reader that has seen enough (`| tar t | head`) is no failure.
    if ((error as NodeJS.ErrnoException).code === "EPIPE") return;
    throw io.signal.aborted ? cancellation(io.signal) : error;
  } finally {
    found.archive.destroy();
  }
  await found.done;
}

/** A destination in the container, symlinks followed. Rejects with ContainerError. */
async function insidePlace(copy: Copy): Promise<{ path: string; kind: DestinationKind }> {
  const { files, container, path } = copy;
  let found = await files.stat(path);
  let real = path;
  if (found?.kind === "symlink") {
    if (found.target === undefined) throw await missingPath(files, container, path);
    real = found.target;
    found = await files.stat(real);
  }
  if (found?.kind === "other")
    throw new ContainerError(`${container}:${path} is neither a file nor a folder`, { code: "COPY_CONFLICT" });
  if (found) return { path: real, kind: found.kind === "directory" ? "directory" : "file" };
  const parent = dirname(real.replace(/\/\.?$/, ""));
  const above = await files.stat(`${parent === "/" ? "" : parent}/.`);
  if (above?.kind !== "directory") throw await missingPath(files, container, parent);
  return { path: real, kind: undefined };
}

async function copyIn(copy: Copy, place: LocalPlace): Promise<void> {
  const { files, container, path, flags, io } = copy;
  const isDirectory = place.kind === "directory";
  const shown = `${container}:${path}`;
  const { folder, name } = placeCopy({ path: place.path, isDirectory }, await insidePlace(copy), shown);
  const progress: PackProgress = { files: 0, bytes: 0, skipped: [] };
  const size = isDirectory ? undefined : (await lstat(place.real)).size;
  const meter = new CopyMeter(progress, size, flags.quiet === true, io);
  const single = isDirectory ? undefined : (name ?? baseName(place.path));
  try {
    const root = place.real.replace(/(.)\/\.?$/, "$1");
    await files.write(packLocal(root, isDirectory ? (name ?? ".") : (files.entryName ?? single ?? "."), progress), {
      folder,
      file: single,
      root: isDirectory ? name : undefined,
      signal: io.signal,
    });
  } catch (error) {
    meter.clear();
    throw error;
  }
  meter.done(`to ${shown}`, progress.skipped);
}

async function streamIn(copy: Copy): Promise<void> {
  const { files, container, path, flags, io } = copy;
  const { path: folder, kind } = await insidePlace(copy);
  if (kind !== "directory")
    throw new ContainerError(`${container}:${path} is not a folder that exists`, {
      code: "COPY_CONFLICT",
      hint: "A tar archive is unpacked in a folder.",
    });
  const progress: PackProgress = { files: 0, bytes: 0, skipped: [] };
  const meter = new CopyMeter(progress, undefined, flags.quiet === true, io);
  try {
    await files.write(repack(io.stdin, progress), {
      folder: folder.replace(/(.)\/\.?$/, "$1"),
      file: undefined,
      root: undefined,
      signal: io.signal,
    });
  } catch (error) {
    meter.clear();
    throw error;
  } finally {
    io.stdin.destroy();
  }
  meter.done(`to ${container}:${path}`, progress.skipped);
}
