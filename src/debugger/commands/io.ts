import type { Instruction } from "../../dockerfile/syntax.js";
import type { StepContainer } from "../../engine/engine.js";
import { SessionStateError } from "../../errors.js";

/** How a piece of text is meant; a front end gives it a look, or none. */
export type Tone = "plain" | "bold" | "dim" | "good" | "bad" | "warn" | "output";

export interface Span {
  /** May hold anything, control characters of builds included: the front end makes it harmless. */
  readonly text: string;
  readonly tone: Tone;
}

/** One line of text, without its line feed. */
export type Line = string | readonly (string | Span)[];

export interface ShellCommand {
  readonly text: string;
  readonly exitCode: number;
}

/** What was done in an interactive shell. */
export interface ShellOutcome {
  /** The shell's own exit code. */
  readonly exitCode: number;
  /** In order; empty where the shell does not tell. */
  readonly commands: readonly ShellCommand[];
}

export interface InteractiveShellOptions {
  /** What the prompt begins with: `step 4`. */
  readonly label: string;
  /** Typed at the first prompt, not executed. */
  readonly typed: Instruction | undefined;
  readonly signal: AbortSignal | undefined;
}

/** The columns of a line where no terminal has a width. */
export const unboundedWidth = 200;

/** A shell that runs, of which nothing is seen yet. */
export interface StartedShell {
  /**
   * Gives it the terminal until it ends. Once. `isUnasked`: nothing that was typed before its first prompt is for it. Rejects
   * with EngineError when the engine is lost.
   */
  run(options?: { readonly isUnasked?: boolean | undefined }): Promise<ShellOutcome>;
}

/** What needs a person at a terminal. */
export interface InteractiveIo {
  /** Starts a shell, which ends with its container. Rejects with ContainerError when it cannot be started. */
  startShell(container: StepContainer, options: InteractiveShellOptions): Promise<StartedShell>;
  /** Runs a command with the terminal as its own; its exit code. */
  run(container: StepContainer, argv: readonly string[], signal: AbortSignal | undefined): Promise<number>;
  /** Lets the user's editor change a text, opened at a line; undefined where the editor failed. */
  edit(text: string, options: { readonly name: string; readonly line: number }): Promise<string | undefined>;
}

/** The world of debugger commands: a terminal, a script, or a program that reads JSON. */
export interface CommandIo {
  /** Columns that a line of the Dockerfile may take: the terminal's, else `unboundedWidth`. */
  readonly width: number;
  /** Undefined where nobody sits at a terminal. */
  readonly interactive: InteractiveIo | undefined;
  /** Resolves when the lines were taken; waits while the reader is slow. */
  print(...lines: readonly Line[]): Promise<void>;
  /** Shows an error; the session goes on. */
  error(error: Error): Promise<void>;
  /** A line of input; undefined where there is none. */
  question(prompt: string, options?: { readonly initial?: string }): Promise<string | undefined>;
  /** A yes-or-no question; the end of input is No. Undefined where the question was left without an answer (Ctrl-C). */
  confirm(question: string, preset: boolean): Promise<boolean | undefined>;
}

/** What a command that needs a person at a terminal works with. Throws SessionStateError where nobody sits at one. */
export function interactive(io: CommandIo, command: string): InteractiveIo {
  if (io.interactive) return io.interactive;
  throw new SessionStateError(`${command} needs a terminal`, {
    code: "NO_TERMINAL",
    hint: "exec COMMAND runs a command and prints its output.",
  });
}

/** A span of a tone. */
export function tone(name: Tone, text: string): Span {
  return { text, tone: name };
}
