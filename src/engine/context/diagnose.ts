import { existsSync, realpathSync } from "node:fs";
import { posix } from "node:path";
import type { CopyDiagnosis } from "../engine.js";
import { pathText } from "./byte-path.js";
import { dockerignoreFor, explainExclusion } from "./ignore-file.js";
import { PathFilter } from "./path-filter.js";
import { Pattern } from "./pattern-matcher.js";
import { walkTree } from "./walk.js";

/** How many paths of a context are looked at for names that are close: a huge context must not delay the report. */
const searchLimit = 20_000;

/**
 * Why a source pattern (slash-separated, relative to the context; a leading slash means nothing) found nothing in a context
 * folder: the .dockerignore line that left out what it names, else existing names that are close, best first.
 */
export async function diagnoseCopy(input: {
  pattern: string;
  contextDir: string;
  dockerfilePath: string | undefined;
}): Promise<Pick<CopyDiagnosis, "near" | "excludedBy" | "isThereNow">> {
  const { contextDir } = input;
  const wanted = posix.join("/", input.pattern).slice(1).replace(/\/$/, "");
  try {
    const ignore = await dockerignoreFor(contextDir, input.dockerfilePath);
    const matches = matchesOnDisk(contextDir, wanted);
    for (const path of matches) {
      const excludedBy = explainExclusion(path, ignore);
      if (excludedBy) return { near: [], excludedBy };
    }
    if (matches.some((path) => isInside(contextDir, path)))
      return { near: [], excludedBy: undefined, isThereNow: true };
    const exclude = ignore.map(({ pattern }) => pattern);
    return { near: nearestNames(wanted, firstPaths(contextDir, exclude)), excludedBy: undefined };
  } catch {
    // The report does without suggestions where the context cannot be looked through.
    return { near: [], excludedBy: undefined };
  }
}

/** Paths of a context, as many as a search may cost. */
function firstPaths(root: string, exclude: readonly string[]): string[] {
  const paths: string[] = [];
  for (const { path } of walkTree(root, new PathFilter({ include: [], exclude, follow: [] }, root))) {
    paths.push(pathText(path));
    if (paths.length >= searchLimit) break;
  }
  return paths;
}

/** Paths of the disk that the pattern names, .dockerignore or not. */
function matchesOnDisk(root: string, pattern: string): string[] {
  if (!/[*?[\\]/.test(pattern)) return existsSync(posix.join(root, pattern)) ? [pattern] : [];
  const wanted = new Pattern(pattern);
  return firstPaths(root, [])
    .filter((path) => wanted.matches(path))
    .slice(0, 10);
}

/** Whether a path of a context leads to nothing outside of it. */
function isInside(root: string, path: string): boolean {
  return realpathSync(posix.join(root, path)) === posix.join(realpathSync(root), path);
}

/** Names that people may have meant, best first, at most three: other case, other folder, other ending, a typing error. */
export function nearestNames(wanted: string, names: readonly string[]): string[] {
  const base = posix.basename(wanted).toLowerCase();
  const scored: { name: string; score: number }[] = [];
  for (const name of names) {
    const other = posix.basename(name).toLowerCase();
    if (name === wanted) continue;
    let score: number | undefined;
    if (name.toLowerCase() === wanted.toLowerCase()) score = 0;
    else if (other === base) score = 1;
    else if (stem(other) === stem(base) && stem(base).length > 1) score = 2;
    else {
      const limit = Math.max(1, Math.floor(base.length / 3));
      const distance = editDistance(base, other, limit);
      if (distance !== undefined) score = 2 + distance;
    }
    if (score !== undefined)
      scored.push({ name, score: score + (posix.dirname(name) === posix.dirname(wanted) ? 0 : 0.5) });
  }
  return scored
    .sort((a, b) => a.score - b.score || a.name.length - b.name.length)
    .slice(0, 3)
    .map(({ name }) => name);
}

function stem(name: string): string {
  return name.replace(/\.[^.]+$/, "");
}

/** Levenshtein's distance with swaps, undefined where it exceeds the limit. */
function editDistance(a: string, b: string, limit: number): number | undefined {
  if (Math.abs(a.length - b.length) > limit) return undefined;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_value, index) => index);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const cost = a[row - 1] === b[column - 1] ? 0 : 1;
      let best = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + cost,
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        best = Math.min(best, (before[column - 2] ?? 0) + 1);
      current.push(best);
    }
    before = previous;
    previous = current;
  }
  const distance = previous[b.length] ?? 0;
  return distance <= limit ? distance : undefined;
}
