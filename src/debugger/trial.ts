import type { Dockerfile } from "../dockerfile/syntax.js";
import type { Build, Step } from "../engine/engine.js";
import { SessionStateError, UsageError } from "../errors.js";

/*
 * `set` tries another value without touching the file: it is a line of the Dockerfile in memory, under a comment that
 * marks it, and is taken out of whatever is shown as a change or written.
 */

const mark = "# dfdebug: set in this session only";
const marked = new RegExp(`^${mark}\\r?\\n.*\\r?\\n`, "gm");
const trialsAtEnd = new RegExp(`(?<![^\\n])(?:${mark}\\r?\\n.*\\r?\\n)+$`);

/** `ENV NAME=value` or `ARG NAME=value`, to be tried. */
export interface Trial {
  readonly kind: "ENV" | "ARG";
  readonly name: string;
  /** As in a Dockerfile: variables are expanded. */
  readonly value: string;
}

/** Reads `ENV NAME=VALUE` or `ARG NAME=VALUE`. Throws UsageError. */
export function parseTrial(text: string): Trial {
  const match = /^(env|arg)\s+([A-Za-z_][\w.-]*)=(.*)$/is.exec(text.trim());
  if (!match)
    throw new UsageError("set: which variable, and which value?", {
      hint: "set ENV NAME=VALUE, or set ARG NAME=VALUE",
    });
  const [, kind = "", name = "", value = ""] = match;
  return { kind: kind.toUpperCase() as Trial["kind"], name, value };
}

/**
 * The Dockerfile's text with the trial before a step's instruction, in the place of an earlier one of the same variable there;
 * an ARG at a FROM goes before the first one.
 */
export function withTrial(dockerfile: Dockerfile, step: Step, trial: Trial): string {
  const { source, escape } = dockerfile;
  let { range } = step.instruction;
  if (step.stageStep === 1) {
    if (trial.kind === "ENV")
      throw new SessionStateError("A stage has no variables before its FROM", {
        hint: "`next` goes behind it; set ARG works here, for what FROM lines use.",
      });
    range = (dockerfile.stages[0]?.from ?? step.instruction).range;
  }
  const at = range.start.offset - range.start.column;
  const quoted = /^(["']).*\1$/s.test(trial.value) ? trial.value : `"${trial.value.replaceAll('"', `${escape}"`)}"`;
  const above = withoutTrial(source.slice(0, at), trial);
  return `${above}${mark}\n${trial.kind} ${trial.name}=${quoted}\n${source.slice(at)}`;
}

/** A text that trials may stand at the end of, without the one of the same variable there. */
function withoutTrial(text: string, { kind, name }: Trial): string {
  const start = trialsAtEnd.exec(text)?.index ?? text.length;
  const trials = text.slice(start).match(marked) ?? [];
  return text.slice(0, start) + trials.filter((lines) => !lines.includes(`\n${kind} ${name}=`)).join("");
}

/** Why a value that was set does not reach a step; undefined where it does. */
export async function whatHides(build: Build, step: Step, trial: Trial): Promise<string | undefined> {
  const given = `--build-arg ${trial.name}=... gives it its value`;
  if (step.stageStep === 1) {
    const value = /^(["']).*\1$/s.test(trial.value) ? trial.value.slice(1, -1) : trial.value;
    return trial.value.includes("$") || build.globals.get(trial.name) === value ? undefined : given;
  }
  if (trial.kind === "ARG") {
    const { args, env } = await build.configuration(step, "before");
    if (args.find(({ name }) => name === trial.name)?.setBy === "build-arg") return given;
    const entry = env.find(({ name }) => name === trial.name);
    if (entry && entry.origin !== "ARG") return "an ENV of the same name hides it; set ENV changes that";
  }
  return (await setsAnew(build, step, trial.name))
    ? `${step.instruction.text} sets it anew; next goes behind that, and set changes it there`
    : undefined;
}

/** A step's instruction gives a variable a value in which the one before has no part. */
async function setsAnew(build: Build, step: Step, variable: string): Promise<boolean> {
  const { range, source } = step.instruction;
  const { env } = await build.configuration(step, "after");
  const line = env.find(({ name }) => name === variable)?.line ?? 0;
  return line >= range.start.line && line <= range.end.line && !new RegExp(`\\$\\{?${variable}\\b`).test(source);
}

/** The lines that `set` has in a Dockerfile's text: `ARG NAME="value"`. */
export function trialsIn(source: string): string[] {
  return (source.match(marked) ?? []).map((lines) => lines.split(/\r?\n/)[1] ?? "");
}

/** A Dockerfile's text without what `set` tries. */
export function withoutTrials(source: string): string {
  return source.replaceAll(marked, "");
}
