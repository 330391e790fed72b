import { fixRun, joinedShellText, withLayout } from "../../dockerfile/edit.js";
import type { Step } from "../../engine/engine.js";
import { DockerfileError } from "../../errors.js";
import { shellFix } from "../shell-fix.js";
import { parseTrial } from "../trial.js";
import { chooseFix } from "./choose-fix.js";
import type { CommandContext, DebuggerCommand } from "./command.js";
import { interactive, type InteractiveIo, type ShellOutcome } from "./io.js";
import { settleFix } from "./movement.js";
import { stepNamed } from "./places.js";

/** Commands that change what is built. */
export const changeCommands: readonly DebuggerCommand[] = [
  {
    name: "retry",
    aliases: [],
    usage: "retry [STEP]",
    summary: "edit the step's instruction and run it as a real step",
    help: "The instruction in an editable line (a script's next line is taken for it, as it stands); it runs as a real step of the build, also when it was left as it is. When it succeeds the change is shown, written on a yes, and the build goes on. One that fails again is an attempt: retry shows it again, to be changed further, and what goes on from there goes on without it. An instruction with a heredoc opens in $VISUAL or $EDITOR.",
    completes: ["spec"],
    async run(context, args) {
      const step = args[0] === undefined ? context.stopped.step : stepNamed(args[0], context);
      const { instruction } = step;
      const { io, session } = context;
      if (instruction.heredocs.length > 0 && io.interactive) return retryInEditor(context, io.interactive, step);
      const command = instruction.keyword === "RUN" ? joinedShellText(instruction) : undefined;
      const answer = await io.question(command === undefined ? "" : "RUN ", { initial: command ?? instruction.text });
      if (answer === undefined || answer.trim() === "") return;
      const { escape } = session.build.dockerfile;
      // A pasted line of a Dockerfile, or a script's: its keyword is there already.
      const isWhole = command === undefined || /^RUN\s/i.test(answer);
      const text = isWhole ? withLayout(instruction, answer, escape) : fixRun(instruction, answer, { escape });
      await retryWith(context, text, step);
    },
  },
  {
    name: "edit",
    aliases: [],
    usage: "edit",
    summary: "open the Dockerfile in your editor at the line; the build goes on from what changed",
    help: "In $VISUAL or $EDITOR, as a copy. The build goes on from the first step that changed, with breakpoints where their instructions are now. The file itself is written only on a yes.",
    async run(context) {
      await editDockerfile(context, interactive(context.io, "edit"));
    },
  },
  {
    name: "reload",
    aliases: [],
    usage: "reload",
    summary: "take the Dockerfile and the context as they are on disk now",
    help: "For changes made in another window. At a failure the build goes on from the first step that is another one, or runs the failed one again; elsewhere what changed is built, and the session stays at its instruction. What was edited or set in the session and not written is dropped.",
    async run(context) {
      const { session, io } = context;
      if (session.pendingFix && !(await io.confirm("The change is not in the Dockerfile yet. Drop it?", false))) return;
      await session.reloadFile();
    },
  },
  {
    name: "set",
    aliases: [],
    usage: "set ENV|ARG NAME=VALUE",
    summary: "try another value of a variable from here on",
    takesText: true,
    completes: ["assignment"],
    help: "As a line of the Dockerfile before this step, in memory only: no file is touched, and a change that you write does not have it. At a FROM, set ARG sets a global ARG.",
    async run({ session, io }, _args, rest) {
      const trial = parseTrial(rest);
      await session.set(trial);
      await io.print(`${trial.kind} ${trial.name} is set from here on, in this session only`);
    },
  },
];

/** Offers what worked in the shell as the fix of a failed RUN. */
export async function offerFix(context: CommandContext, outcome: ShellOutcome): Promise<void> {
  const { session, stopped } = context;
  const { instruction } = stopped.step;
  if (instruction.keyword !== "RUN" || stopped.reason !== "failure") return;
  const { shell } = await session.build.configuration(stopped.step, "before");
  const fix = shellFix(instruction, outcome.commands, shell);
  const command = fix && (await chooseFix(context, fix, shell));
  if (command === undefined) return;
  const { escape } = session.build.dockerfile;
  await retryWith(context, fixRun(instruction, command, { shell, escape }), stopped.step);
}

/** Runs changed text as the step; on success shows the change, writes it on a yes, and the build goes on. */
async function retryWith(context: CommandContext, text: string, step = context.stopped.step): Promise<void> {
  const { session, io } = context;
  const state = await session.retry(text, step);
  if (state.kind !== "stopped" || state.reason === "failure" || state.reason === "pause") return;
  if (!session.pendingFix) await io.print(`Step ${String(state.step.number)} works now as it is written`);
  if (await settleFix(context)) await session.continue();
}

/** An instruction of several lines in the user's editor, until its text can be read or the user gives up. */
async function retryInEditor(context: CommandContext, terminal: InteractiveIo, step: Step): Promise<void> {
  const { source, range } = step.instruction;
  const { file } = context.session.build.dockerfile;
  let text = source;
  let line = 1;
  for (;;) {
    const edited = await terminal.edit(`${text.replace(/\n$/, "")}\n`, { name: file, line });
    if (edited === undefined || edited.trim() === "" || edited.trimEnd() === text.trimEnd())
      return context.io.print("Nothing was changed: next runs the step as it is");
    try {
      return await retryWith(context, edited, step);
    } catch (error) {
      if (!(error instanceof DockerfileError)) throw error;
      await context.io.error(error);
      if (!(await context.io.confirm("Edit it again?", true))) return;
      text = edited;
      line = Math.max(1, (error.range?.start.line ?? 0) - range.start.line + 1);
    }
  }
}

/** The editor again and again, until the text can be read or the user gives up. */
async function editDockerfile(context: CommandContext, terminal: InteractiveIo): Promise<void> {
  const { session, stopped, io } = context;
  const { dockerfile } = session.build;
  const before = session.wantedSource;
  let text = before;
  let line = stopped.step.instruction.range.start.line;
  for (;;) {
    const edited = await terminal.edit(text, { name: dockerfile.file, line });
    if (edited === undefined || edited === before) return io.print("Nothing was changed");
    try {
      await session.edit(edited);
      break;
    } catch (error) {
      if (!(error instanceof DockerfileError)) throw error;
      await io.error(error);
      if (!(await io.confirm("Edit it again?", true))) return;
      text = edited;
      line = error.range?.start.line ?? line;
    }
  }
  if (session.state.kind === "stopped" && session.state.reason !== "failure") await settleFix(context);
}
