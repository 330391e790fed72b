import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { cleanPath, PatternMatcher } from "./pattern.js";

/** One pattern of a .dockerignore with where it stands. */
export interface IgnorePattern {
  readonly pattern: string;
  /** From 1. */
  readonly line: number;
}

/** A .dockerignore that was read. */
export interface IgnoreFile {
  /** As people know it: relative to the context, or the path beside the Dockerfile. */
  readonly file: string;
  readonly patterns: readonly IgnorePattern[];
}

/** Parses a .dockerignore by moby's rules: comments only at the line's beginning, blanks trimmed, paths cleaned, a leading slash dropped. */
export function parseIgnore(text: string, file: string): IgnoreFile {
  const patterns: IgnorePattern[] = [];
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .entries()) {
    if (raw.startsWith("#")) continue;
    let pattern = raw.trim();
    if (pattern === "") continue;
    const exception = pattern.startsWith("!");
    if (exception) pattern = pattern.slice(1).trim();
    if (pattern !== "") {
      pattern = cleanPath(pattern);
      if (pattern.length > 1 && pattern.startsWith("/")) pattern = pattern.slice(1);
    }
    patterns.push({ pattern: exception ? `!${pattern}` : pattern, line: index + 1 });
  }
  return { file, patterns };
}

/** The file that applies to a build: `<Dockerfile>.dockerignore` beside the Dockerfile, else the context's .dockerignore. */
export async function findIgnoreFile(
  contextDir: string,
  dockerfilePath: string | undefined,
): Promise<IgnoreFile | undefined> {
  const candidates = [
    ...(dockerfilePath
      ? [{ path: `${dockerfilePath}.dockerignore`, name: `${basename(dockerfilePath)}.dockerignore` }]
      : []),
    { path: join(contextDir, ".dockerignore"), name: ".dockerignore" },
  ];
  for (const { path, name } of candidates) {
    try {
      return parseIgnore(await readFile(path, "utf8"), name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return undefined;
}

/** The line that leaves a path out of the context; undefined where it is in. */
export function explainExclusion(path: string, ignore: IgnoreFile): IgnorePattern | undefined {
  const matcher = new PatternMatcher(ignore.patterns.map(({ pattern }) => pattern));
  const { matched, by } = matcher.decide(path);
  if (!matched || !by) return undefined;
  return ignore.patterns.findLast(({ pattern }) => !pattern.startsWith("!") && cleanPath(pattern) === by.text);
}
