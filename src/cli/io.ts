import type { KeySignal } from "../frontends/terminal/held-keyboard.js";
/** Signals without SIG, as docker and kill name them. */
export type SignalName = "INT" | "TERM" | "HUP" | "QUIT" | "USR1" | "USR2";

/** The world around a command; tests give their own. */
export interface CliIo {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Aborts with CancelledError when the user interrupts. */
  readonly signal: AbortSignal;
  /** Until the returned function is called, these signals go to `listener` and interrupt nothing. */
  readonly takeSignals: (names: readonly SignalName[], listener: (name: SignalName) => void) => () => void;
  /** Sends a signal to all that run in the terminal with this process, as a terminal that is not raw does at Ctrl-C. */
  readonly raise: (name: KeySignal) => void;
}
