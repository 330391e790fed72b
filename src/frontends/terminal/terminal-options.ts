import type { Watch } from "../../debugger/commands/loop.js";
import type { Script } from "../../debugger/commands/script.js";
import type { KeySignal } from "./held-keyboard.js";
import type { Environment } from "./style.js";

/** What the terminal front end is started with. */
export interface TerminalOptions {
  readonly onFailure: "shell" | "prompt" | "report";
  readonly progress: "tty" | "plain" | "quiet";
  /** Touched only where it is used, as is `stdout`: opening them takes its time. */
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Somebody sits there: input and messages are a terminal. */
  readonly isTerminal: boolean;
  readonly env: Environment;
  readonly signal: AbortSignal | undefined;
  /** Stop before the first step. */
  readonly entry: boolean;
  /** Debugger commands that are run before anybody is asked; undefined: none. */
  readonly script: Script | undefined;
  /** Diagnostics to run at each stop. */
  readonly execCommands: readonly string[];
  /** `--watch`: waits for a change of what is built. */
  readonly watch: Watch | undefined;
  /** `stdin` once more: it is destroyed where the job is stopped with Ctrl-Z. */
  readonly reopenStdin?: (() => NodeJS.ReadStream) | undefined;
  /** Told how the terminal is lent to another program that asks there for as long as some work takes. */
  readonly lendTerminal?: ((lend: <Value>(work: () => Promise<Value>) => Promise<Value>) => void) | undefined;
  /** Sends the whole job a signal whose key was pressed while the keyboard is held. */
  readonly raise: (name: KeySignal) => void;
  /** Takes Ctrl-C over until the returned function is called. */
  readonly onInterrupt: (handler: () => void) => () => void;
}
