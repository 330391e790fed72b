import type { Position, Range } from "./syntax.js";

/*
 * Text as Go sees it: BuildKit's parser trims with unicode.IsSpace and splits with RE2's \s, and neither set is
 * JavaScript's \s (which holds U+FEFF and lacks U+0085).
 */

const wideSpaces = new Set([0x85, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000]);

/** Go's unicode.IsSpace for one UTF-16 unit (every such character is one unit). */
export function isSpace(unit: number): boolean {
  if (unit < 0x80) return unit === 32 || (unit >= 9 && unit <= 13);
  return wideSpaces.has(unit) || (unit >= 0x2000 && unit <= 0x200a);
}

/** Tab, vertical tab, form feed, carriage return, blank: what separates keyword and list arguments in BuildKit's parser. */
export function isSeparator(unit: number): boolean {
  return unit === 32 || unit === 9 || (unit >= 11 && unit <= 13);
}

/** The first index from `from` on, before `to`, that holds no white space; `to` where there is none. */
export function skipSpaces(text: string, from: number, to = text.length): number {
  let index = from;
  while (index < to && isSpace(text.charCodeAt(index))) index++;
  return index;
}

/** The end of what is left of `from`..`to` when white space at its end is dropped. */
export function dropTrailingSpaces(text: string, from: number, to: number): number {
  let end = to;
  while (end > from && isSpace(text.charCodeAt(end - 1))) end--;
  return end;
}

/** Go's strings.TrimSpace. */
export function trimSpaces(text: string): string {
  const start = skipSpaces(text, 0);
  return text.slice(start, dropTrailingSpaces(text, start, text.length));
}

/** The physical lines of a text, as BuildKit counts them: only a line feed ends one. */
export class Lines {
  private readonly text: string;
  private readonly starts: number[] = [0];

  constructor(text: string) {
    this.text = text;
    for (let at = text.indexOf("\n"); at !== -1 && at + 1 < text.length; at = text.indexOf("\n", at + 1)) {
      this.starts.push(at + 1);
    }
  }

  /** Number of lines; a line feed at the end of the text begins none. 0 for an empty text. */
  get count(): number {
    return this.text === "" ? 0 : this.starts.length;
  }

  /** Offset of the first character of a line (from 1). */
  start(line: number): number {
    return this.starts[line - 1] ?? this.text.length;
  }

  /** Offset behind a line's line feed. */
  end(line: number): number {
    return this.starts[line] ?? this.text.length;
  }

  /** Offset of a line's line ending: every carriage return and line feed at its end is dropped, as BuildKit drops them. */
  contentEnd(line: number): number {
    const start = this.start(line);
    let end = this.end(line);
    while (end > start && (this.text.charCodeAt(end - 1) === 10 || this.text.charCodeAt(end - 1) === 13)) end--;
    return end;
  }

  /** The position of an offset (0 to the text's length). */
  position(offset: number): Position {
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.starts[low] ?? 0), offset };
  }

  /** The range between two offsets. */
  range(start: number, end: number): Range {
    return { start: this.position(start), end: this.position(end) };
  }
}

/** A logical line: physical lines joined, with the way back to the source. */
export class JoinedLine {
  readonly text: string;
  private readonly lines: Lines;
  /** Parallel lists: where each piece begins in the joined text, and where in the source. */
  private readonly joined: readonly number[];
  private readonly source: readonly number[];

  constructor(lines: Lines, source: string, pieces: readonly { start: number; end: number }[]) {
    this.lines = lines;
    const texts: string[] = [];
    const joined: number[] = [];
    const starts: number[] = [];
    let length = 0;
    for (const piece of pieces) {
      if (piece.end === piece.start) continue;
      joined.push(length);
      starts.push(piece.start);
      texts.push(source.slice(piece.start, piece.end));
      length += piece.end - piece.start;
    }
    this.text = texts.join("");
    this.joined = joined;
    this.source = starts;
  }

  /** The source's offset of a character of the joined text. */
  offset(index: number): number {
    let low = 0;
    let high = this.joined.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.joined[middle] ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    return (this.source[low] ?? 0) + index - (this.joined[low] ?? 0);
  }

  /** The source's range of a piece of the joined text; what continuations hide inside it is included. */
  range(start: number, end: number): Range {
    const from = this.offset(start);
    return this.lines.range(from, end > start ? this.offset(end - 1) + 1 : from);
  }
}
