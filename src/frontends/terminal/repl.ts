import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { DebugSession } from "../../debugger/session.js";
import type { StoppedState } from "../../debugger/state.js";
import { CancelledError, DfdebugError, SessionStateError } from "../../errors.js";
import { actCommands } from "./commands/act.js";
import type { CommandContext, CommandEnd, DebuggerCommand } from "./commands/command.js";
import { absolute, lookCommands } from "./commands/look.js";
import type { Console } from "./console.js";
import { renderError } from "./error-text.js";
import type { Environment } from "./style.js";

const helpCommand: DebuggerCommand = {
  name: "help",
  aliases: ["h", "?"],
  usage: "help [COMMAND]",
  summary: "list the commands, or explain one",
  help: "Without a command: all of them, a line each.",
  async run({ console }, args) {
    const [name] = args;
    if (name === undefined) {
      const width = Math.max(...debuggerCommands.map(({ usage }) => usage.length));
      for (const { usage, summary, aliases } of debuggerCommands)
        console.print(
          `  ${usage.padEnd(width)}  ${summary}${aliases.length > 0 ? console.style.dim(` (${aliases.join(", ")})`) : ""}`,
        );
      return "stay";
    }
    const command = findCommand(name);
    if (!command) throw unknownCommand(name);
    console.print(
      command.usage,
      `  ${command.help}`,
      ...(command.aliases.length > 0 ? [`  Also: ${command.aliases.join(", ")}`] : []),
    );
    return "stay";
  },
};

/** Every debugger command, in the order of help. */
export const debuggerCommands: readonly DebuggerCommand[] = [
  ...actCommands.slice(0, 3),
  ...lookCommands,
  ...actCommands.slice(3),
  helpCommand,
];

/** A command by its name or alias. */
export function findCommand(name: string): DebuggerCommand | undefined {
  return debuggerCommands.find((command) => command.name === name || command.aliases.includes(name));
}

/** The `(dfdebug)` prompt at a stop, until a command leaves it. */
export class Repl {
  private readonly session: DebugSession;
  private readonly console: Console;
  private readonly env: Environment;
  private readonly signal: AbortSignal | undefined;
  private history: string[] | undefined;

  constructor(
    session: DebugSession,
    console: Console,
    options: { env: Environment; signal?: AbortSignal | undefined },
  ) {
    this.session = session;
    this.console = console;
    this.env = options.env;
    this.signal = options.signal;
  }

  /** Reads and runs commands until one leaves the prompt or the input ends, which ends the session. */
  async run(stopped: StoppedState): Promise<void> {
    this.history ??= await this.readHistory();
    for (;;) {
      const line = await this.console.question("(dfdebug) ", {
        history: this.history,
        complete: (text) => this.complete(stopped, text),
      });
      if (line === undefined) {
        // Nobody is there to answer.
        if (this.console.ended) {
          await this.session.terminate();
          return;
        }
        if ((await this.execute(stopped, "quit")) === "leave") return;
        continue;
      }
      if (line.trim() === "") continue;
      this.history.unshift(line);
      await this.remember(line);
      if ((await this.execute(stopped, line)) === "leave") return;
    }
  }

  /** Runs one command line; what it says of errors goes to the terminal, and the session goes on. */
  async execute(stopped: StoppedState, line: string): Promise<CommandEnd> {
    const [name = "", ...args] = words(line);
    const rest = line.trim().slice(name.length).trim();
    const context: CommandContext = { session: this.session, stopped, console: this.console, signal: this.signal };
    try {
      const command = findCommand(name);
      if (!command) throw unknownCommand(name);
      return await command.run(context, args, rest);
    } catch (error) {
      if (error instanceof CancelledError || !(error instanceof DfdebugError)) throw error;
      if (this.session.state.kind === "ended") throw error;
      this.console.print(renderError(error, { stream: { isTTY: true }, env: this.env }).trimEnd());
      return "stay";
    }
  }

  private async complete(stopped: StoppedState, line: string): Promise<[string[], string]> {
    const parts = line.split(/\s+/);
    const last = parts.at(-1) ?? "";
    if (parts.length <= 1) {
      const names = debuggerCommands.map(({ name }) => `${name} `).filter((name) => name.startsWith(last));
      return [names, last];
    }
    if (!findCommand(parts[0] ?? "")?.completesPaths) return [[], last];
    const state = await this.session.build.before(stopped.step, {});
    const slash = last.lastIndexOf("/");
    const folder = last.slice(0, slash + 1);
    const entries = await state.readDir(absolute(folder || undefined, state.config.WorkingDir));
    const names = entries.map(({ name, type }) => `${folder}${name}${type === "directory" ? "/" : " "}`);
    return [names.filter((name) => name.startsWith(last)), last];
  }

  private get historyFile(): string {
    const state = this.env["XDG_STATE_HOME"] ?? join(this.env["HOME"] ?? homedir(), ".local/state");
    return join(state, "dfdebug/history");
  }

  private async readHistory(): Promise<string[]> {
    try {
      const lines = (await readFile(this.historyFile, "utf8")).split("\n").filter((line) => line !== "");
      if (lines.length > 2000) await writeFile(this.historyFile, `${lines.slice(-1000).join("\n")}\n`, { mode: 0o600 });
      return lines.slice(-1000).reverse();
    } catch {
      return [];
    }
  }

  /** A history that cannot be written is no reason to stop. */
  private async remember(line: string): Promise<void> {
    try {
      await mkdir(dirname(this.historyFile), { recursive: true, mode: 0o700 });
      await appendFile(this.historyFile, `${line}\n`, { mode: 0o600 });
    } catch {
      return;
    }
  }
}

/** A command line's words: blanks separate, quotes keep together. */
export function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

function unknownCommand(name: string): SessionStateError {
  return new SessionStateError(`Unknown command: ${name}`, {
    code: "UNKNOWN_COMMAND",
    hint: "help lists the commands.",
  });
}
