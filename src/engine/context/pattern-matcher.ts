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
    if (this.text === "" || /(^|[^\\])(\\\\)*\\$/.test(this.text))
      throw new BuildError(`The pattern ${JSON.stringify(source)} is invalid`, {
        code: "IGNORE_PATTERN_INVALID",
        hint: "An exclamation mark needs a pattern after it, a backslash a character.",
      });
    this.matches = compile(this.text, source);
    // A bar makes alternatives of the whole pattern.
    this.segments = this.text.includes("|") ? ["anything"] : this.text.split("/").map(segment);
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
  // In moby's translation these can stand for a slash, or reach beyond one.
  if (text.includes("**") || /[[\\{|^]/.test(text)) return "anything";
  if (!/[*?]/.test(text)) return (name) => name === text;
  const expression = expressionOf(text, text);
  return (name) => expression.test(name);
}

/** moby tries the cheap comparisons first, and they differ from the expression in places: `a**` is a plain prefix. */
function compile(text: string, source: string): (path: string) => boolean {
  const special = /[*?[\]\\]/;
  if (!special.test(text)) return (path) => path === text;
  if (text.startsWith("**")) {
    const suffix = text.slice(2);
    if (suffix === "") return () => true;
    if (!special.test(suffix))
      return (path) => path.endsWith(suffix) || (suffix.startsWith("/") && path === suffix.slice(1));
  } else if (text.endsWith("**") && !special.test(text.slice(0, -2))) {
    const prefix = text.slice(0, -2);
    return (path) => path.startsWith(prefix);
  }
  const expression = expressionOf(text, source);
  return (path) => expression.test(path);
}

function expressionOf(text: string, source: string): RegExp {
  try {
    return new RegExp(fromGo(`^${toGo(text)}$`), "u");
  } catch (error) {
    throw new BuildError(`The pattern ${JSON.stringify(source)} is invalid`, {
      code: "IGNORE_PATTERN_INVALID",
      hint: "Patterns are shell globs: * and ? within a name, ** across folders, [a-z] for one character, \\ before a special one.",
      cause: error,
    });
  }
}

/**
 * The Go expression that moby makes of a pattern, oddities included: braces and bars are left as they are, and what stands
 * in brackets is translated like the rest.
 */
function toGo(text: string): string {
  let expression = "";
  const characters = Array.from(text);
  for (let index = 0; index < characters.length; index++) {
    const character = characters[index] ?? "";
    if (character === "*" && characters[index + 1] === "*") {
      index++;
      if (characters[index + 1] === "/") index++;
      expression += index + 1 >= characters.length ? ".*" : "(.*/)?";
    } else if (character === "*") expression += "[^/]*";
    else if (character === "?") expression += "[^/]";
    else if (".+()$".includes(character)) expression += `\\${character}`;
    else if (character === "\\") expression += `\\${characters[++index] ?? ""}`;
    else expression += character;
  }
  return expression;
}

/** Where Go's escapes mean something else in JavaScript. */
const goEscapes: Readonly<Record<string, string>> = {
  a: "\\x07",
  A: "^",
  z: "$",
  s: "[\\t\\n\\f\\r ]",
  S: "[^\\t\\n\\f\\r ]",
};

/** A Go expression as JavaScript takes it in Unicode mode. Throws SyntaxError for what Go refuses. */
function fromGo(expression: string): string {
  let result = "";
  let inBrackets = false;
  for (let index = 0; index < expression.length; index++) {
    const character = expression[index] ?? "";
    if (character === "\\") {
      const next = expression[++index] ?? "";
      if (/[A-Za-z0-9]/.test(next)) {
        if (!/[aAzsSdDwWbBftnrv]/.test(next)) throw new SyntaxError(`\\${next} means nothing`);
        result += inBrackets ? `\\${next}` : (goEscapes[next] ?? `\\${next}`);
      } else result += literal(next);
    } else if (inBrackets) {
      inBrackets = character !== "]";
      result += character === "[" ? "\\[" : character;
    } else if (character === "[") {
      inBrackets = true;
      const negated = expression[index + 1] === "^";
      if (negated) index++;
      result += negated ? "[^" : "[";
      // In Go a bracket that comes first is one of the characters.
      if (expression[index + 1] === "]") {
        index++;
        result += "\\]";
      }
    } else if (character === ".") result += "[^\\n]";
    else if (character === "{") result += /^\{\d+(,\d*)?\}/.test(expression.slice(index)) ? "{" : "\\{";
    else if (character === "}") result += /\{\d+(,\d*)?$/.test(result) ? "}" : "\\}";
    else result += character === "]" ? "\\]" : character;
  }
  return result;
}

function literal(character: string): string {
  if (character === "-") return "\\x2d";
  return /[.*+?^${}()|[\]\\/]/.test(character) ? `\\${character}` : character;
}
