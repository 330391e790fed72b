import { lstatSync, readdirSync, readlinkSync, type BigIntStats } from "node:fs";
import { BuildError, errorMessage } from "../../errors.js";
import { bytePath, fsPath, pathText } from "./byte-path.js";
import type { FilterState, PathFilter } from "./path-filter.js";

/** A path of a tree, with what lstat says about it. */
export interface WalkEntry {
  /** Byte string, relative to the root, without a leading slash. */
  readonly path: string;
  readonly stats: BigIntStats;
  /** Byte string; of symbolic links. */
  readonly linkTarget: string | undefined;
}

interface Folder {
  /** Byte string; empty for the root. */
  readonly path: string;
  readonly names: readonly string[];
  next: number;
  readonly filter: FilterState | undefined;
  /** Not wanted itself: it is sent before the first wanted path in it. */
  pending: WalkEntry | undefined;
}

/**
 * The wanted paths of the tree at `root`, a folder before what is in it and names in the order of their bytes, as BuildKit
 * checks it. Synchronous: the caller takes as many as it has time for. What vanishes meanwhile is left out; what cannot be
 * read throws BuildError (CONTEXT_UNREADABLE), unless it is not wanted anyway.
 */
export function* walkTree(root: string, filter: PathFilter): Generator<WalkEntry, void, undefined> {
  const base = `${bytePath(root)}/`;
  const open: Folder[] = [folder(base, "", undefined, undefined, true)];
  for (let current = open.at(-1); current; current = open.at(-1)) {
    const name = current.names[current.next++];
    if (name === undefined) {
      open.pop();
      continue;
    }
    const path = current.path === "" ? name : `${current.path}/${name}`;
    let wanted = true;
    if (filter.isActive) {
      const verdict = filter.judge(pathText(path), current.filter);
      if (!verdict.wanted && !verdict.descend) continue;
      ({ wanted } = verdict);
    }
    const entry = inspect(base, path, wanted);
    if (!entry) continue;
    const isFolder = entry.stats.isDirectory();
    if (wanted) {
      for (const above of open) {
        if (!above.pending) continue;
        yield above.pending;
        above.pending = undefined;
      }
      yield entry;
    }
    if (isFolder) {
      const state = filter.isActive ? filter.state() : undefined;
      open.push(folder(base, path, state, wanted ? undefined : entry, wanted));
    }
  }
}

function folder(
  base: string,
  path: string,
  filter: FilterState | undefined,
  pending: WalkEntry | undefined,
  wanted: boolean,
): Folder {
  return { path, names: namesIn(base, path, wanted), next: 0, filter, pending };
}

function namesIn(base: string, path: string, wanted: boolean): string[] {
  try {
    return readdirSync(fsPath(base + path), { encoding: "latin1" }).sort();
  } catch (error) {
    if (isGone(error) || (!wanted && isForbidden(error))) return [];
    throw unreadable(path, error);
  }
}

function inspect(base: string, path: string, wanted: boolean): WalkEntry | undefined {
  const place = fsPath(base + path);
  try {
    const stats = lstatSync(place, { bigint: true });
    const linkTarget = stats.isSymbolicLink() ? readlinkSync(place, { encoding: "latin1" }) : undefined;
    return { path, stats, linkTarget };
  } catch (error) {
    if (isGone(error) || (!wanted && isForbidden(error))) return undefined;
    throw unreadable(path, error);
  }
}

function isGone(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR";
}

function isForbidden(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "EACCES" || code === "EPERM";
}

/** A path of a context that cannot be read. */
export function unreadable(path: string, error: unknown): BuildError {
  const name = pathText(path);
  return new BuildError(
    `${JSON.stringify(name === "" ? "." : name)} in the build context cannot be read: ${errorMessage(error)}`,
    {
      code: "CONTEXT_UNREADABLE",
      hint: "Change its permissions, or leave it out with a line in .dockerignore.",
      cause: error,
    },
  );
}
