/*
 * The commands in a line that was typed at a POSIX shell, as far as it takes to tell what they do and to put them on one
 * line: quotes, substitutions, operators and the words that make compound commands.
 */

/** One simple command, without the words of the shell's language in front of it. */
export interface SimpleCommand {
  readonly text: string;
  /** What follows it: an operator, a line feed, or "" at the end. */
  readonly separator: string;
  /** That stands in if, for, while, braces or parentheses. */
  readonly isInside: boolean;
}

interface Piece {
  readonly text: string;
  readonly separator: string;
}

const opening = new Set(["if", "for", "while", "until", "select", "{", "("]);
const closing = new Set(["fi", "done", "}", ")"]);
const leading = /^(?:if|then|elif|else|while|until|do|!|\{|\()(?=\s|$)\s*/;
/** Behind one of these a line goes on in the next one. */
const continuing = /(?:^|[\s;&|(])(?:then|do|else|elif|if|while|until|\{|!)$|&&$|\|$|;$|&$|\($/;

/** The simple commands of a text, in order; undefined where it holds a heredoc, a case, or a quote that is not closed. */
export function simpleCommands(text: string): readonly SimpleCommand[] | undefined {
  const pieces = split(text, { atParentheses: true });
  if (pieces === undefined) return undefined;
  const commands: SimpleCommand[] = [];
  let depth = 0;
  for (const { text: piece, separator } of pieces) {
    let rest = piece.trim();
    let isFirst = true;
    while (rest !== "") {
      const word = /^\S+/.exec(rest)?.[0] ?? "";
      if (opening.has(word)) depth += 1;
      const closes = isFirst && closing.has(word);
      if (closes) depth -= 1;
      isFirst = false;
      const shorter = closes ? rest.slice(word.length).trim() : rest.replace(leading, "");
      if (shorter === rest) break;
      rest = shorter;
    }
    commands.push({ text: rest, separator, isInside: depth > 0 });
  }
  return commands;
}

/**
 * A text of several lines on one, comments left out: what a RUN can hold. Undefined where that is not possible (a heredoc, a
 * case, a line feed in quotes), or where it ends in the background.
 */
export function onOneLine(text: string): string | undefined {
  const pieces = split(text, { atParentheses: false });
  // The lines of an array are words, and no commands.
  if (pieces === undefined || /\w=\([^)]*\n/.test(text)) return undefined;
  let line = "";
  for (const { text: piece, separator } of pieces) {
    line += line.endsWith(" ") ? piece.trimStart() : piece;
    if (separator !== "\n") {
      line += separator;
      continue;
    }
    const shown = line.trimEnd();
    line = shown === "" || continuing.test(shown) ? `${shown} ` : `${shown}; `;
  }
  const shown = line.trim().replace(/;$/, "").trimEnd();
  return shown === "" || /[^&]&$/.test(shown) ? undefined : shown;
}

/** Whether a text on one line must be put in braces to stand between others that are joined with `&&`. */
export function needsBraces(text: string): boolean {
  const commands = simpleCommands(text);
  return commands?.some(({ isInside, separator }) => !isInside && [";", "&", "||", "\n"].includes(separator)) ?? true;
}

/** A text of which commands were left out. */
export interface ShorterText {
  readonly text: string;
  /** Its exit code was that of a command that was left out, whatever those before it ended with. */
  readonly lacksCode: boolean;
}

/**
 * The text without some of the commands that stand side by side in it, joined with `;`, `&&` or line feeds; a pipeline is one
 * command, and `isDropped` gets its parts. "" where nothing is left, undefined where it cannot be taken apart so: lists with
 * `||` or `&`, compound commands, functions.
 */
export function withoutCommands(
  text: string,
  isDropped: (parts: readonly string[]) => boolean,
): ShorterText | undefined {
  const pieces = split(text, { atParentheses: false });
  const words = split(text, { atParentheses: true });
  if (!pieces || !words) return undefined;
  const isList = pieces.every(({ text: piece, separator }, index) => {
    const word = /^\S*/.exec(piece.trim())?.[0] ?? "";
    const hasParentheses = words[index]?.text !== piece || words[index].separator !== separator;
    const isCompound = opening.has(word) || closing.has(word) || leading.test(piece.trim());
    return !hasParentheses && !isCompound && ["", "|", "&&", ";", "\n"].includes(separator);
  });
  if (!isList) return undefined;
  let result = "";
  let joint = "";
  let dropped = 0;
  let lacksCode = false;
  let pipeline: Piece[] = [];
  for (const piece of pieces) {
    pipeline.push(piece);
    const { separator } = piece;
    if (separator === "|") continue;
    const parts = pipeline.map((part) => part.text.trim());
    const written = pipeline.map((part) => part.text).join("|");
    pipeline = [];
    if (parts.join("") === "") continue;
    if (isDropped(parts)) {
      dropped += 1;
      lacksCode = joint !== "&&";
      // The next one waited for it, and for those before it only as far as they were joined with &&.
      if (joint === "&&") joint = separator;
      continue;
    }
    lacksCode = false;
    result = result === "" ? written.trimStart() : (joint === ";" ? result.trimEnd() : result) + joint + written;
    joint = separator;
  }
  return { text: dropped === 0 ? text : result.trimEnd(), lacksCode };
}

/**
 * The text at its operators and line feeds; what quotes and substitutions hold stays together. With `atParentheses` these
 * are words of their own, as braces are; else the text stays as it is, for a pattern or an array may have them.
 */
function split(text: string, { atParentheses }: { atParentheses: boolean }): Piece[] | undefined {
  const pieces: Piece[] = [];
  let piece = "";
  const end = (separator: string): void => {
    pieces.push({ text: piece, separator });
    piece = "";
  };
  for (let at = 0; at < text.length;) {
    const character = text[at] ?? "";
    const span = spanLength(text, at);
    if (span === undefined) return undefined;
    if (character === "\\" && text[at + 1] === "\n") at += 2;
    else if (span > 0) {
      piece += text.slice(at, at + span);
      at += span;
    } else if (character === "#" && /(?:^|\s)$/.test(piece)) {
      while (at < text.length && text[at] !== "\n") at += 1;
    } else if (text.startsWith("<<", at) && text[at + 2] !== "<") return undefined;
    else {
      const operator = /^(?:&&|\|\||;;|<<<|[0-9]?>&[0-9-]|&>|\n|;|&|\||\(|\))/.exec(text.slice(at, at + 4))?.[0];
      if (operator === undefined || operator.includes(">") || operator === "<<<") {
        piece += operator ?? character;
        at += (operator ?? character).length;
        continue;
      }
      at += operator.length;
      if (!atParentheses && /[()]/.test(operator)) piece += operator;
      else if (operator === "(") piece += "( ";
      else if (operator === ")") {
        end("");
        piece = ") ";
      } else end(operator);
    }
  }
  end("");
  const isCase = pieces.some(({ text: one }) => /^\s*(?:(?:then|do|else)\s+)?case\s/.test(one));
  return isCase ? undefined : pieces;
}

/** The length of a quote, an escape or a substitution that begins here; 0 where none does, undefined where it is not closed. */
function spanLength(text: string, at: number): number | undefined {
  const rest = text.slice(at);
  switch (rest[0]) {
    case "\\":
      return Math.min(2, rest.length);
    case "'": {
      const close = rest.indexOf("'", 1);
      return close < 0 || rest.slice(0, close).includes("\n") ? undefined : close + 1;
    }
    case '"':
    case "`":
      return closed(rest, 1, rest[0]);
    case "$":
      if (rest[1] === "(") return closed(rest, 2, ")");
      return rest[1] === "{" ? closed(rest, 2, "}") : 0;
    default:
      return 0;
  }
}

/** The length up to a closing character, with what is quoted or substituted before it. */
function closed(text: string, from: number, close: string): number | undefined {
  for (let at = from; at < text.length;) {
    if (text[at] === "\n") return undefined;
    if (text[at] === close) return at + 1;
    if (close === ")" && text[at] === "(") {
      const inner = closed(text.slice(at), 1, ")");
      if (inner === undefined) return undefined;
      at += inner;
      continue;
    }
    const isQuote = text[at] === "'" && close === '"';
    const span = isQuote ? 0 : spanLength(text, at);
    if (span === undefined) return undefined;
    at += Math.max(1, span);
  }
  return undefined;
}
