import { SessionStateError, UsageError } from "../../errors.js";
import type { MergedFix } from "../state.js";
import type { CommandContext, DebuggerCommand } from "./command.js";
import { tone } from "./io.js";

/** Commands that move the session; the front end shows where it stops. */
export const movementCommands: readonly DebuggerCommand[] = [
  {
    name: "continue",
    aliases: ["c"],
    usage: "continue",
    summary: "run to the next breakpoint, a failure or the end",
    help: "A step that failed is run again. Without a breakpoint ahead the rest of the build runs with the engine's full parallelism, and the image is made.",
    repeats: true,
    async run(context) {
      if (await settleFix(context)) await context.session.continue();
    },
  },
  {
    name: "next",
    aliases: ["n"],
    usage: "next [COUNT]",
    summary: "run the step and stop behind it",
    help: "Other stages that the step reads are built, not stepped through. At the end of a stage that was entered with step it goes back to the step that reads it; behind the last step it stops at the end, and from there it makes the image.",
    repeats: true,
    run: (context, args) => times("next", args, context, () => context.session.next()),
  },
  {
    name: "step",
    aliases: ["s"],
    usage: "step [COUNT]",
    summary: "as next, but go into a stage that the step reads",
    help: "FROM, COPY --from and RUN --mount=from read other stages. A stage where the session has stopped before is not entered again.",
    repeats: true,
    run: (context, args) => times("step", args, context, () => context.session.stepIn()),
  },
  {
    name: "stepout",
    aliases: ["so"],
    usage: "stepout",
    summary: "run to the end of the stage",
    help: "Stops behind it: at the step that the stage was entered from, else at the next stage. A breakpoint on the way stops it.",
    repeats: true,
    async run({ session }) {
      await session.stepOut();
    },
  },
  {
    name: "back",
    aliases: [],
    usage: "back [COUNT]",
    summary: "go back to the step before",
    help: "Earlier states are still there: nothing runs, neither going back nor going forward again.",
    repeats: true,
    async run({ session }, args) {
      await session.stepBack(count("back", args));
    },
  },
  {
    name: "until",
    aliases: [],
    usage: "until SPEC",
    summary: "run to a place, or go back to it",
    takesText: true,
    help: "The next place that SPEC names; where all are behind, the last of those. A breakpoint on the way stops it.",
    completes: ["spec"],
    async run({ session }, _args, rest) {
      if (rest === "") throw new UsageError("until: which place?", { hint: "until SPEC, as for break." });
      await session.until(rest);
    },
  },
  {
    name: "restart",
    aliases: ["r"],
    usage: "restart",
    summary: "go to the first step",
    help: "Breakpoints stay. What is built is not run again; a build with --no-cache is started anew by leaving and calling dfdebug again.",
    async run({ session }) {
      await session.restart();
    },
  },
  {
    name: "quit",
    aliases: ["q", "exit"],
    usage: "quit",
    summary: "end the session",
    help: "Ends the build without an image: exit code 1 at a failure, else 130. What was built stays in the engine's cache.",
    async run({ session, io }) {
      if (session.pendingFix && !(await io.confirm("The change is not in the Dockerfile yet. Quit?", false))) return;
      await session.terminate();
    },
  },
];

/**
 * A change that the user made and that is not in the file: it is shown, and written on a yes before the build goes on. Where
 * the file was changed meanwhile it is shown as it would be there. False where the question was left without an answer, or
 * the file could not be written: then the build does not go on, and the change is still there to be decided on.
 */
export async function settleFix({ session, io }: Pick<CommandContext, "session" | "io">): Promise<boolean> {
  const { pendingFix } = session;
  if (!pendingFix) return true;
  const { file } = session.build.dockerfile;
  const merged = await session.mergedFix();
  try {
    if (merged?.diff === "") {
      await session.writeFix(merged);
      await io.print(`${file} has been changed on disk, and has this change already`);
      return true;
    }
    // A script's yes was meant for the change that it made.
    const overwrites = merged?.conflicts === true && io.interactive !== undefined;
    await io.print("", ...(merged ? [[tone("warn", changedMeanwhile(file, merged))]] : []));
    await io.print(...diffLines((merged && (overwrites || !merged.conflicts) ? merged : pendingFix).diff));
    const wanted = await io.confirm(overwrites ? "Write it over them?" : "Write this change?", false);
    if (wanted === undefined) return false;
    if (!wanted) {
      session.discardFix();
      return true;
    }
    const written = merged?.conflicts && !overwrites ? undefined : merged;
    await session.writeFix(written);
    await io.print(
      `Wrote ${file}${written ? ". What else was changed in it is not in this build: reload, or build again" : ""}`,
    );
    return true;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    await io.error(error);
    return false;
  }
}

function changedMeanwhile(file: string, { conflicts }: MergedFix): string {
  return conflicts
    ? `${file} has been changed on disk since the build began, in the same lines`
    : `${file} has been changed on disk since the build began; the change goes there, too`;
}

/** A unified diff with its lines toned. */
export function diffLines(
  diff: string,
): readonly { readonly text: string; readonly tone: "good" | "bad" | "plain" }[][] {
  return diff
    .replace(/\n$/, "")
    .split("\n")
    .map((text) => [{ text, tone: text.startsWith("+") ? "good" : text.startsWith("-") ? "bad" : "plain" } as const]);
}

async function times(
  name: string,
  args: readonly string[],
  { session }: CommandContext,
  move: () => Promise<unknown>,
): Promise<void> {
  for (let left = count(name, args); left > 0; left--) {
    await move();
    const { state } = session;
    if (state.kind !== "stopped" || (state.reason !== "step" && state.reason !== "entry")) return;
  }
}

function count(name: string, args: readonly string[]): number {
  const [written = "1"] = args;
  if (!/^[1-9]\d*$/.test(written)) throw new SessionStateError(`${name}: ${written} is no count`, { code: "USAGE" });
  return Number(written);
}
