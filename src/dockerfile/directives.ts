import { problem, type Origin } from "./problem.js";
import type { Directive, Range } from "./syntax.js";
import { isSpace, skipSpaces, type Lines } from "./text.js";

interface Match {
  readonly name: Directive["name"];
  readonly value: string;
}

const pattern = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=([^]+)$/;

/** Reads `# name=value`; undefined where the text is no directive, which also ends the directives. */
function match(text: string): Match | undefined {
  if (!text.startsWith("#")) return undefined;
  const found = pattern.exec(text.slice(skipSpaces(text, 1)));
  const name = found?.[1]?.toLowerCase();
  const value = found?.[2];
  if (value === undefined || (name !== "syntax" && name !== "escape" && name !== "check")) return undefined;
  const isBlank = (index: number): boolean => "\t\n\f\r ".includes(value[index] ?? "x");
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(start)) start++;
  while (end > start && isBlank(end - 1)) end--;
  return { name, value: value.slice(start, end) };
}

/**
 * Follows the directives while the parser reads lines: they must stand before everything else, comments included.
 * Only `# escape` has a meaning for the parser itself; blanks before it are allowed.
 */
export class DirectiveReader {
  escape: "\\" | "`" = "\\";
  escapeDirective: Directive | undefined;
  private readonly origin: Origin;
  private readonly seen = new Set<string>();
  private done = false;

  constructor(origin: Origin) {
    this.origin = origin;
  }

  /** Takes the next line that begins an instruction, without white space before it. Throws DockerfileError. */
  read(line: string, range: Range): void {
    if (this.done) return;
    const found = match(line);
    if (found === undefined) {
      this.done = true;
      return;
    }
    const { name, value } = found;
    if (this.seen.has(name)) {
      throw problem(this.origin, "DUPLICATE_DIRECTIVE", `# ${name}= stands twice`, range, "Keep one of them.");
    }
    this.seen.add(name);
    if (name !== "escape") return;
    if (value !== "\\" && value !== "`") {
      throw problem(
        this.origin,
        "BAD_DIRECTIVE",
        `the escape character cannot be "${value}"`,
        range,
        "It is a backslash (\\) or a backtick (`).",
      );
    }
    this.escape = value;
    this.escapeDirective = { name, value, range };
  }
}

/**
 * `# syntax=` and `# check=`, which BuildKit looks for before it parses and by its own rules: a `#!` line may stand
 * before them, and white space before the `#` ends them. Of one that is repeated, the first counts.
 */
export function findFrontendDirectives(source: string, lines: Lines): Directive[] {
  const directives: Directive[] = [];
  const seen = new Set<string>();
  for (let line = 1; line <= lines.count; line++) {
    const start = line === 1 && source.startsWith("\ufeff") ? 1 : lines.start(line);
    const end = lines.contentEnd(line);
    if (line === 1 && source.startsWith("#!", start)) continue;
    if (isSpace(source.charCodeAt(start))) break;
    const found = match(source.slice(start, end));
    if (found === undefined || seen.has(found.name)) break;
    seen.add(found.name);
    if (found.name !== "escape") directives.push({ ...found, range: lines.range(start, end) });
  }
  return directives;
}
