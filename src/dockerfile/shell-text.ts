import { shellQuote } from "./shell-quote.js";
import { heredocStart } from "./heredoc.js";
import type { Instruction } from "./syntax.js";
import { skipSpaces } from "./text.js";

/** Follows the quotes of a shell command. */
export class QuoteState {
  private quote = "";

  get isOpen(): boolean {
    return this.quote !== "";
  }

  /** Takes the next piece of the command. */
  read(text: string): void {
    for (let at = 0; at < text.length; at++) {
      const character = text[at] ?? "";
      if (character === "\\" && this.quote !== "'") at++;
      else if (character === this.quote) this.quote = "";
      else if (this.quote === "" && (character === "'" || character === '"')) this.quote = character;
    }
  }
}

/** A physical line of a RUN's command. */
export interface CommandLine {
  /** As written, without line ending, continuation and the blanks before that. */
  readonly content: string;
  /** Blanks before the continuation, the continuation itself, and blanks behind it; "" on the last line. */
  readonly continuation: string;
  /** Comment lines and empty lines above it, each with its line ending, as written. */
  readonly above: string;
}

/** The command of a RUN in shell form by its physical lines, without heredoc bodies. */
export function commandLines(instruction: Instruction): CommandLine[] {
  const [command] = instruction.args;
  if (command === undefined) return [];
  const { start, end } = command.range;
  const offset = instruction.range.start.offset;
  const text = instruction.source.slice(start.offset - offset, end.offset - offset);
  const lines: CommandLine[] = [];
  let above = "";
  for (const line of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    const trimmed = skipSpaces(line, 0);
    const isFirst = lines.length === 0 && above === "";
    if (!isFirst && (trimmed === line.length || line[trimmed] === "#")) {
      above += line;
      continue;
    }
    const isLast = !line.endsWith("\n");
    const continuation = isLast ? "" : (/[ \t]*[\\`][ \t]*\r*\n$/.exec(line)?.[0] ?? "");
    lines.push({
      content: line.slice(0, line.length - continuation.length),
      continuation: continuation.replace(/\r*\n$/, ""),
      above,
    });
    above = "";
  }
  return lines;
}

/** The bodies of a RUN's heredocs with their last lines, as written, with line feeds. */
export function heredocText(instruction: Instruction): string {
  const [first] = instruction.heredocs;
  if (first === undefined) return "";
  return unixLines(instruction.source.slice(first.range.start.offset - instruction.range.start.offset));
}

export function unixLines(text: string): string {
  return text.replace(/\r+\n/g, "\n").replace(/\r+$/, "");
}

/** The command is nothing but one heredoc. */
export function isBareHeredoc(instruction: Instruction): boolean {
  const text = instruction.args[0]?.text;
  return instruction.heredocs.length > 0 && text !== undefined && heredocStart(text) !== undefined;
}

/** SHELL as it runs a script: its options without `-c`, which takes a text. */
export function scriptShell(shell: readonly string[]): string[] {
  return shell
    .map((word) => (/^-[a-z]*c[a-z]*$/.test(word) ? word.replace("c", "") : word))
    .filter((word) => word !== "-");
}

/**
 * What a bare heredoc's body is given to at a prompt: its `#!` program, or the shell. There it must be quoted, for
 * BuildKit expands nothing in it.
 */
export function heredocProgram(instruction: Instruction, shell: readonly string[]): string {
  const [heredoc] = instruction.heredocs;
  const program = /^#!\s*([^\r\n]+)/.exec(heredoc?.content ?? "")?.[1]?.trim();
  const operator = heredoc?.chomp === true ? "<<-" : "<<";
  const ownShell = scriptShell(shell.length > 0 ? shell : ["sh"]);
  return `${program ?? ownShell.map(shellQuote).join(" ")} ${operator}'${heredoc?.name ?? "EOF"}'`;
}

/**
 * The command of a RUN as people type it at a prompt: without flags, continuations kept (as backslashes) and comment
 * lines left out, heredocs with their bodies. Exec form becomes quoted words; a heredoc alone is given to its `#!`
 * program or to `shell` with its options (default sh), for alone it does nothing at a prompt. Lines end with line feeds; no line feed
 * stands at the end.
 */
export function shellText(instruction: Instruction, shell: readonly string[] = ["sh"]): string {
  if (instruction.json !== undefined) return instruction.json.map(shellQuote).join(" ");
  if (isBareHeredoc(instruction)) return `${heredocProgram(instruction, shell)}\n${heredocText(instruction)}`;
  const command = commandLines(instruction)
    .map((line) => line.content + (line.continuation === "" ? "" : `${line.continuation.replace(/[\\`].*$/, "")}\\`))
    .join("\n");
  return instruction.heredocs.length === 0 ? command : `${command}\n${heredocText(instruction)}`;
}

/**
 * The same on one line, indentation behind continuations made one blank and a tab between words, too, for at a prompt a tab
 * asks for completion; undefined where that is not possible (heredocs, or an argument that holds a line feed).
 */
export function joinedShellText(instruction: Instruction): string | undefined {
  if (instruction.heredocs.length > 0) return undefined;
  if (instruction.json !== undefined) {
    const text = shellText(instruction);
    return text.includes("\n") ? undefined : text;
  }
  const quotes = new QuoteState();
  let text = "";
  for (const { content, continuation } of commandLines(instruction)) {
    const indented = /^[ \t]/.test(content);
    const isSplit = text !== "" && !quotes.isOpen && (indented || /[ \t]$/.test(text));
    const piece = isSplit ? content.trimStart() : content;
    if (isSplit) text = `${text.trimEnd()} `;
    text += withoutTabs(piece, quotes);
    const blanks = /^[ \t]*/.exec(continuation)?.[0] ?? "";
    text += blanks.replaceAll("\t", " ");
  }
  return text;
}

/** The next piece of a command, its tabs made blanks but for those that are quoted. */
function withoutTabs(piece: string, quotes: QuoteState): string {
  if (!piece.includes("\t")) {
    quotes.read(piece);
    return piece;
  }
  let text = "";
  for (const [part] of piece.matchAll(/\\[^]|[^]/g)) {
    text += part === "\t" && !quotes.isOpen ? " " : part;
    quotes.read(part);
  }
  return text;
}
