import { lstatSync } from "node:fs";
import { posix } from "node:path";
import type { CopyDiagnosis } from "../engine.js";
import { explainExclusion, findIgnoreFile } from "./ignore.js";
import { Pattern } from "./pattern.js";
import { walk } from "./walk.js";

/** How many paths of a context are looked at for names that are close: a huge context must not delay the report. */
const searchLimit = 20_000;

/** Why a source pattern found nothing in a context folder. */
export async function diagnoseCopy(input: {
  pattern: string;
  contextDir: string;
  dockerfilePath: string | undefined;
}): Promise<Pick<CopyDiagnosis, "near" | "excludedBy">> {
  const wanted = posix.join("/", input.pattern).slice(1);
  const ignore = await findIgnoreFile(input.contextDir, input.dockerfilePath);
  if (ignore) {
    const hidden = matchesOnDisk(input.contextDir, wanted).find((path) => explainExclusion(path, ignore));
    const by = hidden === undefined ? undefined : explainExclusion(hidden, ignore);
    if (by) return { near: [], excludedBy: { file: ignore.file, line: by.line, pattern: by.pattern } };
  }
  const names: string[] = [];
  try {
    const exclude = ignore?.patterns.map(({ pattern }) => pattern) ?? [];
    for (const { path } of walk(input.contextDir, { include: [], exclude })) {
      names.push(path);
      if (names.length >= searchLimit) break;
    }
  } catch {
    // What could be read is enough for suggestions.
  }
  return { near: nearestNames(wanted, names), excludedBy: undefined };
}

/** Paths of the disk that the pattern names, .dockerignore or not. */
function matchesOnDisk(root: string, pattern: string): string[] {
  if (!/[*?[]/.test(pattern)) {
    try {
      lstatSync(posix.join(root, pattern));
      return [pattern];
    } catch {
      return [];
    }
  }
  const matcher = new Pattern(pattern);
  const found: string[] = [];
  let seen = 0;
  for (const { path } of walk(root, { include: [], exclude: [] })) {
    if (matcher.matches(path)) found.push(path);
    if (++seen >= searchLimit || found.length >= 10) break;
  }
  return found;
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
