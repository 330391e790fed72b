import type { Command } from "commander";
import { refuseShellOperators } from "../../debugger/commands/shell-operator.js";
import { words } from "../../debugger/commands/table.js";
import { nearest } from "../../dockerfile/suggest.js";
import { CancelledError, SessionStateError, UsageError } from "../../errors.js";
import { Console } from "../../frontends/terminal/console.js";
import type { RawTerminal } from "../../frontends/terminal/raw-terminal.js";
import type { CliIo } from "../io.js";
import { createProgram, runCli, type EngineFlags } from "../program.js";

/** What to do when the prompt is left: back to the shell, the escape key for the shell itself, or the end of the session. */
export type PromptAnswer = "shell" | "key" | "quit";

export interface DebugPromptOptions {
  /** The session's container, as its commands are given it. */
  readonly container: string;
  readonly terminal: RawTerminal;
  readonly engineFlags: EngineFlags;
  readonly io: CliIo;
  /** Aborts when the session's processes are gone: the prompt is left then. */
  readonly ended: AbortSignal;
}

/** Commands of the prompt itself. */
const own: Readonly<Record<string, string>> = {
  shell: "back to the shell, which kept running",
  key: "back to the shell, with a Ctrl-] for the program that runs there",
  help: "this list; COMMAND --help tells of a command's options",
  quit: "end the session",
};

/**
 * The `(dfdebug)` prompt inside a `debug` session: the command line's own commands, on the session's container, which need
 * not be named. Ctrl-C ends the command that runs, and nothing else.
 */
export class DebugPrompt {
  private readonly options: DebugPromptOptions;
  private readonly console: Console;
  private readonly history: string[] = [];
  /** The command line's commands that take a container first. */
  private readonly commands: ReadonlyMap<string, Command>;

  constructor(options: DebugPromptOptions) {
    this.options = options;
    const { io, terminal } = options;
    this.console = new Console({
      output: io.stdout,
      env: io.env,
      terminal,
      beforeOutput: () => undefined,
    });
    const program = createProgram(io, () => undefined);
    this.commands = new Map(program.commands.filter(takesContainer).map((command) => [command.name(), command]));
  }

  /** Reads and runs commands until one leaves the prompt. */
  async open(): Promise<PromptAnswer> {
    const { ended } = this.options;
    for (;;) {
      if (ended.aborted) return "shell";
      const line = await this.console.command("(dfdebug) ", {
        history: this.history,
        complete: async (text) => this.complete(text),
        signal: ended,
      });
      if (line.kind === "end") return "quit";
      if (line.kind === "leave") return "shell";
      if (line.kind === "interrupt" || line.text.trim() === "") continue;
      if (this.history[0] !== line.text) this.history.unshift(line.text);
      try {
        refuseShellOperators(
          line.text,
          `Inside: exec sh -c 'ps | head'. In your own shell: dfdebug inspect ${this.options.container} | head.`,
        );
        const answer = await this.run(words(line.text));
        if (answer) return answer;
      } catch (error) {
        if (!(error instanceof CancelledError)) await this.console.error(error as Error);
      }
    }
  }

  private async run([name = "", ...rest]: readonly string[]): Promise<PromptAnswer | undefined> {
    switch (name) {
      case "shell":
      case "key":
        return name;
      case "quit":
      case "q":
      case "exit":
        return "quit";
      case "help":
      case "h":
        await this.help();
        return undefined;
    }
    const command = this.commands.get(name);
    if (!command) {
      const near = nearest(name, [...Object.keys(own), ...this.commands.keys()]);
      throw new SessionStateError(`There is no command ${name}`, {
        code: "UNKNOWN_COMMAND",
        hint: `${near === undefined ? "" : `Did you mean ${near}? `}help lists them.`,
      });
    }
    await this.runCommand(name, rest);
    return undefined;
  }

  /** By the command line's own parser, in this process. */
  private async runCommand(name: string, rest: readonly string[]): Promise<void> {
    const { container, engineFlags, io } = this.options;
    const { host, context } = engineFlags;
    const engine = [...(host === undefined ? [] : ["-H", host]), ...(context === undefined ? [] : ["-c", context])];
    const paths = rest.some((word) => word.startsWith(":"));
    // cp's arguments name the container themselves: `cp :/etc/hosts .`
    const args = paths
      ? rest.map((word) => (word.startsWith(":") ? `${container}${word}` : word))
      : [container, ...rest];
    const controller = new AbortController();
    let abandon: () => void = () => undefined;
    const abandoned = new Promise<void>((resolve) => (abandon = resolve));
    const release = io.takeSignals(["INT"], () => {
      if (controller.signal.aborted) abandon();
      else controller.abort(new CancelledError());
    });
    try {
      const running = runCli([...engine, name, ...args], { ...io, signal: controller.signal });
      running.catch(() => undefined);
      await Promise.race([running, abandoned]);
    } catch (error) {
      if (error instanceof UsageError && error.code === "USAGE")
        throw new SessionStateError(error.message, { hint: `${name} --help tells of its options.`, cause: error });
      throw error;
    } finally {
      release();
    }
  }

  private async help(): Promise<void> {
    const rows = [
      ...[...this.commands].map(([name, command]) => [name, command.summary() || command.description()] as const),
      ...Object.entries(own),
    ];
    const width = Math.max(...rows.map(([name]) => name.length));
    await this.console.print(
      `On ${this.options.container}, with the options of the command line:`,
      ...rows.map(([name, what]) => `  ${name.padEnd(width)}  ${what}`),
    );
  }

  private complete(text: string): [string[], string] {
    const parts = text.trimStart().split(/\s+/);
    const last = parts.at(-1) ?? "";
    const known =
      parts.length <= 1
        ? [...this.commands.keys(), ...Object.keys(own)].map((name) => `${name} `)
        : (this.commands.get(parts[0] ?? "")?.options ?? []).flatMap(({ long }) => (long ? [`${long} `] : []));
    return [known.filter((name) => name.startsWith(last)), last];
  }
}

function takesContainer(command: Command): boolean {
  if (command.name() === "debug") return false;
  if (command.name() === "cp") return true;
  return /^(container|target)s?$/i.test(command.registeredArguments[0]?.name() ?? "");
}
