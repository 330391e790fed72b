import { fixRun, joinedShellText } from "../../../dockerfile/edit.js";
import { UsageError } from "../../../errors.js";
import { sanitizeLine } from "../sanitize.js";
import { runShell, type ShellOutcome } from "../shell/interactive-shell.js";
import type { CommandContext, CommandEnd, DebuggerCommand } from "./command.js";

/** Commands that open shells, change the build, or leave the prompt. */
export const actCommands: readonly DebuggerCommand[] = [
  {
    name: "shell",
    aliases: ["sh"],
    usage: "shell [--dirty]",
    summary: "open a shell at the step, its instruction typed",
    help: "A container on the state before the step, in the step's exact environment. --dirty opens what the failed step left behind instead. What you change there is not kept.",
    async run(context, args) {
      const unknown = args.find((arg) => arg !== "--dirty");
      if (unknown !== undefined) throw new UsageError(`shell: unknown option ${unknown}`, { hint: "shell [--dirty]" });
      const outcome = await openShell(context, { dirty: args.includes("--dirty"), outside: false });
      return offerFix(context, outcome);
    },
  },
  {
    name: "toolbox",
    aliases: ["tb"],
    usage: "toolbox [--dirty]",
    summary: "open the toolbox with the step's filesystem at /target",
    help: "The outside view: the toolbox's own root, with everything that is installed there, and the state before the step at /target.",
    async run(context, args) {
      await openShell(context, { dirty: args.includes("--dirty"), outside: true });
      return "stay";
    },
  },
  {
    name: "retry",
    aliases: [],
    usage: "retry",
    summary: "edit the step's instruction and run it as a real step",
    help: "The instruction in an editable line; it runs as a real step of the build. When it succeeds the change is shown, written on a yes, and the build goes on.",
    async run(context) {
      const { instruction } = context.stopped.step;
      const command = instruction.keyword === "RUN" ? joinedShellText(instruction) : undefined;
      const typed = command ?? instruction.text;
      const prompt = command === undefined ? "" : "RUN ";
      const answer = await context.console.question(context.console.style.bold(prompt), { initial: typed });
      if (answer === undefined || answer.trim() === "") return "stay";
      if (command === undefined && instruction.heredocs.length > 0)
        throw new UsageError("An instruction with a heredoc is edited in the Dockerfile, or taken from the shell", {
          hint: "Run the corrected command in `shell`: it is offered as the fix.",
        });
      return retryWith(context, command === undefined ? answer : fixText(context, answer));
    },
  },
  {
    name: "diff",
    aliases: [],
    usage: "diff",
    summary: "show the change to the Dockerfile that is not written yet",
    help: "What a successful retry changed, compared with the file.",
    async run({ session, console }) {
      const { pendingFix } = session;
      console.print(pendingFix ? coloured(pendingFix.diff, console) : "There is no change");
      return "stay";
    },
  },
  {
    name: "save",
    aliases: [],
    usage: "save NAME",
    summary: "make an image of the step's state",
    help: "Tags the state before the step as an image that docker run can use.",
    async run({ session, stopped, console, signal }, args) {
      const [name] = args;
      if (name === undefined) throw new UsageError("save: under which name?", { hint: "save NAME[:TAG]" });
      const options = signal ? { signal } : {};
      const id = await session.build.saveImage(await session.build.before(stopped.step, options), name, options);
      console.print(`Saved ${id.slice(0, 19)} as ${name}`);
      return "stay";
    },
  },
  {
    name: "continue",
    aliases: ["c"],
    usage: "continue",
    summary: "run the step and the rest of the build",
    help: "Runs the step again as it is, then the rest of the build.",
    async run() {
      return "leave";
    },
  },
  {
    name: "quit",
    aliases: ["q", "exit"],
    usage: "quit",
    summary: "end the session",
    help: "Ends the build. What was built stays in the engine's cache.",
    async run({ session, console }) {
      if (session.pendingFix && !(await console.confirm("The change is not in the Dockerfile yet. Quit?", false)))
        return "stay";
      await session.terminate();
      return "leave";
    },
  },
];

/** Opens a shell in a container on the stopped step, and closes the container when it ends. */
export async function openShell(
  context: CommandContext,
  options: { dirty: boolean; outside: boolean },
): Promise<ShellOutcome> {
  const { session, stopped, console, signal } = context;
  const { step } = stopped;
  await using container = await session.build.openContainer(step, {
    state: options.dirty ? "dirty" : "clean",
    view: options.outside ? "outside" : "inside",
    signal,
  });
  const { environment, toolbox } = container;
  if (toolbox.available === false) console.print(console.style.dim(`No toolbox: ${toolbox.reason}. ${toolbox.hint}`));
  const isRun = step.instruction.keyword === "RUN" && !options.outside;
  console.print(...introduction(context, options, environment, isRun, toolbox.available), "");
  const outcome = await runShell(container, {
    terminal: console.raw,
    label: options.outside ? `toolbox ${String(step.number)}` : `step ${String(step.number)}`,
    typed: isRun ? step.instruction : undefined,
    signal,
  });
  console.print("");
  return outcome;
}

function introduction(
  { console, stopped }: CommandContext,
  options: { dirty: boolean; outside: boolean },
  environment: { readonly user: string; readonly cwd: string },
  typed: boolean,
  toolbox: boolean,
): string[] {
  const { style } = console;
  const number = String(stopped.step.number);
  if (options.outside)
    return [style.dim(`The toolbox's own root; the filesystem before step ${number} is at /target. Leave with exit.`)];
  const where = options.dirty
    ? `What step ${number} left when it failed`
    : `Shell on the last good layer (before step ${number})`;
  const user = sanitizeLine(environment.user || "root");
  return [
    style.dim(
      `${where}: user ${user}, ${sanitizeLine(environment.cwd)}.${typed ? " The instruction is typed; Enter runs it." : ""}`,
    ),
    style.dim(`${toolbox ? "Tools are in /.dfdebug/bin. " : ""}Leave with exit: (dfdebug) follows.`),
  ];
}

/** Commands that only look: never taken for a fix. */
const looking =
  /^(ls|ll|cd|pwd|cat|less|more|head|tail|grep|find|env|printenv|echo|printf|which|type|command|history|clear|exit|id|whoami|stat|file|df|du|ps|top|uname|date|tree|vi|vim|nano|man|help|alias|set|export|unset|true|test|\[)\b/;

/** What could stand in a Dockerfile: it changed something, and needs nothing that only the shell has. */
function isCandidate(text: string): boolean {
  return !looking.test(text) && !text.includes("/.dfdebug");
}

/** Offers the last command that worked in the shell as the fix of a failed RUN. */
export async function offerFix(context: CommandContext, outcome: ShellOutcome): Promise<CommandEnd> {
  const { stopped, console } = context;
  const { instruction } = stopped.step;
  if (instruction.keyword !== "RUN" || stopped.reason !== "failure") return "stay";
  const worked = outcome.commands.findLast(({ text, exitCode }) => exitCode === 0 && isCandidate(text.trim()));
  if (!worked) return "stay";
  const same = worked.text.trim() === joinedShellText(instruction)?.trim();
  const shown = sanitizeLine(worked.text.replaceAll("\n", " "));
  const question = same
    ? `The same command ended with 0 there. Run step ${String(stopped.step.number)} again?`
    : `\`${shown}\` ended with 0 there. Retry step ${String(stopped.step.number)} with it?`;
  if (!(await console.confirm(question, true))) return "stay";
  return retryWith(context, fixText(context, worked.text));
}

/** A RUN's new text from a command, flags and layout kept. */
function fixText({ session, stopped }: CommandContext, command: string): string {
  return fixRun(stopped.step.instruction, command, { escape: session.build.dockerfile.escape });
}

/** Runs changed text as the step; on success shows the change, writes it on a yes, and leaves the prompt so that the build goes on. */
async function retryWith({ session, console, stopped }: CommandContext, text: string): Promise<CommandEnd> {
  const result = await session.retry(text);
  if (result.status === "failed") return "leave";
  const { pendingFix } = session;
  if (pendingFix) {
    console.print("", coloured(pendingFix.diff, console));
    if (await console.confirm("Write this change?", false)) {
      await session.writeFix();
      console.print(`Wrote ${session.build.dockerfile.file}`);
    }
  } else console.print(`Step ${String(stopped.step.number)} works now as it is written`);
  return "leave";
}

function coloured(diff: string, { style }: CommandContext["console"]): string {
  return diff
    .trimEnd()
    .split("\n")
    .map((line) => {
      const text = sanitizeLine(line);
      if (line.startsWith("+")) return style.green(text);
      return line.startsWith("-") ? style.red(text) : text;
    })
    .join("\n");
}
