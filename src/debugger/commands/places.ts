import type { Ref, Step } from "../../engine/engine.js";
import { UsageError } from "../../errors.js";
import { matchSpec, parseSpec } from "../spec.js";
import type { CommandContext } from "./command.js";

/** The one step that a word names: a number, a SPEC. Throws UsageError. */
export function stepNamed(text: string, { session }: Pick<CommandContext, "session">): Step {
  const parsed = parseSpec(text);
  const positions = matchSpec(parsed, session.build);
  const step = session.build.steps[(positions[0] ?? 0) - 1];
  if (!step || parsed.condition !== undefined)
    throw new UsageError(`${text} names no step`, { hint: "A number, :LINE or STAGE/N does." });
  if (positions.length > 1)
    throw new UsageError(`${text} names ${String(positions.length)} steps: ${positions.join(", ")}`, {
      hint: "Give the number of one of them.",
    });
  return step;
}

/** Takes an option out of words; the others are paths and names. */
export function takeOption(args: readonly string[], option: string): { found: boolean; rest: readonly string[] } {
  return { found: args.includes(option), rest: args.filter((arg) => arg !== option) };
}

/** Refuses options that a command does not have. */
export function refuseOptions(command: string, args: readonly string[], usage: string): void {
  const unknown = args.find((arg) => /^--?[a-z]/i.test(arg));
  if (unknown !== undefined) throw new UsageError(`${command}: unknown option ${unknown}`, { hint: usage });
}

/** A path in a state. */
export interface StatePath {
  readonly state: Ref;
  /** Absolute. */
  readonly path: string;
}

/**
 * `PATH` in the state at the stop, `STEP:PATH` in the state that a step made, and with `dirty` what the failed step left.
 * Relative paths begin at the working directory.
 */
export async function statePath(
  written: string | undefined,
  context: Pick<CommandContext, "session" | "stopped" | "signal">,
  options: { dirty?: boolean } = {},
): Promise<StatePath> {
  const { session, stopped, signal } = context;
  const signalled = signal ? { signal } : {};
  const named = written === undefined ? undefined : /^([\w.-]+(?:\/\d+)?|:\d+):(.*)$/s.exec(written);
  let state: Ref;
  if (options.dirty) state = await session.build.dirty(stopped.step, signalled);
  else if (named) state = await session.build.after(stepNamed(named[1] ?? "", context), signalled);
  else state = await session.here(stopped, signal);
  return { state, path: absolute(named && !options.dirty ? named[2] : written, state.config.WorkingDir) };
}

/** A path of the state as people type it. */
export function absolute(path: string | undefined, directory: string | undefined): string {
  const base = directory ?? "/";
  if (path === undefined || path === "") return base;
  const parts: string[] = [];
  for (const part of (path.startsWith("/") ? path : `${base}/${path}`).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
