import {
  joinedShellText,
  needsBraces,
  onOneLine,
  shellText,
  simpleCommands,
  withoutStrictText,
} from "../dockerfile/edit.js";
import type { Instruction } from "../dockerfile/syntax.js";
import type { ShellCommand } from "./commands/io.js";
import { onlyLooks, withoutLooks } from "./shell-looks.js";

/** What could become of a failed RUN by what worked in its shell. */
export type ShellFix =
  /** The instruction itself worked: it may be run again as it stands. */
  | { readonly kind: "same" }
  /** This command takes the instruction's place; what had to be done before it is in it. */
  | ({ readonly kind: "replace"; readonly command: string } & Unproven)
  /** It is another program's command: it may have prepared the instruction, or stand for it. */
  | ({ readonly kind: "either"; readonly before: string; readonly instead: string } & Unproven);

interface Unproven {
  /** Of the line that was typed only the exit code of a command that looks is known, which is left out. */
  readonly isUnproven?: true;
}

/** Commands that change only the shell: part of a fix for what they do to those behind them. */
const shellOnly = /^(?:(?:cd|export|set|unset|umask|shopt|source|\.)\s|\w+=\S*$)/;
/** Programs that run the one that is named behind them. */
const wrappers = new Set(["sudo", "env", "exec", "time", "nice", "nohup", "command"]);

/**
 * What to offer after a shell at a failed RUN: the last command that worked there, with the ones that worked before it and
 * may have made that possible. `shell` is the step's SHELL, by which its instruction was typed. Undefined where nothing worked that could stand in a Dockerfile.
 */
export function shellFix(
  instruction: Instruction,
  commands: readonly ShellCommand[],
  shell: readonly string[],
): ShellFix | undefined {
  const whole = shellText(instruction, shell).trim();
  const original = joinedShellText(instruction) ?? whole;
  const isOriginal = (text: string): boolean => text === original.trim() || text === whole;
  const worked = commands
    .filter(({ exitCode }) => exitCode === 0)
    .map(({ text }) => withoutStrictText(text))
    .map((text) => (isOriginal(text) ? { text, lacksCode: false } : withoutLooks(text, original)));
  const lastAt = worked.findLastIndex(({ text }) => isOriginal(text) || isChange(text));
  const { text: last, lacksCode } = worked[lastAt] ?? {};
  if (last === undefined) return undefined;
  const unproven = lacksCode ? ({ isUnproven: true } as const) : {};
  const earlier = worked.slice(0, lastAt).map(({ text }) => text);
  const prepared = preparation(earlier, last).filter((text) => !isOriginal(text));
  if (isOriginal(last)) {
    const command = chain([...prepared, original]);
    if (prepared.length > 0 && command !== undefined) return { kind: "replace", command, ...unproven };
    return lacksCode ? undefined : { kind: "same" };
  }
  const instead = chain([...prepared, last]) ?? last;
  const before = chain([...prepared, last, original]);
  return before === undefined || sharesProgram(last, original)
    ? { kind: "replace", command: instead, ...unproven }
    : { kind: "either", before, instead, ...unproven };
}

/** It changed files, and needs nothing that only this shell has. */
function isChange(text: string): boolean {
  return !text.includes("/.dfdebug") && commandsOf(text).some((one) => !onlyLooks(one) && !shellOnly.test(one));
}

/** It changed the shell alone. */
function isShellOnly(text: string): boolean {
  const commands = commandsOf(text);
  return commands.some((one) => shellOnly.test(one)) && commands.every((one) => shellOnly.test(one) || onlyLooks(one));
}

/** What a text runs; all of it as one where it cannot be taken apart. */
function commandsOf(text: string): string[] {
  const commands = simpleCommands(text)?.map((one) => one.text) ?? [text];
  return commands.filter((one) => one !== "");
}

/** The changes before a command, each once, with the cd and export in front of them; earlier tries of it left out. */
function preparation(earlier: readonly string[], last: string): string[] {
  const kept: string[] = [];
  let pending: string[] = [];
  for (const text of earlier) {
    if (isShellOnly(text)) pending.push(text);
    else if (
      isChange(text) &&
      onOneLine(text) !== undefined &&
      subcommand(text) !== subcommand(last) &&
      !kept.includes(text)
    ) {
      kept.push(...pending, text);
      pending = [];
    }
  }
  return [...kept, ...pending];
}

/** The commands as one; undefined where they cannot be joined with `&&`. */
function chain(commands: readonly string[]): string | undefined {
  const [only] = commands;
  // Continuations stay: they may be the instruction's own layout.
  if (only !== undefined && commands.length === 1) return /[^\\]\n/.test(only) ? (onOneLine(only) ?? only) : only;
  const parts = commands.map((text, index) => {
    const line = onOneLine(text);
    // The last one may be of several lines: nothing follows it.
    if (line === undefined) return index === commands.length - 1 ? text : undefined;
    return needsBraces(line) ? `{ ${line}; }` : line;
  });
  return parts.includes(undefined) ? undefined : parts.join(" && ");
}

/** The programs of a command, each with its first word that is no option. */
function programs(text: string): { readonly name: string; readonly argument: string }[] {
  return commandsOf(text).flatMap((piece) => {
    const words = piece.trim().split(/\s+/);
    const at = words.findIndex((word) => word !== "" && !/^\w+=/.test(word) && !wrappers.has(word));
    const name = words[at]?.replace(/^.*\//, "");
    if (name === undefined) return [];
    return [{ name, argument: words.slice(at + 1).find((word) => !word.startsWith("-")) ?? "" }];
  });
}

function subcommand(text: string): string {
  const last = programs(text).at(-1);
  return `${last?.name ?? ""} ${last?.argument ?? ""}`;
}

function sharesProgram(left: string, right: string): boolean {
  const names = new Set(programs(right).map(({ name }) => name));
  return programs(left).some(({ name }) => names.has(name));
}
