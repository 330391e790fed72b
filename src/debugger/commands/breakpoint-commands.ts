import { UsageError } from "../../errors.js";
import type { Breakpoint } from "../breakpoints.js";
import type { CommandContext, DebuggerCommand } from "./command.js";

const specHelp =
  "SPEC is 7 (step 7), :12 (line 12), build (a stage), build/3 (its third step), RUN (every RUN), /npm ci/ (every instruction that matches) or end. COND is about the step's variables ($NODE_ENV == production, =~ REGEX) or the step before: cached, changed(PATH), size > 50MB; or the files: exists(PATH); with !, && and ||.";

/** Commands that set, list and remove breakpoints. */
export const breakpointCommands: readonly DebuggerCommand[] = [
  {
    name: "break",
    aliases: ["b"],
    usage: "break SPEC [if COND]",
    summary: "stop before a step",
    takesText: true,
    help: specHelp,
    completes: ["spec", "condition"],
    run: (context, _args, rest) => set(context, "break", rest, false),
  },
  {
    name: "tbreak",
    aliases: [],
    usage: "tbreak SPEC [if COND]",
    summary: "stop before a step once",
    takesText: true,
    help: `As break; it goes away when it has stopped the build. ${specHelp}`,
    completes: ["spec", "condition"],
    run: (context, _args, rest) => set(context, "tbreak", rest, true),
  },
  {
    name: "breakpoints",
    aliases: ["bp"],
    usage: "breakpoints",
    summary: "list the breakpoints",
    help: "Their numbers, places, conditions, and how often each stopped the build.",
    async run({ session, io }) {
      const { all } = session.breakpoints;
      await io.print(
        ...(all.length === 0 ? ["No breakpoints"] : all.map((one) => described(one, session.build.steps.length))),
      );
    },
  },
  {
    name: "clear",
    aliases: [],
    usage: "clear NUMBER...",
    summary: "remove breakpoints",
    help: "By their numbers, as `breakpoints` lists them.",
    completes: ["breakpoint"],
    async run({ session, io }, args) {
      if (args.length === 0)
        throw new UsageError("clear: which breakpoint?", { hint: "clear NUMBER..., or clearall." });
      for (const arg of args) {
        const removed = session.breakpoints.remove(breakpointId(arg));
        await io.print(`Removed breakpoint ${String(removed.id)}`);
      }
    },
  },
  {
    name: "clearall",
    aliases: [],
    usage: "clearall",
    summary: "remove all breakpoints",
    help: "All of them.",
    async run({ session, io }) {
      const count = session.breakpoints.clear();
      await io.print(`Removed ${String(count)} breakpoint${count === 1 ? "" : "s"}`);
    },
  },
  {
    name: "condition",
    aliases: [],
    usage: "condition NUMBER [COND]",
    summary: "give a breakpoint a condition, or take it away",
    takesText: true,
    help: specHelp,
    completes: ["breakpoint", "condition"],
    async run({ session, io }, args, rest) {
      const [id] = args;
      if (id === undefined)
        throw new UsageError("condition: of which breakpoint?", { hint: "condition NUMBER [COND]" });
      const text = rest
        .slice(id.length)
        .trim()
        .replace(/^if\s+/, "");
      const changed = session.breakpoints.setCondition(breakpointId(id), text === "" ? undefined : text);
      await io.print(described(changed, session.build.steps.length));
    },
  },
];

async function set({ session, io }: CommandContext, name: string, rest: string, temporary: boolean): Promise<void> {
  if (rest === "") throw new UsageError(`${name}: where?`, { hint: specHelp });
  const breakpoint = session.breakpoints.add(rest, session.build, { temporary });
  await io.print(described(breakpoint, session.build.steps.length));
}

/** `1  build/3  step 6  if cached  (stopped the build 2 times)`. */
function described({ id, text, positions, condition, hits, temporary }: Breakpoint, total: number): string {
  const places = positions.map((position) => (position > total ? "end" : String(position)));
  const shown =
    places.length > 10 ? `${places.slice(0, 10).join(", ")} and ${String(places.length - 10)} more` : places.join(", ");
  const where = places.length === 0 ? "(its place is gone)" : shown === "end" ? "the end" : `step ${shown}`;
  const parts = [`${temporary ? "Temporary breakpoint" : "Breakpoint"} ${String(id)}`, text, where];
  if (condition !== undefined) parts.push(`if ${condition}`);
  if (hits > 0) parts.push(`stopped the build ${hits === 1 ? "once" : `${String(hits)} times`}`);
  return parts.join("  ");
}

function breakpointId(text: string): number {
  if (!/^\d+$/.test(text))
    throw new UsageError(`${text} is no breakpoint's number`, { hint: "`breakpoints` lists them." });
  return Number(text);
}
