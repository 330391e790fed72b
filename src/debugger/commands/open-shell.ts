import { isTypedStrictly, strictOptions } from "../../dockerfile/edit.js";
import type { Instruction } from "../../dockerfile/syntax.js";
import type { Build, Step, StepContainer } from "../../engine/engine.js";
import { wrap } from "../format.js";
import type { CommandContext } from "./command.js";
import { interactive, tone, type InteractiveIo, type ShellOutcome, type StartedShell } from "./io.js";

/** A shell that was started in a container of its own; it ends with the container. */
export interface OpenedShell {
  readonly container: StepContainer;
  readonly shell: StartedShell;
}

/** Where a shell is opened. */
export interface ShellPlace {
  readonly step: Step;
  readonly at: "before" | "after";
  /** What the failed step left, instead of the state before it. */
  readonly dirty: boolean;
  /** The toolbox's own root, with the state at /target. */
  readonly outside: boolean;
  /** Typed at the first prompt where it is a RUN and would run there. */
  readonly instruction: Instruction;
}

/**
 * Opens a shell at the stop, and closes its container when it ends. `isUnasked`: nobody typed the command for it. `ahead`: the
 * same one, where it is open already.
 */
export async function openShell(
  context: CommandContext,
  options: { dirty: boolean; outside: boolean; isUnasked?: boolean },
  ahead?: OpenedShell,
): Promise<ShellOutcome> {
  const { session, stopped, io, signal } = context;
  const terminal = interactive(context.io, options.outside ? "toolbox" : "shell");
  const { step, at } = stopped;
  const { isUnasked, ...view } = options;
  const place = { step, at, ...view, instruction: stopped.failure?.trigger ?? step.instruction };
  const { container, shell } = ahead ?? (await startShell(session.build, terminal, place, { signal }));
  await using _container = container;
  const { toolbox } = container;
  if (toolbox.available === false) await io.print([tone("dim", `No toolbox: ${toolbox.reason}. ${toolbox.hint}`)]);
  const lines = introduction(place, container).flatMap((text) => wrap(text, io.width));
  await io.print(...lines.map((text) => [tone("dim", text)]), "");
  const outcome = await shell.run({ isUnasked });
  await io.print("");
  return outcome;
}

/** Starts a shell that shows nothing yet. `alongside`: while its step runs. Rejects as `Build.openContainer` does. */
export async function startShell(
  build: Build,
  terminal: InteractiveIo,
  place: ShellPlace,
  options: { signal: AbortSignal | undefined; alongside?: boolean },
): Promise<OpenedShell> {
  const { step, at, dirty, outside } = place;
  const { signal, alongside } = options;
  const container = await build.openContainer(step, {
    state: dirty ? "dirty" : at === "after" ? "after" : "clean",
    view: outside ? "outside" : "inside",
    alongside,
    signal,
  });
  try {
    const where = at === "after" ? "end" : String(step.number);
    const label = outside ? `toolbox ${where}` : at === "after" ? where : `step ${where}`;
    return { container, shell: await terminal.startShell(container, { label, typed: typedAt(place), signal }) };
  } catch (error) {
    await container[Symbol.asyncDispose]();
    throw error;
  }
}

function typedAt({ instruction, at, outside }: ShellPlace): Instruction | undefined {
  return instruction.keyword === "RUN" && !outside && at === "before" ? instruction : undefined;
}

function introduction(place: ShellPlace, { environment, toolbox }: StepContainer): string[] {
  const { step, at, dirty } = place;
  const number = String(step.number);
  const where = at === "after" ? "the final filesystem" : `the filesystem before step ${number}`;
  if (place.outside) {
    const target = dirty ? `what step ${number} left when it failed` : where;
    return [`The toolbox's own root; ${target} is at /target. Leave with exit.`];
  }
  const lead = dirty
    ? `What step ${number} left when it failed`
    : at === "after"
      ? "Shell on the final filesystem"
      : `Shell on the last good layer (before step ${number})`;
  const typed = typedAt(place);
  const isStrict = typed && isTypedStrictly(typed, environment.shell);
  const how = isStrict ? `typed with SHELL's -${strictOptions(environment.shell)}` : "typed";
  const hint = typed ? ` The instruction is ${how}; Enter runs it.` : "";
  return [
    `${lead}: user ${environment.user || "root"}, ${environment.cwd}.${hint}`,
    `${toolbox.available ? "Tools are in /.dfdebug/bin. " : ""}Leave with exit: (dfdebug) follows.`,
  ];
}
