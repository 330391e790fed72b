import type { Range } from "./syntax.js";
import { Lines } from "./text.js";

/** A line of a Dockerfile for people: tabs are blanks, control characters cannot reach the terminal. */
export interface ExcerptLine {
  /** From 1. */
  readonly line: number;
  readonly text: string;
  /** The line belongs to the range. */
  readonly marked: boolean;
}

/** Lines and columns as errors carry them; Range has them too. */
export interface LineRange {
  readonly start: { readonly line: number; readonly column: number };
  readonly end: { readonly line: number; readonly column: number };
}

const tabWidth = 4;
const defaultWidth = 120;
/** What an excerpt shows of a range that is longer: its beginning, and its end. */
const maximumLines = 24;
/** Of a line, at most this many times the width is looked at. */
const longLine = 8;

/** Columns that a character takes on a terminal: 0 for combining ones, 2 for wide ones (East Asian, emoji). */
export function characterWidth(character: string): number {
  const point = character.codePointAt(0) ?? 0;
  if (point < 0x300) return 1;
  if (/^[\p{Mn}\p{Me}\p{Cf}]$/u.test(character)) return 0;
  const wide =
    (point >= 0x1100 && point <= 0x115f) ||
    (point >= 0x2e80 && point <= 0xa4cf && point !== 0x303f) ||
    (point >= 0xac00 && point <= 0xd7a3) ||
    (point >= 0xf900 && point <= 0xfaff) ||
    (point >= 0xfe30 && point <= 0xfe6f) ||
    (point >= 0xff00 && point <= 0xff60) ||
    (point >= 0xffe0 && point <= 0xffe6) ||
    (point >= 0x20000 && point <= 0x3fffd) ||
    /^\p{Emoji_Presentation}$/u.test(character);
  return wide ? 2 : 1;
}

/** The lines of a range with `context` lines around it (default 2). A range of many lines is shown by its ends. */
export function excerpt(
  source: string,
  range: LineRange,
  options: { readonly context?: number; readonly width?: number } = {},
): ExcerptLine[] {
  const { context = 2, width = defaultWidth } = options;
  const lines = new Lines(source);
  const last = lastLine(range);
  const from = Math.max(1, range.start.line - context);
  const to = Math.min(lines.count, last + context);
  const half = maximumLines / 2;
  const numbers = Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
  const shown = numbers.length > maximumLines ? [...numbers.slice(0, half), ...numbers.slice(-half)] : numbers;
  return shown.map((line) => {
    // No character takes less than no column, but a line of thousands of them is not worth looking at.
    const end = Math.min(lines.contentEnd(line), lines.start(line) + width * longLine);
    const text = source.slice(lines.start(line), end);
    return { line, text: window(cells(text), 0, width).text, marked: line >= range.start.line && line <= last };
  });
}

/** A range that ends before the first column of a line does not hold that line. */
function lastLine(range: LineRange): number {
  const { start, end } = range;
  return end.column === 0 && end.line > start.line ? end.line - 1 : end.line;
}

/**
 * The first line of a range and a line of carets to print below it. Both fit `width` columns (default 120): of a longer
 * line, the part around the range is shown.
 */
export function caret(
  source: string,
  range: LineRange,
  options: { readonly width?: number } = {},
): { readonly line: number; readonly text: string; readonly carets: string } {
  const { width = defaultWidth } = options;
  const lines = new Lines(source);
  const { line } = range.start;
  const hidden = Math.max(0, range.start.column - width * longLine);
  const start = lines.start(line) + hidden;
  const text = source.slice(start, Math.min(lines.contentEnd(line), start + 2 * width * longLine));
  const column = range.start.column - hidden;
  const endColumn = range.end.line > line ? text.length : range.end.column - hidden;
  const all = cells(text);
  const first = all.findIndex((cell) => cell.index >= column);
  const from = first === -1 ? all.length : first;
  const shown = window(all, from, width);
  const before = sum(all.slice(shown.from, from)) + (shown.from > 0 ? 1 : 0);
  const marked = sum(all.slice(from, shown.to).filter((cell) => cell.index < endColumn));
  return { line, text: shown.text, carets: " ".repeat(before) + "^".repeat(Math.max(1, marked)) };
}

/** A character as it is shown. */
interface Cell {
  readonly index: number;
  readonly text: string;
  readonly width: number;
}

function cells(text: string): Cell[] {
  const result: Cell[] = [];
  let index = 0;
  let column = 0;
  for (const character of text) {
    let shown = character;
    if (character === "\t") shown = " ".repeat(tabWidth - (column % tabWidth));
    else if (character === "\ufeff") shown = "";
    else if (/^[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]$/.test(character)) shown = "\ufffd";
    const width = character === "\t" ? shown.length : shown === "" ? 0 : characterWidth(shown);
    result.push({ index, text: shown, width });
    index += character.length;
    column += width;
  }
  return result;
}

function sum(part: readonly Cell[]): number {
  return part.reduce((total, cell) => total + cell.width, 0);
}

/** As many cells as fit, with an ellipsis where some are left out; `focus` is among them. */
function window(all: readonly Cell[], focus: number, width: number): { text: string; from: number; to: number } {
  const text = (from: number, to: number): string =>
    (from > 0 ? "…" : "") +
    all
      .slice(from, to)
      .map((cell) => cell.text)
      .join("") +
    (to < all.length ? "…" : "");
  if (sum(all) <= width) return { text: text(0, all.length), from: 0, to: all.length };
  let from = 0;
  if (sum(all.slice(0, focus)) > width / 2) {
    let room = Math.floor(width / 3);
    for (from = focus; from > 0; from--) {
      room -= all[from - 1]?.width ?? 0;
      if (room < 0) break;
    }
  }
  let room = width - 2;
  let to = from;
  for (; to < all.length; to++) {
    room -= all[to]?.width ?? 0;
    if (room < 0) break;
  }
  return { text: text(from, to), from, to };
}

/** The text that a range covers. */
export function textOf(source: string, range: Range): string {
  return source.slice(range.start.offset, range.end.offset);
}
