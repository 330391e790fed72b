import { UsageError, type DfdebugError } from "../../errors.js";
import type { CommandLine } from "./loop.js";

export interface ScriptOptions {
  /** What people call it: the file's name. */
  readonly name: string;
  /**
   * A command that fails ends the script, for those behind it were written for what it should have done. Not where somebody
   * may sit behind standard input, who sees the error and knows what to do.
   */
  readonly strict: boolean;
}

/** Debugger commands that nobody types, line by line. Questions are answered by its lines, too. */
export class Script {
  readonly name: string;
  private readonly strict: boolean;
  private readonly lines: AsyncIterator<string>;
  private number = 0;

  constructor(lines: AsyncIterator<string>, options: ScriptOptions) {
    this.lines = lines;
    this.name = options.name;
    this.strict = options.strict;
  }

  /** Whether anything was read of it. */
  get isUsed(): boolean {
    return this.number > 0;
  }

  /** The next line, as it stands; undefined behind the last. Rejects with UsageError where it cannot be read. */
  async line(): Promise<string | undefined> {
    this.number += 1;
    const next = await this.lines.next();
    return next.done ? undefined : next.value;
  }

  /** The next command, without empty lines, comments, and the `-` in front of one that may fail; the end when `signal` aborts. */
  async command(signal?: AbortSignal): Promise<CommandLine> {
    let giveUp = (): void => undefined;
    const aborted = new Promise<undefined>((resolve) => (giveUp = () => resolve(undefined)));
    signal?.addEventListener("abort", giveUp);
    if (signal?.aborted) giveUp();
    try {
      for (;;) {
        const line = await Promise.race([this.line(), aborted]);
        if (line === undefined) return { kind: "end" };
        const written = line.trim();
        if (written === "" || written.startsWith("#")) continue;
        const mayFail = !this.strict || written.startsWith("-");
        return { kind: "line", text: written.replace(/^-\s*/, ""), mayFail };
      }
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
  }

  /** What ended the script, and how much of it was not run. Reads it to its end. */
  async failure(command: string, error: DfdebugError): Promise<UsageError> {
    const line = this.number;
    let left = 0;
    while ((await this.command()).kind === "line") left += 1;
    const skipped =
      left === 0
        ? "It was the last command."
        : left === 1
          ? "The command behind it was not run."
          : `The ${String(left)} commands behind it were not run.`;
    return new UsageError(`${this.name}, line ${String(line)}: ${command}: ${error.message}`, {
      code: "SCRIPT_FAILED",
      hint: `${skipped} A line with - in front may fail.`,
      cause: error,
    });
  }
}
