import { createReadStream, type BigIntStats } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { ContainerError } from "../../errors.js";
import { archiveEnd, encodeHeader, padding, type TarEntry } from "./tar-header.js";

/** What went into an archive so far. */
export interface PackProgress {
  files: number;
  bytes: number;
  /** Paths that cannot be in an archive: sockets. */
  readonly skipped: string[];
}

/** A local path and the name that it has in the archive, both latin1 for bytes. */
interface Place {
  readonly path: string;
  readonly name: string;
}

/**
 * A local file, folder or symlink as a tar archive, read as it is consumed. Its root is named `name` ("." for a folder's
 * content). Owners are numbers; hard links stay links. Folders come again at the end, so that unpacking leaves them with
 * their own times. Throws ContainerError (COPY_FAILED) where a file shrinks or cannot be read meanwhile.
 */
export async function* packLocal(path: string, name: string, progress: PackProgress): AsyncGenerator<Buffer> {
  const links = new Map<string, string>();
  const folders: TarEntry[] = [];
  const root = { path: Buffer.from(path).toString("latin1"), name: Buffer.from(name).toString("latin1") };
  yield* packEntry(root, { progress, links, folders });
  for (const folder of folders.reverse()) yield encodeHeader(folder);
  yield archiveEnd;
}

interface Walk {
  readonly progress: PackProgress;
  /** Names in the archive by device and inode of files with several links. */
  readonly links: Map<string, string>;
  readonly folders: TarEntry[];
}

async function* packEntry(place: Place, walk: Walk): AsyncGenerator<Buffer> {
  const { progress, links, folders } = walk;
  const raw = Buffer.from(place.path, "latin1");
  const stat = await readable(place.path, lstat(raw, { bigint: true }));
  const common = {
    name: place.name,
    mode: Number(stat.mode & 0o7777n),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: 0,
    modified: Number(stat.mtimeNs / 1_000_000_000n),
  };
  if (stat.isDirectory()) {
    // Where only its content is meant, the folder that has it keeps its own owner, mode and time, as with docker.
    if (place.name !== ".") {
      const folder: TarEntry = { ...common, type: "directory" };
      folders.push(folder);
      yield encodeHeader(folder);
    }
    const children = await readable(place.path, readdir(raw, { encoding: "buffer" }));
    for (const child of children.map((name) => name.toString("latin1")).sort())
      yield* packEntry({ path: `${place.path}/${child}`, name: `${place.name}/${child}` }, walk);
    return;
  }
  if (stat.isSymbolicLink()) {
    const target = await readlink(raw, { encoding: "buffer" });
    yield encodeHeader({ ...common, type: "symlink", linkname: target.toString("latin1") });
    progress.files += 1;
    return;
  }
  if (stat.isSocket()) {
    progress.skipped.push(Buffer.from(place.path, "latin1").toString());
    return;
  }
  if (!stat.isFile()) {
    const type = stat.isFIFO() ? "fifo" : stat.isBlockDevice() ? "block-device" : "character-device";
    yield encodeHeader({ ...common, type, device: deviceNumbers(stat.rdev) });
    return;
  }
  const inode = `${String(stat.dev)}:${String(stat.ino)}`;
  const before = stat.nlink > 1n ? links.get(inode) : undefined;
  progress.files += 1;
  if (before !== undefined) {
    yield encodeHeader({ ...common, type: "link", linkname: before });
    return;
  }
  if (stat.nlink > 1n) links.set(inode, place.name);
  yield* packFile(place.path, raw, { ...common, type: "file", size: Number(stat.size) }, progress);
}

async function* packFile(path: string, raw: Buffer, entry: TarEntry, progress: PackProgress): AsyncGenerator<Buffer> {
  // Opened before its header is out: a file that may not be read is refused before it spoils the archive.
  const content = createReadStream(raw, {
    highWaterMark: 256 * 1024,
    ...(entry.size > 0 ? { end: entry.size - 1 } : {}),
  });
  await readable(
    path,
    new Promise<void>((resolve, reject) => content.once("open", () => resolve()).once("error", reject)),
  );
  yield encodeHeader(entry);
  let left = entry.size;
  if (left === 0) content.destroy();
  else
    for await (const chunk of content as AsyncIterable<Buffer>) {
      left -= chunk.length;
      progress.bytes += chunk.length;
      yield chunk;
    }
  if (left !== 0) throw new ContainerError(`${shown(path)} became shorter while it was read`, { code: "COPY_FAILED" });
  yield padding(entry.size);
}

async function readable<T>(path: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why =
      code === "EACCES" || code === "EPERM" ? "may not be read by this user" : `cannot be read (${code ?? ""})`;
    throw new ContainerError(`${shown(path)} ${why}`, { code: "COPY_FAILED", cause: error });
  }
}

function shown(path: string): string {
  return Buffer.from(path, "latin1").toString();
}

/** Linux's coding of a device's numbers (makedev). */
function deviceNumbers(device: BigIntStats["rdev"]): { major: number; minor: number } {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn);
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn);
  return { major: Number(major & 0xffffffffn), minor: Number(minor & 0xffffffffn) };
}
