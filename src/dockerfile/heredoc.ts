import { expand, ExpansionError, noVariables } from "./expand.js";

/** A heredoc's operator and word, before its body is read. */
export interface HeredocStart {
  readonly name: string;
  readonly expand: boolean;
  readonly chomp: boolean;
  readonly fd: number;
}

// BuildKit lexes heredoc words with the backslash whatever `# escape` says.
const escape = "\\";

function quotes(text: string): number {
  let count = 0;
  for (const character of text) if (character === "'" || character === '"') count++;
  return count;
}

/** Reads one shell word as a heredoc start (`<<EOF`, `3<<-"EOF"`), or undefined where it is none. Throws ExpansionError. */
export function heredocStart(word: string): HeredocStart | undefined {
  let at = 0;
  while (word.charCodeAt(at) >= 48 && word.charCodeAt(at) <= 57) at++;
  if (!word.startsWith("<<", at)) return undefined;
  const fd = at === 0 ? 0 : Number(word.slice(0, at));
  at += 2;
  const chomp = word[at] === "-";
  if (chomp) at++;
  while (at < word.length && "\t\n\f\r ".includes(word[at] ?? "")) at++;
  const rest = word.slice(at);
  if (rest === "" || rest.includes("<")) return undefined;
  const plain = expand(rest, noVariables, { escape, keepUnset: true }).words;
  const [name] = plain;
  if (plain.length !== 1 || name === undefined) return undefined;
  const raw = expand(rest, noVariables, { escape, keepUnset: true, rawQuotes: true }).words[0] ?? "";
  return { name, expand: quotes(name) === quotes(raw), chomp, fd };
}

/** The heredocs that a joined instruction opens, in the order of their bodies. A line that cannot be lexed opens none. Throws ExpansionError. */
export function heredocStarts(line: string): HeredocStart[] {
  if (!line.includes("<<")) return [];
  let words: readonly string[];
  try {
    words = expand(line, noVariables, { escape, keepUnset: true, rawQuotes: true, rawEscapes: true }).words;
  } catch (error) {
    if (error instanceof ExpansionError) return [];
    throw error;
  }
  return words.map(heredocStart).filter((start) => start !== undefined);
}

/** Takes the tabs at the beginning of every line away, as `<<-` asks for. */
export function chompTabs(text: string): string {
  return text.replace(/^\t+/gm, "");
}
