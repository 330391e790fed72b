import type { FileChange, FileStat, Ref } from "./engine.js";

/** Directories read at once: BuildKit's own locks time out with many more. */
const concurrency = 8;

/** Compares two states by reading their directories: for engines and states that have no faster way. */
export async function compareByReading(before: Ref, after: Ref, signal?: AbortSignal): Promise<readonly FileChange[]> {
  const changes: FileChange[] = [];
  const pending: SharedDirectory[] = [{ path: "/", before: true, after: true }];
  let reading = 0;
  await new Promise<void>((resolve, reject) => {
    const step = (): void => {
      while (reading < concurrency) {
        const directory = pending.pop();
        if (directory === undefined) break;
        reading += 1;
        compareDirectory(directory).then(() => {
          reading -= 1;
          step();
        }, reject);
      }
      if (reading === 0) resolve();
    };
    const compareDirectory = async ({ path, ...sides }: SharedDirectory): Promise<void> => {
      signal?.throwIfAborted();
      const options = signal ? { signal } : {};
      const [left, right] = await Promise.all([
        sides.before ? before.readDir(path, options) : [],
        sides.after ? after.readDir(path, options) : [],
      ]);
      const found = compareEntries(prefixed(left, path), prefixed(right, path));
      changes.push(...found.changes);
      pending.push(...found.directories);
    };
    step();
  });
  return ordered(changes);
}

/** A path that is a directory in one of the states, or in both. */
export interface SharedDirectory {
  readonly path: string;
  readonly before: boolean;
  readonly after: boolean;
}

/** Compares two listings (by absolute path); `directories` are those whose content is not in them. */
export function compareEntries(
  before: ReadonlyMap<string, FileStat>,
  after: ReadonlyMap<string, FileStat>,
): { changes: FileChange[]; directories: SharedDirectory[] } {
  const changes: FileChange[] = [];
  const directories: SharedDirectory[] = [];
  const isDirectory = (stat: FileStat | undefined): boolean => stat?.type === "directory";
  for (const [path, stat] of after) {
    const old = before.get(path);
    if (isDirectory(stat) || isDirectory(old))
      directories.push({ path, before: isDirectory(old), after: isDirectory(stat) });
    if (!old) changes.push({ kind: "added", path, before: undefined, after: stat });
    else if (isChanged(old, stat)) changes.push({ kind: "changed", path, before: old, after: stat });
  }
  for (const [path, stat] of before) {
    if (after.has(path)) continue;
    if (isDirectory(stat)) directories.push({ path, before: true, after: false });
    changes.push({ kind: "deleted", path, before: stat, after: undefined });
  }
  return { changes, directories };
}

/** By path, a directory before what is in it. */
export function ordered(changes: readonly FileChange[]): readonly FileChange[] {
  const key = new Map(changes.map((change) => [change, change.path.replaceAll("/", "\0")]));
  return changes.toSorted((left, right) => ((key.get(left) ?? "") < (key.get(right) ?? "") ? -1 : 1));
}

function isChanged(before: FileStat, after: FileStat): boolean {
  if (before.type !== after.type || before.mode !== after.mode) return true;
  if (before.uid !== after.uid || before.gid !== after.gid) return true;
  if (before.type === "directory") return false;
  return before.size !== after.size || before.modified !== after.modified || before.linkTarget !== after.linkTarget;
}

function prefixed(stats: readonly FileStat[], folder: string): Map<string, FileStat> {
  const prefix = folder === "/" ? "/" : `${folder}/`;
  return new Map(stats.map((stat) => [`${prefix}${stat.name}`, stat]));
}
