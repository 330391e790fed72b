import { expand, ExpansionError } from "../dockerfile/expand.js";
import type { ImageConfig, Step, StepConfiguration } from "../engine/engine.js";
import { SessionStateError, UsageError } from "../errors.js";

/** A variable and where its value comes from: `GOFLAGS`, `"-trimpath"`, `ENV, Dockerfile:9`. */
export interface Shown {
  readonly name: string;
  readonly value: string;
  readonly origin: string;
}

/** What a name stands for at a step. Throws SessionStateError where there is no such variable. */
export function lookUp(name: string, step: Step, at: StepConfiguration, file: string): Shown {
  if (secretVariables(step).includes(name))
    return { name, value: "(secret)", origin: "RUN --mount=type=secret: its value is not shown" };
  const entry = at.env.find((one) => one.name === name);
  if (entry) {
    const origin = entry.origin === "image" ? "base image" : `${entry.origin}, ${place(file, entry.line)}`;
    return { name, value: JSON.stringify(entry.value), origin: `${origin}${argNote(at, name, entry.origin)}` };
  }
  const arg = at.args.find((one) => one.name === name);
  if (arg) return { name, value: "(no value)", origin: `ARG, ${place(file, arg.line)}` };
  throw new SessionStateError(`${name} is not set here`, {
    code: "NO_VARIABLE",
    hint: "`env` and `args` list what is. ARGs before the first FROM must be declared again in their stage.",
  });
}

/** A text with its variables expanded as in an instruction. Throws UsageError. */
export function expandText(text: string, at: StepConfiguration, escape: "\\" | "`"): string {
  const values = new Map(at.env.map(({ name, value }) => [name, value]));
  try {
    return expand(text, { get: (name) => values.get(name) }, { escape }).text;
  } catch (error) {
    if (!(error instanceof ExpansionError)) throw error;
    throw new UsageError(`${text}: ${error.message}`, { code: "BAD_EXPRESSION", cause: error });
  }
}

/** ARGs in scope, with their defaults and what gave them their value. */
export function argsShown(at: StepConfiguration, file: string): Shown[] {
  return at.args.map(({ name, value, setBy, line, default: written }) => ({
    name,
    value: value === undefined ? "(no value)" : JSON.stringify(value),
    origin: [
      setBy === "build-arg"
        ? "--build-arg"
        : setBy === "default"
          ? "default"
          : setBy === "global"
            ? "global"
            : "not given",
      ...(setBy === "build-arg" && written !== undefined ? [`default ${written}`] : []),
      place(file, line),
    ].join(", "),
  }));
}

/** The image's configuration at a step, a line for each thing that is set. */
export function configurationShown({ config, user, cwd, shell }: StepConfiguration): [name: string, value: string][] {
  const lines: [string, string][] = [
    ["USER", user || "root (default)"],
    ["WORKDIR", cwd],
    ["SHELL", JSON.stringify(shell)],
  ];
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== "") lines.push([name, value]);
  };
  add("ENTRYPOINT", listOf(config.Entrypoint));
  add("CMD", listOf(config.Cmd));
  add("EXPOSE", Object.keys(config.ExposedPorts ?? {}).join(" "));
  add("VOLUME", Object.keys(config.Volumes ?? {}).join(" "));
  for (const [name, value] of Object.entries(config.Labels ?? {}))
    lines.push(["LABEL", `${name}=${JSON.stringify(value)}`]);
  if (config.Healthcheck) lines.push(["HEALTHCHECK", JSON.stringify(config.Healthcheck)]);
  add("STOPSIGNAL", config.StopSignal);
  for (const trigger of config.OnBuild ?? []) lines.push(["ONBUILD", trigger]);
  return lines;
}

/** What a container of the image would start: ENTRYPOINT and CMD together, as docker run combines them. */
export function startCommand(config: ImageConfig): readonly string[] {
  return [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
}

/** Variables that a RUN gets from secrets: `--mount=type=secret,id=x,env=NAME`. */
export function secretVariables({ instruction }: Step): string[] {
  return instruction.flags.flatMap(({ name, value = "" }) => {
    if (name !== "mount" || !/(?:^|,)type=secret(?:,|$)/.test(value)) return [];
    const variable = /(?:^|,)env=([^,]+)/.exec(value)?.[1];
    return variable === undefined ? [] : [variable];
  });
}

function argNote(at: StepConfiguration, name: string, origin: string): string {
  if (origin !== "ARG") return "";
  const setBy = at.args.find((one) => one.name === name)?.setBy;
  return setBy === "build-arg" ? ", by --build-arg" : setBy === "global" ? ", by the global ARG" : "";
}

function place(file: string, line: number | undefined): string {
  return line === undefined ? file : `${file}:${String(line)}`;
}

function listOf(words: readonly string[] | null | undefined): string | undefined {
  return words && words.length > 0 ? JSON.stringify(words) : undefined;
}
