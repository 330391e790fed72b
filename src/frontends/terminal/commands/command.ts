import type { DebugSession } from "../../../debugger/session.js";
import type { StoppedState } from "../../../debugger/state.js";
import type { Console } from "../console.js";

/** What a command does to the prompt that ran it. */
export type CommandEnd = "stay" | "leave";

/** What commands work with. */
export interface CommandContext {
  readonly session: DebugSession;
  readonly stopped: StoppedState;
  readonly console: Console;
  readonly signal: AbortSignal | undefined;
}

/** One debugger command: the same table makes the prompt, its help and docs/commands.md. */
export interface DebuggerCommand {
  readonly name: string;
  readonly aliases: readonly string[];
  /** `ls [PATH]`. */
  readonly usage: string;
  readonly summary: string;
  /** More, in whole sentences. */
  readonly help: string;
  /** Arguments that are paths in the step's state are completed. */
  readonly completesPaths?: boolean;
  run(context: CommandContext, args: readonly string[], rest: string): Promise<CommandEnd>;
}
