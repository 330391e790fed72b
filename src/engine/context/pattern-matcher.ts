import { posix } from "node:path";
import { BuildError } from "../../errors.js";

/**
 * One pattern of a .dockerignore file or of an engine's request for files: moby/patternmatcher's rules, which are Go's
 * filepath.Match with `**`, translated to one regular expression over the whole path.
 */
export class Pattern {
  /** Cleaned as Go's filepath.Clean does, without the `!`. */
  readonly text: string;
  /** `!pattern`: takes back what earlier patterns matched. */
  readonly isException: boolean;
  /** Whether the pattern matches this slash-separated path itself; parents are the matcher's affair. */
  readonly matches: (path: string) => boolean;
  private readonly segments: readonly Segment[];

  /** Throws BuildError (IGNORE_PATTERN_INVALID). */
  constructor(source: string) {
    const cleaned = cleanPath(source);
    this.isException = cleaned.startsWith("!");
    this.text = this.isException ? cleaned.slice(1) : cleaned;
    if (this.text === "") throw invalidPattern(source, "there is nothing after the exclamation mark");
    checkSyntax(this.text, source);
    this.matches = compile(this.text, source);
    this.segments = this.text.split("/").map(segment);
  }

  /** False only where the pattern can match no path below this folder, so that the folder need not be read. */
  mayMatchInside(folder: string): boolean {
    const names = folder.split("/");
    for (const [index, name] of names.entries()) {
      const part = this.segments[index];
      if (part === undefined) return false;
      if (part === "anything") return true;
      if (!part(name)) return false;
    }
    return this.segments.length > names.length;
  }
}

/** A list of patterns of which the last match decides. */
export class PatternMatcher {
  readonly patterns: readonly Pattern[];
  private readonly hasExceptions: boolean;

  /** Empty patterns are left out, as moby does. Throws BuildError (IGNORE_PATTERN_INVALID). */
  constructor(sources: Iterable<string>) {
    this.patterns = Array.from(sources, (source) => source.trim())
      .filter((source) => source !== "")
      .map((source) => new Pattern(source));
    this.hasExceptions = this.patterns.some((pattern) => pattern.isException);
  }

  /**
   * Whether `path` or a folder above it is matched. `parent` says which patterns matched the folders above (the flags
   * of the parent folder; undefined at the top), `flags` receives the same for this path: a byte for each pattern.
   */
  evaluate(path: string, parent: Uint8Array | undefined, flags: Uint8Array): boolean {
    const { patterns } = this;
    let matched = false;
    for (let index = 0; index < patterns.length; index++) {
      const pattern = patterns[index] as Pattern;
      let match = parent !== undefined && parent[index] === 1;
      // A pattern that could change nothing is not tried; moby notes it as no match, and what lies below sees that.
      if (!match && pattern.isException === matched) match = pattern.matches(path);
      flags[index] = match ? 1 : 0;
      if (match) matched = !pattern.isException;
    }
    return matched;
  }

  /** Whether `path` or a folder above it is matched, without knowledge of its parents. */
  matches(path: string): boolean {
    return this.decisive(path).matched;
  }

  /** The pattern that decides about `path`, by its place in `patterns`; undefined where none matches. */
  decisive(path: string): { matched: boolean; index: number | undefined } {
    const lineage = [...parents(path), path];
    let matched = false;
    let decisive: number | undefined;
    for (const [index, pattern] of this.patterns.entries()) {
      if (pattern.isException !== matched || !lineage.some((candidate) => pattern.matches(candidate))) continue;
      matched = !pattern.isException;
      decisive = index;
    }
    return { matched, index: decisive };
  }

  /** For a matched folder of excludes: whether an exception could bring back something in it. */
  mayTakeBackInside(folder: string): boolean {
    return this.hasExceptions && this.patterns.some((pattern) => pattern.isException && pattern.mayMatchInside(folder));
  }

  /** For an unmatched folder of includes: whether something in it could be matched. */
  mayMatchInside(folder: string): boolean {
    return this.patterns.some((pattern) => !pattern.isException && pattern.mayMatchInside(folder));
  }
}

/** Go's filepath.Clean for slashes. */
export function cleanPath(path: string): string {
  if (path === "") return ".";
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith("/") ? normal.slice(0, -1) : normal;
}

/** The folders above a slash-separated path, outermost first. */
export function parents(path: string): string[] {
  const found: string[] = [];
  for (let slash = path.indexOf("/"); slash !== -1; slash = path.indexOf("/", slash + 1)) {
    if (slash > 0) found.push(path.slice(0, slash));
  }
  return found;
}

/** What one name of a path must be like; `anything` also where that cannot be told name by name. */
type Segment = "anything" | ((name: string) => boolean);

function segment(text: string): Segment {
  // A bracket expression or an escape can stand for a slash in moby's translation, `**` always does.
  if (text.includes("**") || /[[\\]/.test(text)) return "anything";
  if (!/[*?]/.test(text)) return (name) => name === text;
  const expression = new RegExp(`^${translate(text, text)}$`, "u");
  return (name) => expression.test(name);
}

/** moby tries the cheap comparisons first, and they differ from the expression in places: `a**` is a plain prefix. */
function compile(text: string, source: string): (path: string) => boolean {
  const special = /[*?[\]\\]/;
  if (!special.test(text)) return (path) => path === text;
  if (text.startsWith("**")) {
    const suffix = text.slice(2);
    if (suffix === "") return () => true;
    // `**/` alone swallows its slash, and then it is `**`.
    if (!special.test(suffix))
      return suffix.startsWith("/") ? (path) => path.endsWith(suffix) || path === suffix.slice(1) : endsWith(suffix);
  } else if (text.endsWith("**") && !special.test(text.slice(0, -2))) {
    const prefix = text.slice(0, -2);
    return (path) => path.startsWith(prefix);
  }
  try {
    const expression = new RegExp(`^${translate(text, source)}$`, "u");
    return (path) => expression.test(path);
  } catch (error) {
    if (error instanceof BuildError) throw error;
    throw invalidPattern(source, "it has a bracket expression or an escape that means nothing");
  }
}

function endsWith(suffix: string): (path: string) => boolean {
  return (path) => path.endsWith(suffix);
}

function translate(text: string, source: string): string {
  let expression = "";
  let inBrackets = false;
  const characters = Array.from(text);
  for (let index = 0; index < characters.length; index++) {
    const character = characters[index] ?? "";
    const next = characters[index + 1];
    if (inBrackets) {
      if (character === "]") inBrackets = false;
      if (character === "\\") {
        expression += escaped(next ?? "", source);
        index++;
      } else expression += character === "^" && expression.endsWith("[") ? "^" : bracketCharacter(character);
    } else if (character === "*" && next === "*") {
      index++;
      if (characters[index + 1] === "/") index++;
      expression += index + 1 >= characters.length ? "[^\\n]*" : "(?:[^\\n]*/)?";
    } else if (character === "*") expression += "[^/]*";
    else if (character === "?") expression += "[^/]";
    else if (character === "[") {
      inBrackets = true;
      expression += "[";
    } else if (character === "\\") {
      expression += escaped(next ?? "", source);
      index++;
    } else expression += literal(character);
  }
  return expression;
}

function bracketCharacter(character: string): string {
  return character === "[" ? "\\[" : character;
}

/** Go reads an escaped letter as its regular expressions do: `\d` is a digit. */
function escaped(character: string, source: string): string {
  if (/[dDwWsSbBftnrv]/.test(character)) return `\\${character}`;
  if (/[A-Za-z0-9]/.test(character)) throw invalidPattern(source, `the escape \\${character} means nothing`);
  return character === "-" ? "\\x2d" : literal(character);
}

function literal(character: string): string {
  return /[.*+?^${}()|[\]\\/]/.test(character) ? `\\${character}` : character;
}

/** The errors of Go's filepath.Match: an open bracket expression, an empty one, a backslash at the end. */
function checkSyntax(text: string, source: string): void {
  for (let index = 0; index < text.length; index++) {
    if (text[index] === "\\" && ++index >= text.length) throw invalidPattern(source, "it ends with a backslash");
    else if (text[index] === "[") index = endOfBrackets(text, index, source);
  }
}

function endOfBrackets(text: string, start: number, source: string): number {
  let index = start + 1;
  if (text[index] === "^") index++;
  const bound = (): void => {
    if (text[index] === "\\") index++;
    else if (text[index] === "-" || text[index] === "]")
      throw invalidPattern(source, "its bracket expression is empty");
    if (index >= text.length) throw invalidPattern(source, "its bracket expression is not closed");
    index++;
  };
  do {
    bound();
    if (text[index] === "-") {
      index++;
      bound();
    }
    if (index >= text.length) throw invalidPattern(source, "its bracket expression is not closed");
  } while (text[index] !== "]");
  return index;
}

function invalidPattern(pattern: string, why: string): BuildError {
  return new BuildError(`The pattern ${JSON.stringify(pattern)} is invalid: ${why}`, {
    code: "IGNORE_PATTERN_INVALID",
    hint: "Patterns are shell globs: * and ? within a name, ** across folders, [a-z] for one character, \\ before a special one.",
  });
}
