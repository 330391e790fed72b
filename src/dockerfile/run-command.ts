import { heredocStart } from "./heredoc.js";
import type { Heredoc, Instruction } from "./syntax.js";

/** A heredoc's body as written, its tabs kept. */
export function rawBody(instruction: Instruction, heredoc: Heredoc): string {
  const start = instruction.range.start.offset;
  return instruction.source.slice(heredoc.range.start.offset - start, heredoc.range.end.offset - start);
}

/** What a RUN starts, as BuildKit starts it. */
export interface RunCommand {
  readonly argv: readonly string[];
  /** A heredoc that begins with `#!` is no text for the shell but a program: it is mounted read-only at this path. */
  readonly script: { readonly path: string; readonly content: string } | undefined;
}

/** The command line of a RUN under the SHELL that holds for it. Variables are left to the shell. */
export function runCommand(instruction: Instruction, shell: readonly string[]): RunCommand {
  if (instruction.json !== undefined) return { argv: instruction.json, script: undefined };
  const text = instruction.args[0]?.text ?? "";
  const [first] = instruction.heredocs;
  const inShell = (command: string): RunCommand => ({ argv: [...shell, command], script: undefined });
  if (first === undefined) return inShell(text);
  // The command is nothing but one heredoc: its body is the command.
  if (heredocStart(text) !== undefined) {
    if (!first.content.startsWith("#!")) return inShell(first.content);
    const path = `/dev/pipes/${first.name}`;
    return { argv: [path], script: { path, content: first.content } };
  }
  const bodies = instruction.heredocs.map((heredoc) => `\n${rawBody(instruction, heredoc)}${heredoc.name}`);
  return inShell(text + bodies.join(""));
}

/** The script that a RUN gives to its shell; undefined where it is exec form, or another program's. */
export function scriptOf(instruction: Instruction): string | undefined {
  if (instruction.json !== undefined) return undefined;
  const { argv, script } = runCommand(instruction, []);
  return script ? undefined : argv.at(-1);
}
