import { DfdebugError } from "../../errors.js";
import type { DebugSession } from "../session.js";
import { specCandidates } from "../spec.js";
import type { StoppedState } from "../state.js";
import type { Completes } from "./command.js";
import { statePath } from "./places.js";
import { debuggerCommands, findCommand } from "./table.js";

/** What is completed, and where the session stands. */
interface Place {
  readonly session: DebugSession;
  readonly stopped: StoppedState;
  /** The words between the command's name and the last one. */
  readonly before: readonly string[];
  readonly last: string;
}

/** Completes a command line: the candidates, and the part of the line that they replace. */
export async function completeLine(
  session: DebugSession,
  stopped: StoppedState,
  line: string,
): Promise<[candidates: string[], replaced: string]> {
  const [name = "", ...parts] = line.trimStart().split(/\s+/);
  const last = parts.at(-1) ?? name;
  if (parts.length === 0) return [commandNames().filter((command) => command.startsWith(name)), name];
  const command = findCommand(name);
  const place: Place = { session, stopped, before: parts.slice(0, -1), last };
  const options = last.startsWith("-") ? (command?.options ?? []).map((option) => `${option} `) : [];
  const { completes = [] } = command ?? {};
  // A place with a condition is one word; behind it comes the condition.
  const kinds = completes.filter(
    (kind) => kind !== "spec" || place.before.length === 0 || !completes.includes("condition"),
  );
  const found = await Promise.all(kinds.map((kind) => candidates(kind, place)));
  return [[...new Set([...options, ...found.flat()])].filter((candidate) => candidate.startsWith(last)), last];
}

function commandNames(): string[] {
  return debuggerCommands.map(({ name }) => `${name} `);
}

async function candidates(kind: Completes, place: Place): Promise<readonly string[]> {
  const { session, before } = place;
  switch (kind) {
    case "command":
      return commandNames();
    case "spec":
      return specCandidates(session.build).map((spec) => `${spec} `);
    case "condition":
      return before.includes("if") ? conditions(place) : before.length > 0 ? ["if "] : [];
    case "breakpoint":
      return before.length > 0 ? [] : session.breakpoints.all.map(({ id }) => `${String(id)} `);
    case "variable":
      return variables(place);
    case "assignment":
      return before.length === 0 ? ["ENV ", "ARG "] : (await names(place)).map((name) => `${name}=`);
    case "path":
      return paths(place, place.last);
  }
}

async function names({ session, stopped }: Place): Promise<string[]> {
  const { env, args } = await session.build.configuration(stopped.step, stopped.at);
  return [...env, ...args].map(({ name }) => name);
}

/** Names, and behind a dollar sign as they are written in a text. */
async function variables(place: Place): Promise<string[]> {
  const known = await names(place);
  if (!place.last.startsWith("$")) return known;
  return place.last.startsWith("${") ? known.map((name) => `\${${name}}`) : known.map((name) => `$${name}`);
}

/** What can stand in a condition; paths inside of its parentheses. */
async function conditions(place: Place): Promise<string[]> {
  const [, open, path] = /^(!?(?:changed|exists)\()(.*)$/.exec(place.last) ?? [];
  if (open !== undefined) return (await paths(place, path ?? "")).map((one) => open + one.replace(/ $/, ")"));
  const known = (await names(place)).map((name) => `$${name}`);
  return ["cached ", "!cached ", "changed(", "!changed(", "exists(", "!exists(", "size > ", ...known];
}

/** Names in the folder that is being typed; none where there is no such folder. */
async function paths(place: Place, typed: string): Promise<string[]> {
  try {
    return await namesIn(place, typed);
  } catch (error) {
    if (error instanceof DfdebugError) return [];
    throw error;
  }
}

async function namesIn({ session, stopped, before }: Place, typed: string): Promise<string[]> {
  const slash = typed.lastIndexOf("/");
  const colon = typed.lastIndexOf(":");
  const folder = typed.slice(0, Math.max(slash, colon) + 1);
  const { state, path } = await statePath(
    folder === "" ? undefined : folder,
    { session, stopped, signal: undefined },
    { dirty: before.includes("--dirty") },
  );
  const entries = await state.readDir(path);
  return entries.map(({ name, type }) => `${folder}${name}${type === "directory" ? "/" : " "}`);
}
