import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BuildError, errorMessage } from "../../errors.js";
import { cleanPath, PatternMatcher } from "./pattern-matcher.js";

/** One pattern of an ignore file and where it stands. */
export interface IgnorePattern {
  /** As the engine gets it: trimmed, cleaned, `!` in front of an exception. */
  readonly pattern: string;
  /** The file's name as it was given. */
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** The line as written, without surrounding blanks. */
  readonly text: string;
}

/**
 * Reads an ignore file's text by the rules of moby/patternmatcher's ignorefile: a byte order mark is dropped, `#` in the
 * first column starts a comment, paths are cleaned, and a leading slash means nothing.
 */
export function readIgnoreFile(text: string, file: string): IgnorePattern[] {
  const patterns: IgnorePattern[] = [];
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .entries()) {
    const written = raw.trim();
    if (raw.startsWith("#") || written === "") continue;
    const isException = written.startsWith("!");
    let pattern = isException ? written.slice(1).trim() : written;
    if (pattern !== "") {
      pattern = cleanPath(pattern);
      if (pattern.length > 1 && pattern.startsWith("/")) pattern = pattern.slice(1);
    }
    patterns.push({ pattern: isException ? `!${pattern}` : pattern, file, line: index + 1, text: written });
  }
  return patterns;
}

/**
 * The ignore patterns of a build: those of `<Dockerfile>.dockerignore` beside the Dockerfile where that exists, else those
 * of `.dockerignore` in the context (docker's order). None where neither exists. Rejects with BuildError when the file
 * cannot be read.
 */
export async function dockerignoreFor(
  contextDir: string,
  dockerfilePath: string | undefined,
): Promise<readonly IgnorePattern[]> {
  const found = await dockerignoreText(contextDir, dockerfilePath);
  return found ? readIgnoreFile(found.text, found.file) : [];
}

/** The file that dockerignoreFor reads, by its base name; undefined where there is none. Rejects with BuildError. */
export async function dockerignoreText(
  contextDir: string,
  dockerfilePath: string | undefined,
): Promise<{ readonly file: string; readonly text: string } | undefined> {
  if (dockerfilePath !== undefined) {
    const file = `${basename(dockerfilePath)}.dockerignore`;
    const text = await readIfThere(join(dirname(dockerfilePath), file));
    if (text !== undefined) return { file, text };
  }
  const text = await readIfThere(join(contextDir, ".dockerignore"));
  return text === undefined ? undefined : { file: ".dockerignore", text };
}

/** The line that keeps `path` (slash-separated, relative to the context) out of it; undefined where it is in. Throws BuildError. */
export function explainExclusion(
  path: string,
  patterns: readonly IgnorePattern[],
): { file: string; line: number; pattern: string } | undefined {
  const used = patterns.filter(({ pattern }) => pattern.trim() !== "");
  const { matched, index } = new PatternMatcher(used.map(({ pattern }) => pattern)).decisive(cleanPath(path));
  const found = index === undefined ? undefined : used[index];
  return matched && found ? { file: found.file, line: found.line, pattern: found.text } : undefined;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new BuildError(`${path} cannot be read: ${errorMessage(error)}`, {
      code: "IGNORE_FILE_UNREADABLE",
      cause: error,
    });
  }
}
