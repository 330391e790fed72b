/**
 * moby/patternmatcher's semantics: patterns of .dockerignore and of BuildKit's include and exclude lists. A pattern that
 * begins with `!` is an exception; the last pattern that matches a path, or a folder above it, decides.
 */
export class PatternMatcher {
  readonly patterns: readonly Pattern[];
  readonly hasExceptions: boolean;

  /** Throws SyntaxError for a pattern that is none (`[a`). */
  constructor(patterns: readonly string[]) {
    this.patterns = patterns.map((text) => new Pattern(text)).filter((pattern) => pattern.text !== "");
    this.hasExceptions = this.patterns.some((pattern) => pattern.exception);
  }

  /**
   * Whether `path` (slashes, relative) matches, given which patterns matched its folder; undefined at the top. The
   * second value is to be given for what lies below `path`.
   */
  match(path: string, parent: readonly boolean[] | undefined): { matched: boolean; byPattern: boolean[] } {
    let matched = false;
    const byPattern: boolean[] = new Array<boolean>(this.patterns.length).fill(false);
    for (const [index, pattern] of this.patterns.entries()) {
      let hit = parent?.[index] ?? false;
      if (!hit) {
        if (pattern.exception !== matched) continue;
        hit = pattern.matches(path);
      }
      byPattern[index] = hit;
      if (hit) matched = !pattern.exception;
    }
    return { matched, byPattern };
  }

  /** Whether `path` matches, with all folders above it; and the pattern that decided. */
  decide(path: string): { matched: boolean; by: Pattern | undefined } {
    const parts = path.split("/");
    let matched = false;
    let by: Pattern | undefined;
    for (const pattern of this.patterns) {
      if (pattern.exception !== matched) continue;
      const hit = parts.some((_part, index) => pattern.matches(parts.slice(0, index + 1).join("/")));
      if (!hit) continue;
      matched = !pattern.exception;
      by = pattern;
    }
    return { matched, by };
  }

  /** Whether something below the folder could match one of these: false lets a whole folder be skipped. */
  couldMatchBelow(folder: string, patterns: "exceptions" | "all"): boolean {
    const prefix = `${folder}/`;
    return this.patterns.some((pattern) => {
      if (pattern.exception !== (patterns === "exceptions")) return false;
      return pattern.fixedPrefix === undefined || `${pattern.fixedPrefix}/`.startsWith(prefix);
    });
  }
}

/** One pattern, compiled when it is first used. */
export class Pattern {
  /** Cleaned, without the `!`. */
  readonly text: string;
  readonly exception: boolean;
  /** The pattern without a trailing `/**`, where it is plain text; undefined where it has wildcards elsewhere. */
  readonly fixedPrefix: string | undefined;
  private readonly test: (path: string) => boolean;

  constructor(pattern: string) {
    this.exception = pattern.startsWith("!");
    this.text = cleanPath(this.exception ? pattern.slice(1) : pattern);
    const base = this.text.replace(/\/\*\*$/, "");
    this.fixedPrefix = /[*[\]?^\\]/.test(base) ? undefined : base;
    this.test = compile(this.text);
  }

  matches(path: string): boolean {
    return this.test(path);
  }
}

/** Go's filepath.Clean for relative patterns: no `.`, no `..` where it can be resolved, no double or trailing slash. */
export function cleanPath(path: string): string {
  if (path === "") return "";
  const rooted = path.startsWith("/");
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (part !== ".." || !rooted) parts.push(part);
  }
  return (rooted ? "/" : "") + parts.join("/") || (rooted ? "/" : ".");
}

/** Plain, prefix and suffix patterns without a regular expression; the rest as one. */
function compile(text: string): (path: string) => boolean {
  if (!/[*?[\]\\]/.test(text)) return (path) => path === text;
  if (/^[^*?[\]\\]*\*\*$/.test(text)) {
    const prefix = text.slice(0, -2);
    return (path) => path.startsWith(prefix);
  }
  if (/^\*\*[^*?[\]\\]+$/.test(text)) {
    const suffix = text.slice(2);
    return (path) => path.endsWith(suffix) || (suffix.startsWith("/") && path === suffix.slice(1));
  }
  const expression = new RegExp(`^${translate(text)}$`, "su");
  return (path) => expression.test(path);
}

function translate(text: string): string {
  let out = "";
  const characters = [...text];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? "";
    if (character === "*" && characters[at + 1] === "*") {
      at += 1;
      if (characters[at + 1] === "/") at += 1;
      out += at + 1 >= characters.length ? ".*" : "(.*/)?";
    } else if (character === "*") out += "[^/]*";
    else if (character === "?") out += "[^/]";
    else if (character === "[") {
      const end = characters.indexOf("]", at + 2);
      if (end < 0) throw new SyntaxError(`unclosed [ in ${text}`);
      const body = characters.slice(at + 1, end).join("");
      out += `[${body.replace(/^!/, "^").replaceAll(/[[&~|]/g, "\\$&")}]`;
      at = end;
    } else if (character === "\\" && at + 1 < characters.length) {
      at += 1;
      out += escaped(characters[at] ?? "");
    } else out += escaped(character);
  }
  return out;
}

function escaped(character: string): string {
  return /[$()*+./?[\\\]^{|}-]/.test(character) ? `\\${character}` : character;
}
