import { DfdebugError, SessionStateError } from "../../errors.js";
import type { DebugSession } from "../session.js";
import { actCommands } from "./act.js";
import { breakpointCommands } from "./breakpoint-commands.js";
import { changeCommands } from "./change.js";
import type { CommandContext, DebuggerCommand } from "./command.js";
import { diffCommand } from "./diff.js";
import { tone, type Line } from "./io.js";
import { wrap } from "../format.js";
import { lookCommands } from "./look.js";
import { movementCommands } from "./movement.js";
import { refuseShellOperators } from "./shell-operator.js";

const helpCommand: DebuggerCommand = {
  name: "help",
  aliases: ["h", "?"],
  usage: "help [COMMAND]",
  summary: "list the commands, or explain one",
  help: "Without a command: all of them, a line each.",
  completes: ["command"],
  async run({ io }, args) {
    const [name] = args;
    if (name === undefined) {
      return io.print(...listOfCommands(io.width));
    }
    const command = findCommand(name);
    if (!command) throw unknownCommand(name);
    return io.print(
      ...wrap(command.usage, io.width),
      ...wrap(command.help, io.width - 2).map((line) => `  ${line}`),
      ...(command.aliases.length > 0 ? [`  Also: ${command.aliases.join(", ")}`] : []),
    );
  },
};

/** Summaries that would be narrower than this stand beneath their commands. Columns. */
const narrowSummary = 24;

/** A line a command, or several where the terminal is narrow. */
function listOfCommands(columns: number): Line[] {
  const shown = ({ usage }: DebuggerCommand): string => (usage.length > 34 ? `${usage.slice(0, 33)}…` : usage);
  const width = Math.max(...debuggerCommands.map((command) => shown(command).length));
  const isBeneath = columns - width - 4 < narrowSummary;
  const indent = " ".repeat(isBeneath ? 6 : width + 4);
  return debuggerCommands.flatMap((command): Line[] => {
    const also = command.aliases.length > 0 ? ` (${command.aliases.join(", ")})` : "";
    const [first = "", ...rest] = wrap(`${command.summary}${also}`, columns - indent.length);
    const summary = rest.length === 0 ? [command.summary, tone("dim", also)] : [first];
    const usage = shown(command);
    return [
      ...(isBeneath
        ? [...wrap(usage, columns - 2).map((line) => `  ${line}`), [indent, ...summary]]
        : [[`  ${usage.padEnd(width)}  `, ...summary]]),
      ...rest.map((line) => indent + line),
    ];
  });
}

/** Every debugger command, in the order of help. */
export const debuggerCommands: readonly DebuggerCommand[] = [
  ...movementCommands.filter(({ name }) => name !== "quit"),
  ...breakpointCommands,
  ...lookCommands,
  diffCommand,
  ...actCommands,
  ...changeCommands,
  helpCommand,
  ...movementCommands.filter(({ name }) => name === "quit"),
];

/** A command by its name or alias, or by the beginning of one name only. */
export function findCommand(name: string): DebuggerCommand | undefined {
  const exact = debuggerCommands.find((command) => command.name === name || command.aliases.includes(name));
  if (exact || name === "") return exact;
  const begun = debuggerCommands.filter((command) => command.name.startsWith(name));
  return begun.length === 1 ? begun[0] : undefined;
}

/**
 * Runs one command line. Its error is shown, and given back, and the session goes on; rejects when the session has ended by
 * one.
 */
export async function executeLine(context: CommandContext, line: string): Promise<DfdebugError | undefined> {
  const [name = "", ...args] = words(line);
  const rest = line.trim().slice(name.length).trim();
  try {
    const command = findCommand(name);
    if (!command?.takesText) refuseShellOperators(line, pipeHint);
    if (!command) throw unknownCommand(name);
    await command.run(context, args, rest);
    return undefined;
  } catch (error) {
    if (!(error instanceof DfdebugError) || endsSession(error, context.session)) throw error;
    await context.io.error(error);
    return error;
  }
}

const pipeHint =
  "`exec COMMAND | ...` runs a whole line in the step's own shell. What dfdebug's commands print goes through a pipe outside: dfdebug build -x FILE ... | ...";

/** Whether nothing is left to debug after an error: the session has ended by it, or the engine is gone. */
export function endsSession(error: DfdebugError, session: DebugSession): boolean {
  return session.state.kind === "ended" || error.code === "ENGINE_LOST";
}

/** A command line's words: blanks separate, quotes keep together. */
export function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

function unknownCommand(name: string): SessionStateError {
  const begun = debuggerCommands.filter((command) => command.name.startsWith(name)).map((command) => command.name);
  return new SessionStateError(begun.length > 1 ? `${name} could be ${begun.join(", ")}` : `Unknown command: ${name}`, {
    code: "UNKNOWN_COMMAND",
    hint: "help lists the commands.",
  });
}
