import { unboundedWidth } from "../../debugger/commands/io.js";
import { wrap } from "../../debugger/format.js";

/** Code points that take two columns: East Asian Wide and Fullwidth (Unicode 15.1, UAX #11) and emoji shown as pictures. */
const wide: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x231a, 0x231b],
  [0x2329, 0x232a],
  [0x23e9, 0x23ec],
  [0x23f0, 0x23f0],
  [0x23f3, 0x23f3],
  [0x25fd, 0x25fe],
  [0x2614, 0x2615],
  [0x2648, 0x2653],
  [0x267f, 0x267f],
  [0x2693, 0x2693],
  [0x26a1, 0x26a1],
  [0x26aa, 0x26ab],
  [0x26bd, 0x26be],
  [0x26c4, 0x26c5],
  [0x26ce, 0x26ce],
  [0x26d4, 0x26d4],
  [0x26ea, 0x26ea],
  [0x26f2, 0x26f3],
  [0x26f5, 0x26f5],
  [0x26fa, 0x26fa],
  [0x26fd, 0x26fd],
  [0x2705, 0x2705],
  [0x270a, 0x270b],
  [0x2728, 0x2728],
  [0x274c, 0x274c],
  [0x274e, 0x274e],
  [0x2753, 0x2755],
  [0x2757, 0x2757],
  [0x2795, 0x2797],
  [0x27b0, 0x27b0],
  [0x27bf, 0x27bf],
  [0x2b1b, 0x2b1c],
  [0x2b50, 0x2b50],
  [0x2b55, 0x2b55],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xa000, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18cff],
  [0x1aff0, 0x1b2ff],
  [0x1f004, 0x1f004],
  [0x1f0cf, 0x1f0cf],
  [0x1f18e, 0x1f18e],
  [0x1f191, 0x1f19a],
  [0x1f1e6, 0x1f1ff],
  [0x1f200, 0x1f320],
  [0x1f32d, 0x1f335],
  [0x1f337, 0x1f37c],
  [0x1f37e, 0x1f393],
  [0x1f3a0, 0x1f3ca],
  [0x1f3cf, 0x1f3d3],
  [0x1f3e0, 0x1f3f0],
  [0x1f3f4, 0x1f3f4],
  [0x1f3f8, 0x1f43e],
  [0x1f440, 0x1f440],
  [0x1f442, 0x1f4fc],
  [0x1f4ff, 0x1f53d],
  [0x1f54b, 0x1f54e],
  [0x1f550, 0x1f567],
  [0x1f57a, 0x1f57a],
  [0x1f595, 0x1f596],
  [0x1f5a4, 0x1f5a4],
  [0x1f5fb, 0x1f64f],
  [0x1f680, 0x1f6c5],
  [0x1f6cc, 0x1f6cc],
  [0x1f6d0, 0x1f6d2],
  [0x1f6d5, 0x1f6df],
  [0x1f6eb, 0x1f6ec],
  [0x1f6f4, 0x1f6fc],
  [0x1f7e0, 0x1f7eb],
  [0x1f90c, 0x1f93a],
  [0x1f93c, 0x1f945],
  [0x1f947, 0x1f9ff],
  [0x1fa70, 0x1faff],
  [0x20000, 0x3fffd],
];

const plainText = /^[\x20-\x7e]*$/;
const colourSequence = /\x1b\[[\d;:]*m/g;
const zeroWidth = /^[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]$/u;

let segmenter: Intl.Segmenter | undefined;

/** Columns that `text` takes on a terminal. Colour sequences take none; other controls are not expected in it. */
export function textWidth(text: string): number {
  if (plainText.test(text)) return text.length;
  const bare = text.replace(colourSequence, "");
  if (plainText.test(bare)) return bare.length;
  let width = 0;
  for (const { segment } of graphemes(bare)) width += graphemeWidth(segment);
  return width;
}

/** Cut to `width` columns, with an ellipsis where something was cut; colours are closed. Never longer than `width`. */
export function truncate(text: string, width: number, ellipsis = "…"): string {
  if (textWidth(text) <= width) return text;
  const room = width - textWidth(ellipsis);
  if (room < 0) return "";
  let out = "";
  let used = 0;
  let coloured = false;
  for (const piece of text.split(/(\x1b\[[\d;:]*m)/)) {
    if (piece.startsWith("\x1b")) {
      out += piece;
      coloured = true;
      continue;
    }
    for (const { segment } of plainText.test(piece) ? asciiPieces(piece) : graphemes(piece)) {
      const columns = graphemeWidth(segment);
      if (used + columns > room) return out + ellipsis + (coloured ? "\x1b[0m" : "");
      out += segment;
      used += columns;
    }
  }
  return out;
}

/** The columns of a stream: a terminal's (20 at least), else `unboundedWidth`. */
export function widthOf(stream: { readonly columns?: number }): number {
  return stream.columns ? Math.max(20, stream.columns) : unboundedWidth;
}

/** Where a value has fewer columns than these beside its name, it is not made to stand there. */
const leastValue = 16;

/** As `wrap`, for a line of a name and its value, which stand two blanks apart: what follows stands below the value. */
export function wrapValue(line: string, width: number): string[] {
  const start = /^ *\S.*? {2,}/.exec(line)?.[0].length ?? 0;
  if (start === 0 || width - start < leastValue) return [truncate(line, width)];
  const [first = "", ...rest] = wrap(line.slice(start), width - start, textWidth);
  return [line.slice(0, start) + first, ...rest.map((more) => " ".repeat(start) + more)].map((each) =>
    truncate(each, width),
  );
}

/**
 * A text for a stream, its lines wrapped at blanks where that is a terminal: what follows stands below the line's value where
 * it has a name and one (as `wrapValue`), else below its first word. Nothing is cut: a word longer than a line stays one.
 */
export function wrapText(text: string, stream: { readonly columns?: number }): string {
  if (!stream.columns) return text;
  const width = widthOf(stream);
  return text
    .split("\n")
    .flatMap((line) => {
      if (textWidth(line) <= width) return [line];
      const name = /^ *\S.*? {2,}(?=\S)/.exec(line)?.[0];
      const begin = name !== undefined && width - textWidth(name) >= leastValue ? name : (/^ */.exec(line)?.[0] ?? "");
      const indent = " ".repeat(textWidth(begin));
      const [first = "", ...rest] = wrap(line.slice(begin.length), width - indent.length, textWidth);
      return [begin + first, ...rest.map((more) => indent + more)];
    })
    .join("\n");
}

/** Filled with spaces to `width` columns. */
export function padEnd(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - textWidth(text)));
}

/** Tabs replaced by spaces to the next multiple of eight columns: a redrawn line must know its width. */
export function expandTabs(text: string): string {
  if (!text.includes("\t")) return text;
  let out = "";
  let column = 0;
  for (const [index, piece] of text.split("\t").entries()) {
    if (index > 0) {
      const fill = 8 - (column % 8);
      out += " ".repeat(fill);
      column += fill;
    }
    out += piece;
    column += textWidth(piece);
  }
  return out;
}

function graphemes(text: string): Iterable<{ segment: string }> {
  // Made when the first such text comes: loading its data takes milliseconds.
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  return segmenter.segment(text);
}

function* asciiPieces(text: string): Iterable<{ segment: string }> {
  for (const segment of text) yield { segment };
}

function graphemeWidth(grapheme: string): number {
  const code = grapheme.codePointAt(0) ?? 0;
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return 0;
  if (grapheme.length === 1 && code < 0x300) return 1;
  if (zeroWidth.test(String.fromCodePoint(code))) return 0;
  // U+FE0F asks for the picture form, which is wide.
  if (grapheme.includes("\ufe0f")) return 2;
  return isWide(code) ? 2 : 1;
}

function isWide(code: number): boolean {
  let low = 0;
  let high = wide.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const range = wide[middle];
    if (!range) return false;
    if (code < range[0]) high = middle - 1;
    else if (code > range[1]) low = middle + 1;
    else return true;
  }
  return false;
}
