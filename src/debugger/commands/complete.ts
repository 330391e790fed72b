import type { DebugSession } from "../session.js";
import { specCandidates } from "../spec.js";
import type { StoppedState } from "../state.js";
import type { Completes } from "./command.js";
import { statePath } from "./places.js";
import { debuggerCommands, findCommand } from "./table.js";

/** Completes a command line: the candidates, and the part of the line that they replace. */
export async function completeLine(
  session: DebugSession,
  stopped: StoppedState,
  line: string,
): Promise<[candidates: string[], replaced: string]> {
  const parts = line.trimStart().split(/\s+/);
  const last = parts.at(-1) ?? "";
  if (parts.length <= 1) return [commandNames().filter((name) => name.startsWith(last)), last];
  const completes = findCommand(parts[0] ?? "")?.completes ?? [];
  const found = await Promise.all(completes.map((kind) => candidates(kind, session, stopped, last)));
  return [[...new Set(found.flat())].filter((name) => name.startsWith(last)), last];
}

function commandNames(): string[] {
  return debuggerCommands.map(({ name }) => `${name} `);
}

async function candidates(
  kind: Completes,
  session: DebugSession,
  stopped: StoppedState,
  last: string,
): Promise<readonly string[]> {
  switch (kind) {
    case "command":
      return commandNames();
    case "spec":
      return specCandidates(session.build).map((spec) => `${spec} `);
    case "breakpoint":
      return session.breakpoints.all.map(({ id }) => `${String(id)} `);
    case "variable": {
      const { env, args } = await session.build.configuration(stopped.step, stopped.at);
      return [...env, ...args].map(({ name }) => name);
    }
    case "path":
      return paths(session, stopped, last);
  }
}

/** Names in the folder that is being typed. */
async function paths(session: DebugSession, stopped: StoppedState, last: string): Promise<string[]> {
  const slash = last.lastIndexOf("/");
  const colon = last.lastIndexOf(":");
  const folder = last.slice(0, Math.max(slash, colon) + 1);
  const { state, path } = await statePath(folder === "" ? undefined : folder, {
    session,
    stopped,
    signal: undefined,
  });
  const entries = await state.readDir(path);
  return entries.map(({ name, type }) => `${folder}${name}${type === "directory" ? "/" : " "}`);
}
