import { parse as splitWithLibrary } from "docker-file-parser";
import { dropTrailingSpaces, isSeparator, isSpace, skipSpaces, trimSpaces } from "./text.js";

/** A piece of a joined instruction: indexes into its text. */
export interface Slice {
  readonly start: number;
  readonly end: number;
}

/** A flag as BuildKit reads it: quotes and escapes already taken away. */
export interface FlagSlice extends Slice {
  readonly text: string;
}

export interface SplitInstruction {
  readonly keyword: Slice;
  readonly flags: readonly FlagSlice[];
  /** What follows keyword and flags, without white space around it. */
  readonly rest: Slice;
}

/** Splits keyword, flags and rest of text `from`..`to`; `from` must not be white space. */
export function splitInstruction(text: string, from: number, to: number, escape: string): SplitInstruction {
  let keywordEnd = from;
  while (keywordEnd < to && !isSeparator(text.charCodeAt(keywordEnd))) keywordEnd++;
  let at = keywordEnd;
  while (at < to && isSeparator(text.charCodeAt(at))) at++;
  const { flags, end } = splitFlags(text, at, to, escape);
  const start = skipSpaces(text, end, to);
  return {
    keyword: { start: from, end: keywordEnd },
    flags,
    rest: { start, end: dropTrailingSpaces(text, start, to) },
  };
}

/** The words that begin with `--`, up to one that does not or a `--` alone. */
function splitFlags(text: string, from: number, to: number, escape: string): { flags: FlagSlice[]; end: number } {
  const flags: FlagSlice[] = [];
  let at = from;
  for (;;) {
    at = skipSpaces(text, at, to);
    if (at >= to) return { flags, end: to };
    if (!(text[at] === "-" && at + 1 < to && text[at + 1] === "-")) return { flags, end: at };
    const start = at;
    let word = "";
    let quote = "";
    for (; at < to; at++) {
      const character = text[at] ?? "";
      if (quote === "" && isSpace(text.charCodeAt(at))) break;
      if (character === quote) quote = "";
      else if (quote === "" && (character === "'" || character === '"')) quote = character;
      else if (character !== escape) word += character;
      else if (at + 1 < to) word += text[++at] ?? "";
    }
    if (word === "--") return { flags, end: at };
    flags.push({ text: word, start, end: at });
  }
}

/**
 * Words with quotes and escapes kept, as ENV, LABEL and ARG split them. An escape character at the end of the text is
 * no part of its word.
 */
export function splitWords(text: string, from: number, to: number, escape: string): Slice[] {
  const words: Slice[] = [];
  let at = from;
  for (;;) {
    at = skipSpaces(text, at, to);
    if (at >= to) return words;
    const start = at;
    let end = at;
    let quote = "";
    while (at < to && (quote !== "" || !isSpace(text.charCodeAt(at)))) {
      const character = text[at] ?? "";
      if (character === escape && quote !== "'") {
        if (at + 1 === to) {
          at = to;
          break;
        }
        at += 2;
      } else {
        if (quote === "" && (character === "'" || character === '"')) quote = character;
        else if (character === quote) quote = "";
        at++;
      }
      end = Math.min(at, to);
    }
    if (end > start) words.push({ start, end });
  }
}

/**
 * Words at white space, quotes meaning nothing: COPY, ADD, VOLUME, EXPOSE and FROM in shell form. docker-file-parser
 * splits; it knows no positions, so its words are found again in the text, and where they do not cover it (it joins a
 * backslash at the end, and trims other characters than BuildKit) the text is split here.
 */
export function splitList(text: string, from: number, to: number): Slice[] {
  if (from >= to) return [];
  const args = splitWithLibrary(`EXPOSE ${text.slice(from, to)}`)[0]?.args;
  if (Array.isArray(args)) {
    const words = locate(text, from, to, args);
    if (words !== undefined) return words;
  }
  const words: Slice[] = [];
  for (let at = from; at < to; at++) {
    if (isSeparator(text.charCodeAt(at))) continue;
    const start = at;
    while (at < to && !isSeparator(text.charCodeAt(at))) at++;
    words.push({ start, end: at });
  }
  return words;
}

function locate(text: string, from: number, to: number, words: readonly string[]): Slice[] | undefined {
  const slices: Slice[] = [];
  let at = from;
  for (const word of words) {
    while (at < to && isSeparator(text.charCodeAt(at))) at++;
    if (word === "" || !text.startsWith(word, at)) return undefined;
    slices.push({ start: at, end: at + word.length });
    at += word.length;
    if (at < to && !isSeparator(text.charCodeAt(at))) return undefined;
  }
  return at === to ? slices : undefined;
}

/** The first word and the rest of a text, split at BuildKit's separators; the second is undefined where there is none. */
export function splitFirst(text: string, from: number, to: number): [Slice, Slice | undefined] {
  let end = from;
  while (end < to && !isSeparator(text.charCodeAt(end))) end++;
  let next = end;
  while (next < to && isSeparator(text.charCodeAt(next))) next++;
  return [{ start: from, end }, end === to ? undefined : { start: next, end: to }];
}

/**
 * Reads JSON (exec) form: the strings, "mixed" for an array that holds something else (BuildKit refuses that), or
 * undefined where the text begins with no JSON array (BuildKit then takes it as shell form). What stands behind the array
 * is left out, as BuildKit's decoder does up to Docker Engine 26 (later ones want the whole text to be JSON).
 */
export function readJsonForm(text: string): readonly string[] | "mixed" | undefined {
  const start = trimSpaces(text);
  if (!start.startsWith("[")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(start.slice(0, arrayEnd(start)));
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  const strings: string[] = [];
  for (const element of value) {
    if (typeof element !== "string") return "mixed";
    strings.push(element);
  }
  return strings;
}

/** Behind the array that a text begins with; the text's end where the array has none. */
export function arrayEnd(text: string, from = 0): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const character = text[at];
    if (character === '"') {
      for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === "\\") at++;
    } else if (character === "[" || character === "{") depth += 1;
    else if ((character === "]" || character === "}") && --depth === 0) return at + 1;
  }
  return text.length;
}
