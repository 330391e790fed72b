import type { Command } from "commander";
import type { CliIo } from "./io.js";
import type { EngineFlags } from "./program.js";

/** What the actions of commands work with. */
export interface CommandWorld {
  readonly io: CliIo;
  /** Takes the exit code. */
  readonly finish: (code: number) => void;
  /** What stands before the command. */
  readonly engine: () => EngineFlags;
}

/** Commands by name, in the order of the help; each is told to the command that it is given. */
export type CommandTable = Readonly<Record<string, (command: Command) => unknown>>;
