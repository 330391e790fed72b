import { commonPairs } from "./diff.js";
import { DockerfileError } from "../errors.js";
import { parseInstruction } from "./parse.js";
import {
  commandLines,
  heredocProgram,
  heredocText,
  isBareHeredoc,
  joinedShellText,
  QuoteState,
  shellText,
  unixLines,
  type CommandLine,
} from "./shell-text.js";
import type { Instruction } from "./syntax.js";

/**
 * The text of a RUN that runs `command`, a shell command as it was typed at the prompt that `shellText` filled. Keyword
 * and flags stay as written. Of a command over several lines, the lines that did not change keep layout and comments;
 * a heredoc stays one; exec form stays one where plain words were typed. A command of several lines that are no
 * continuations becomes a heredoc. Lines end with line feeds: replaceInstruction gives them the file's. `shell` is the
 * one that shellText was called with, `escape` the file's escape character.
 */
export function fixRun(
  instruction: Instruction,
  command: string,
  options: { readonly shell?: readonly string[]; readonly escape?: "\\" | "`" } = {},
): string {
  const { shell = ["sh"], escape = "\\" } = options;
  const typed = unixLines(command).replace(/\s+$/, "");
  const source = unixLines(instruction.source);
  if (typed === shellText(instruction, shell) || typed === joinedShellText(instruction)) return source;
  const head = headOf(instruction);
  if (instruction.json !== undefined) {
    const words = plainWords(typed);
    if (words !== undefined) return `${head}[${words.map((word) => JSON.stringify(word)).join(", ")}]`;
  }
  if (isBareHeredoc(instruction)) return head + fixHeredoc(instruction, typed, shell);
  const lines = instruction.json === undefined ? commandLines(instruction) : [];
  for (const layout of [alignLines, alignTokens]) {
    const text = lines.length > 1 && instruction.heredocs.length === 0 ? layout(lines, typed, escape) : undefined;
    if (text !== undefined && runs(head + text, typed, escape)) return head + text;
  }
  const plain = withEscape(typed, escape);
  return runs(head + plain, typed, escape) ? head + plain : `${head}${newHeredoc(typed)}`;
}

/**
 * A whole RUN that was given on one line, in the layout of the instruction whose place it takes, where that has the same flags;
 * anything else as it stands.
 */
export function withLayout(instruction: Instruction, text: string, escape: "\\" | "`"): string {
  if (instruction.keyword !== "RUN" || text.trim().includes("\n")) return text;
  try {
    const given = parseInstruction(text, { file: "Dockerfile" });
    const command = given.keyword === "RUN" && given.json === undefined ? joinedShellText(given) : undefined;
    const flags = ({ flags: all }: Instruction): string =>
      all.map(({ name, value }) => `${name}=${value ?? ""}`).join(" ");
    if (command === undefined || flags(given) !== flags(instruction)) return text;
    return fixRun(instruction, command, { escape });
  } catch (error) {
    // It is refused, with its place, where it is planned.
    if (error instanceof DockerfileError) return text;
    throw error;
  }
}

/** Keyword and flags with the white space behind them, as written. */
function headOf(instruction: Instruction): string {
  const [first] = instruction.args;
  if (first === undefined) return `${unixLines(instruction.source).trimEnd()} `;
  const start = instruction.json === undefined ? first.range.start.offset : undefined;
  const end =
    start ?? instruction.range.start.offset + instruction.source.lastIndexOf("[", offsetOf(instruction, first));
  return unixLines(instruction.source.slice(0, end - instruction.range.start.offset));
}

function offsetOf(instruction: Instruction, word: Instruction["args"][number]): number {
  return word.range.start.offset - instruction.range.start.offset;
}

/** The words of a command that needs no shell; undefined where it does. */
function plainWords(command: string): string[] | undefined {
  const words = command.match(/(?:[\w@%+=:,./-]|'[^']*'|\\'|"[^"$`\\]*")+|\s+|[^]/g) ?? [];
  const result: string[] = [];
  for (const word of words) {
    if (/^\s+$/.test(word)) continue;
    if (!/^(?:[\w@%+=:,./-]|'[^']*'|\\'|"[^"$`\\]*")+$/.test(word)) return undefined;
    const isAssignment = result.length === 0 && /^\w+=/.test(word);
    if (isAssignment) return undefined;
    result.push(
      word.replace(/'([^']*)'|\\(')|"([^"]*)"/g, (_, single?: string, quote?: string, double?: string) => {
        return single ?? quote ?? double ?? "";
      }),
    );
  }
  return result.length === 0 ? undefined : result;
}

function withEscape(text: string, escape: string): string {
  return escape === "\\" ? text : text.replace(/\\[ \t]*$/gm, escape);
}

/** The command as one line: what continuations mean to a shell. */
function joined(command: string): string {
  return command.replace(/\\[ \t]*\n/g, "");
}

/** The instruction holds exactly the command that was typed, layout apart. */
function runs(text: string, command: string, escape: "\\" | "`"): boolean {
  try {
    const instruction = parseInstruction(escape === "`" ? `# escape=\`\n${text}` : text, { file: "Dockerfile" });
    const words = (value: string): string => value.replace(/[ \t]+/g, " ").trim();
    return words(joined(shellText(instruction))) === words(joined(command));
  } catch (error) {
    if (error instanceof DockerfileError) return false;
    throw error;
  }
}

function fixHeredoc(instruction: Instruction, typed: string, shell: readonly string[]): string {
  const operator = instruction.args[0]?.text ?? "<<EOF";
  const name = instruction.heredocs[0]?.name ?? "EOF";
  const [firstLine, ...rest] = typed.split("\n");
  const isWrapped = firstLine?.trim() === heredocProgram(instruction, shell) && rest.at(-1)?.trim() === name;
  const body = isWrapped ? rest.slice(0, -1) : [firstLine ?? "", ...rest];
  const written = heredocText(instruction).split("\n");
  const lastLine = written.at(-1) ?? name;
  // What was typed without the heredoc around it has lost the tabs that <<- takes away.
  const tabs = !isWrapped && instruction.heredocs[0]?.chomp === true ? (/^\t*/.exec(written[0] ?? "")?.[0] ?? "") : "";
  if (body.some((line) => line.trim() === name)) return newHeredoc(body.join("\n"));
  return [operator, ...body.map((line) => (line === "" ? line : tabs + line)), lastLine].join("\n");
}

/** A heredoc whose last line stands nowhere in its body. */
function newHeredoc(body: string): string {
  const lines = new Set(body.split("\n"));
  let name = "EOF";
  for (let number = 2; lines.has(name); number++) name = `EOF${String(number)}`;
  return `<<${name}\n${body}\n${name}`;
}

/** Keeps the written lines among those of a command that was typed over several lines. */
function alignLines(written: readonly CommandLine[], typed: string, escape: string): string | undefined {
  if (!typed.includes("\n")) return undefined;
  const lines = typed.split("\n").map((line) => line.replace(/[ \t]*\\?[ \t]*$/, ""));
  const pairs = commonPairs(
    written.map(({ content }) => content.trim()),
    lines.map((line) => line.trim()),
  );
  const from = new Map(pairs.map(([left, right]) => [right, written[left]]));
  const kept = new Set(pairs.map(([left]) => left));
  const indentation =
    written.findLast(({ content }) => /^[ \t]/.test(content))?.content.match(/^[ \t]+/)?.[0] ?? "    ";
  let next = 0;
  const result = lines.map((line, index): CommandLine => {
    const known = from.get(index);
    if (known !== undefined) {
      next = written.indexOf(known) + 1;
      return known;
    }
    // A line that stands where another was takes that one's comments.
    const above = kept.has(next) ? "" : (written[next++]?.above ?? "");
    const content = index === 0 || /^[ \t]/.test(line) ? line : indentation + line;
    return { content, continuation: "", above };
  });
  return layOut(result, written, escape);
}

/**
 * Puts a command that was typed on one line back on the lines it was written on: words that are still there stay on
 * their lines, new ones go with the words they replace or follow.
 */
function alignTokens(written: readonly CommandLine[], typed: string, escape: string): string | undefined {
  if (typed.includes("\n")) return undefined;
  const blocks = blocksOf(written);
  const old = blocks.flatMap(({ content }, block) => tokens(content).map(({ text }) => ({ text, block })));
  const fresh = tokens(typed);
  const pairs = commonPairs(
    old.map(({ text }) => text),
    fresh.map(({ text }) => text),
  );
  const blockOf: number[] = [];
  let left = 0;
  let previous = 0;
  for (const [nextLeft, nextRight] of [...pairs, [old.length, fresh.length] as const]) {
    for (; blockOf.length < nextRight;) {
      const replaced = left < nextLeft ? old[left++] : undefined;
      previous = replaced?.block ?? previous;
      blockOf.push(previous);
    }
    left = nextLeft + 1;
    previous = old[nextLeft]?.block ?? previous;
    if (nextRight < fresh.length) blockOf.push(previous);
  }
  const result: CommandLine[] = [];
  let comments = "";
  blocks.forEach((block, index) => {
    const first = blockOf.indexOf(index);
    const last = blockOf.lastIndexOf(index);
    comments += block.above;
    if (first === -1) return;
    const content = typed.slice(fresh[first]?.start, fresh[last]?.end);
    const isSame =
      tokens(block.content)
        .map(({ text }) => text)
        .join("\n") ===
      tokens(content)
        .map(({ text }) => text)
        .join("\n");
    const indentation = result.length === 0 ? "" : (/^[ \t]*/.exec(block.content)?.[0] ?? "");
    result.push(
      isSame ? { ...block, above: comments } : { content: indentation + content, continuation: "", above: comments },
    );
    comments = "";
  });
  return layOut(result, written, escape);
}

/** Written lines, those that a quote joins taken together: what stands between them is part of a word. */
function blocksOf(written: readonly CommandLine[]): CommandLine[] {
  const blocks: CommandLine[] = [];
  const quotes = new QuoteState();
  let isOpen = false;
  for (const line of written) {
    const last = blocks.at(-1);
    const ending = last === undefined ? " " : last.content + last.continuation.replace(/[\\`].*$/, "");
    const isSplit = /[ \t]$/.test(ending) || /^[ \t]/.test(line.content);
    if (last !== undefined && (isOpen || !isSplit)) {
      blocks[blocks.length - 1] = {
        content: `${last.content}${last.continuation}\n${line.above}${line.content}`,
        continuation: line.continuation,
        above: last.above,
      };
    } else blocks.push(line);
    quotes.read(line.content);
    isOpen = quotes.isOpen;
  }
  return blocks;
}

interface Token {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Words at blanks that are not quoted. */
function tokens(command: string): Token[] {
  const result: Token[] = [];
  const quotes = new QuoteState();
  let start = -1;
  for (let at = 0; at <= command.length; at++) {
    const character = command[at];
    const isBreak = character === undefined || (!quotes.isOpen && /\s/.test(character));
    if (isBreak) {
      if (start !== -1) result.push({ text: command.slice(start, at), start, end: at });
      start = -1;
      continue;
    }
    if (start === -1) start = at;
    const isEscape = character === "\\" && at + 1 < command.length;
    quotes.read(isEscape ? command.slice(at, at + 2) : character);
    if (isEscape) at++;
  }
  return result;
}

/** Writes lines with a continuation on each but the last, in the style that the written ones have. */
function layOut(lines: readonly CommandLine[], written: readonly CommandLine[], escape: string): string {
  const style = written.find(({ continuation }) => continuation !== "")?.continuation.trimEnd() ?? ` ${escape}`;
  return lines
    .map((line, index) => {
      const above = index === 0 ? "" : unixLines(line.above);
      if (index === lines.length - 1) return above + line.content;
      return `${above}${line.content}${line.continuation === "" ? style : line.continuation}\n`;
    })
    .join("");
}
