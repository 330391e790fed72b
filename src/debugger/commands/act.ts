import { resolve } from "node:path";
import { fixRun, joinedShellText } from "../../dockerfile/edit.js";
import type { StepContainer } from "../../engine/engine.js";
import { DockerfileError, SessionStateError, UsageError } from "../../errors.js";
import { copyOut } from "../copy-out.js";
import { formatBytes, formatCount } from "../format.js";
import { runAtStep } from "../run-at-step.js";
import { shellFix } from "../shell-fix.js";
import { parseTrial } from "../trial.js";
import { chooseFix } from "./choose-fix.js";
import type { CommandContext, DebuggerCommand } from "./command.js";
import { settleFix } from "./movement.js";
import { tone, type InteractiveIo, type Line, type ShellOutcome } from "./io.js";
import { refuseOptions, statePath, stepNamed, takeOption } from "./places.js";
import { runCommand } from "./run-image.js";
import { StreamPrinter } from "./stream-printer.js";

/** Commands that run something at the step, or change what is built. */
export const actCommands: readonly DebuggerCommand[] = [
  {
    name: "shell",
    aliases: ["sh"],
    usage: "shell [--dirty]",
    summary: "open a shell at the step, its instruction typed",
    options: ["--dirty"],
    help: "A container on the state before the step (at the end: on the final one), in the step's exact environment. --dirty opens what the failed step left behind instead. What you change there is not kept.",
    async run(context, args) {
      const dirty = takeOption(args, "--dirty");
      refuseOptions("shell", dirty.rest, "shell [--dirty]");
      const outcome = await openShell(context, { dirty: dirty.found, outside: false });
      await offerFix(context, outcome);
    },
  },
  {
    name: "toolbox",
    aliases: ["tb"],
    usage: "toolbox [--dirty]",
    summary: "open the toolbox with the step's filesystem at /target",
    options: ["--dirty"],
    help: "The outside view: the toolbox's own root, with everything that is installed there, and the state before the step at /target.",
    async run(context, args) {
      const dirty = takeOption(args, "--dirty");
      refuseOptions("toolbox", dirty.rest, "toolbox [--dirty]");
      await openShell(context, { dirty: dirty.found, outside: true });
    },
  },
  {
    name: "exec",
    aliases: ["x"],
    usage: "exec [--dirty] COMMAND",
    summary: "run a command in the step's environment and print its output",
    options: ["--dirty"],
    help: "Runs a command through the step's SHELL on the state before the step, or with --dirty on what the failed step left. What it changes is not kept.",
    async run(context, _args, rest) {
      const { session, stopped, io, signal } = context;
      const dirty = /^--dirty\s+/.exec(rest);
      const command = dirty ? rest.slice(dirty[0].length) : rest;
      if (command === "") throw new UsageError("exec: which command?", { hint: "exec [--dirty] COMMAND" });
      const state = dirty ? "dirty" : stopped.at === "after" ? "after" : "clean";
      const printer = new StreamPrinter(io);
      const code = await runAtStep(session.build, stopped.step, command, printer, { signal, state });
      await printer.end();
      if (code !== 0) await io.print([tone("dim", `exit code ${String(code)}`)]);
    },
  },
  runCommand,
  {
    name: "retry",
    aliases: [],
    usage: "retry [STEP]",
    summary: "edit the step's instruction and run it as a real step",
    help: "The instruction in an editable line (a script's next line is taken for it, as it stands); it runs as a real step of the build, also when it was left as it is. When it succeeds the change is shown, written on a yes, and the build goes on.",
    completes: ["spec"],
    async run(context, args) {
      const step = args[0] === undefined ? context.stopped.step : stepNamed(args[0], context);
      const { instruction } = step;
      const command = instruction.keyword === "RUN" ? joinedShellText(instruction) : undefined;
      const answer = await context.io.question(command === undefined ? "" : "RUN ", {
        initial: command ?? instruction.text,
      });
      if (answer === undefined || answer.trim() === "") return;
      if (command === undefined && instruction.heredocs.length > 0)
        throw new UsageError("An instruction with a heredoc is edited with `edit`, or taken from the shell", {
          hint: "Run the corrected command in `shell`: it is offered as the fix.",
        });
      const { escape } = context.session.build.dockerfile;
      // A pasted line of a Dockerfile, or a script's: its keyword is there already.
      const isWhole = command === undefined || /^RUN\s/.test(answer);
      await retryWith(context, isWhole ? answer : fixRun(instruction, answer, { escape }), step);
    },
  },
  {
    name: "edit",
    aliases: [],
    usage: "edit",
    summary: "open the Dockerfile in your editor at the line; the build goes on from what changed",
    help: "In $VISUAL or $EDITOR, as a copy. The build goes on from the first step that changed, with breakpoints where their instructions are now. The file itself is written only on a yes.",
    async run(context) {
      await editDockerfile(context, interactive(context, "edit"));
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
    completes: ["assignment"],
    help: "As a line of the Dockerfile before this step, in memory only: no file is touched, and a change that you write does not have it. At a FROM, set ARG sets a global ARG.",
    async run({ session, io }, _args, rest) {
      const trial = parseTrial(rest);
      await session.set(trial);
      await io.print(`${trial.kind} ${trial.name} is set from here on, in this session only`);
    },
  },
  {
    name: "cp",
    aliases: [],
    usage: "cp [-f] [--dirty] [STEP:]PATH DESTINATION",
    summary: "copy files out of a step's state to this machine",
    help: "Copies a file, a folder or a symlink of the state before the step, of another step's (STEP:PATH), or with --dirty of what the failed step left. -f replaces files that exist.",
    completes: ["path"],
    options: ["-f", "--dirty"],
    async run(context, args) {
      const force = takeOption(args, "-f");
      const dirty = takeOption(force.rest, "--dirty");
      const usage = "cp [-f] [--dirty] [STEP:]PATH DESTINATION";
      refuseOptions("cp", dirty.rest, usage);
      const [written, destination] = dirty.rest;
      if (written === undefined || destination === undefined)
        throw new UsageError("cp: from where to where?", { hint: usage });
      const { state, path } = await statePath(written, context, { dirty: dirty.found });
      const report = await copyOut(state, path, resolve(destination), {
        force: force.found,
        ...(context.signal ? { signal: context.signal } : {}),
      });
      await context.io.print(
        `Copied ${formatCount(report.files, "file")}, ${formatBytes(report.bytes)}`,
        ...report.skipped.map((skipped) => `Left out: ${skipped}`),
      );
    },
  },
  {
    name: "save",
    aliases: [],
    usage: "save NAME",
    summary: "make an image of the step's state",
    help: "Tags the state at the stop as an image that docker run can use.",
    async run({ session, stopped, io, signal }, args) {
      const [name] = args;
      if (name === undefined) throw new UsageError("save: under which name?", { hint: "save NAME[:TAG]" });
      const id = await session.build.saveImage(await session.here(stopped), name, signal ? { signal } : {});
      await io.print(`Saved ${id.slice(0, 19)} as ${name}`);
    },
  },
];

/** Opens a shell in a container on the stopped step, and closes the container when it ends. */
export async function openShell(
  context: CommandContext,
  options: { dirty: boolean; outside: boolean },
): Promise<ShellOutcome> {
  const { session, stopped, io, signal } = context;
  const terminal = interactive(context, options.outside ? "toolbox" : "shell");
  const { step } = stopped;
  await using container = await session.build.openContainer(step, {
    state: options.dirty ? "dirty" : stopped.at === "after" ? "after" : "clean",
    view: options.outside ? "outside" : "inside",
    signal,
  });
  const { toolbox } = container;
  if (toolbox.available === false) await io.print([tone("dim", `No toolbox: ${toolbox.reason}. ${toolbox.hint}`)]);
  const isTyped = step.instruction.keyword === "RUN" && !options.outside && stopped.at === "before";
  await io.print(...introduction(context, options, container, isTyped), "");
  const place = stopped.at === "after" ? "end" : `step ${String(step.number)}`;
  const outcome = await terminal.shell(container, {
    label: options.outside ? `toolbox ${stopped.at === "after" ? "end" : String(step.number)}` : place,
    typed: isTyped ? step.instruction : undefined,
    signal,
  });
  await io.print("");
  return outcome;
}

function introduction(
  { stopped }: CommandContext,
  options: { dirty: boolean; outside: boolean },
  { environment, toolbox }: StepContainer,
  isTyped: boolean,
): Line[] {
  const where =
    stopped.at === "after" ? "the final filesystem" : `the filesystem before step ${String(stopped.step.number)}`;
  const dim = (text: string): Line => [tone("dim", text)];
  if (options.outside) {
    const target = options.dirty ? `what step ${String(stopped.step.number)} left when it failed` : where;
    return [dim(`The toolbox's own root; ${target} is at /target. Leave with exit.`)];
  }
  const lead = options.dirty
    ? `What step ${String(stopped.step.number)} left when it failed`
    : stopped.at === "after"
      ? "Shell on the final filesystem"
      : `Shell on the last good layer (before step ${String(stopped.step.number)})`;
  const typed = isTyped ? " The instruction is typed; Enter runs it." : "";
  return [
    dim(`${lead}: user ${environment.user || "root"}, ${environment.cwd}.${typed}`),
    dim(`${toolbox.available ? "Tools are in /.dfdebug/bin. " : ""}Leave with exit: (dfdebug) follows.`),
  ];
}

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

/** The editor again and again, until the text can be read or the user gives up. */
async function editDockerfile(context: CommandContext, terminal: InteractiveIo): Promise<void> {
  const { session, stopped, io } = context;
  const { dockerfile } = session.build;
  let text = dockerfile.source;
  let line = stopped.step.instruction.range.start.line;
  for (;;) {
    const edited = await terminal.edit(text, { name: dockerfile.file, line });
    if (edited === undefined || edited === dockerfile.source) return io.print("Nothing was changed");
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

function interactive({ io }: CommandContext, command: string): InteractiveIo {
  if (io.interactive) return io.interactive;
  throw new SessionStateError(`${command} needs a terminal`, {
    code: "NO_TERMINAL",
    hint: "exec COMMAND runs a command and prints its output.",
  });
}
