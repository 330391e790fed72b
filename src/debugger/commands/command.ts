import type { DebugSession } from "../session.js";
import type { StoppedState } from "../state.js";
import type { CommandIo } from "./io.js";

/** What commands work with. */
export interface CommandContext {
  readonly session: DebugSession;
  /** Where the session stands when the command begins. */
  readonly stopped: StoppedState;
  readonly io: CommandIo;
  readonly signal: AbortSignal | undefined;
}

/** What a word of a command's arguments can be, for completion. */
export type Completes = "path" | "spec" | "condition" | "variable" | "assignment" | "breakpoint" | "command";

/** One debugger command: the same table makes the prompt, its help, scripts and docs/commands.md. */
export interface DebuggerCommand {
  readonly name: string;
  readonly aliases: readonly string[];
  /** `ls [PATH]`. */
  readonly usage: string;
  readonly summary: string;
  /** More, in whole sentences. */
  readonly help: string;
  /** An empty line runs it again, as in gdb. */
  readonly repeats?: boolean;
  readonly completes?: readonly Completes[];
  /** What follows its name is a text of its own, in which a shell's operators may stand. */
  readonly takesText?: true;
  /** For completion. */
  readonly options?: readonly string[];
  /** `args` are the words of the line, `rest` is the line behind the command's name. Rejects with DfdebugError. */
  run(context: CommandContext, args: readonly string[], rest: string): Promise<void>;
}
