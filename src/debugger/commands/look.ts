import { excerpt } from "../../dockerfile/excerpt.js";
import type { FileStat, Step, StepConfiguration } from "../../engine/engine.js";
import { cancellation, CancelledError, UsageError } from "../../errors.js";
import { attemptText } from "../card.js";
import { argsShown, configurationShown, expandText, lookUp, secretVariables, type Shown } from "../variables.js";
import { clippedText } from "../clipped-log.js";
import type { CommandContext, DebuggerCommand } from "./command.js";
import { tone, type Line } from "./io.js";
import { readingPath } from "./near-path.js";
import { refuseOptions, statePath, stepNamed, takeOption, type StatePath } from "./places.js";
import { StringDecoder } from "node:string_decoder";

const pathHelp =
  "Relative paths begin at the step's working directory. STEP:PATH looks at the state that another step made, --dirty at what the failed step left.";

/** Commands that look at the build: nothing runs for them. */
export const lookCommands: readonly DebuggerCommand[] = [
  {
    name: "list",
    aliases: ["l"],
    usage: "list [LINE|STEP]",
    summary: "show the Dockerfile around the step, or around a line",
    help: "A number is a line; other places are written as for break. The step that the session stands before is marked.",
    completes: ["spec"],
    async run(context, args) {
      const { session, stopped, io } = context;
      const [written] = args;
      const here = stopped.step.instruction.range;
      const marked = stopped.at === "after" ? undefined : here;
      const { attempt } = session;
      const tried: Line[] = attempt
        ? [[tone("dim", `  step ${String(attempt.step.number)}: ${attemptText(attempt.instead)}`)]]
        : [];
      const { source } = session.build.dockerfile;
      if (written === undefined)
        return io.print(...sourceLines(source, here, { marked, context: 5, width: io.width }), ...tried);
      const around = /^\d+$/.test(written)
        ? { start: { line: Number(written), column: 0 }, end: { line: Number(written), column: 0 } }
        : stepNamed(written, context).instruction.range;
      return io.print(...sourceLines(source, around, { marked, context: 5, width: io.width }), ...tried);
    },
  },
  {
    name: "info",
    aliases: [],
    usage: "info [STEP]",
    summary: "print where the session stands, and the image's configuration there",
    help: "USER, WORKDIR, SHELL, ENTRYPOINT, CMD, EXPOSE, VOLUME, LABEL, HEALTHCHECK, STOPSIGNAL and ONBUILD as they are before the step.",
    completes: ["spec"],
    async run(context, args) {
      const { step, at } = await configurationFor(context, args[0]);
      const needs = step.dependsOn.filter((number) => step.stageStep === 1 || number !== step.number - 1);
      const place = `${String(step.number)}/${String(step.total)} [${step.stage.label} ${String(step.stageStep)}/${String(step.stageTotal)}]`;
      const isBehind = args[0] === undefined && context.stopped.at === "after";
      const lines: [string, string][] = [
        ["step", `${isBehind ? "behind " : ""}${place} ${oneLine(step)}`],
        ["line", `${context.session.build.dockerfile.file}:${String(step.instruction.range.start.line)}`],
        ...(needs.length > 0 ? [["reads", `step ${needs.join(", ")}`] as [string, string]] : []),
        ...configurationShown(at),
      ];
      const width = Math.max(...lines.map(([name]) => name.length));
      await context.io.print(...lines.map(([name, value]): Line => [tone("dim", name.padEnd(width)), `  ${value}`]));
    },
  },
  {
    name: "print",
    aliases: ["p"],
    usage: "print NAME | TEXT",
    summary: "print a variable and where it comes from, or expand a text",
    takesText: true,
    help: "A text with $ in it is expanded as in an instruction: print ${VERSION%.*}. Values of secrets are never shown.",
    completes: ["variable"],
    async run(context, _args, rest) {
      const { session, stopped, io } = context;
      if (rest === "") throw new UsageError("print: what?", { hint: "print NAME, or print TEXT with $NAME in it." });
      const { at } = await configurationFor(context, undefined);
      if (rest.includes("$")) return io.print(expandText(rest, at, session.build.dockerfile.escape));
      return io.print(...table([lookUp(rest, stopped.step, at, session.build.dockerfile.file)]));
    },
  },
  {
    name: "env",
    aliases: [],
    usage: "env [STEP]",
    summary: "print the environment that the step's instruction has",
    help: "User, directory, shell and variables, build arguments in scope included. Values of secrets are never in it.",
    completes: ["spec"],
    async run(context, args) {
      const { step, at } = await configurationFor(context, args[0]);
      await context.io.print(
        [tone("dim", "user      "), at.user || "root"],
        [tone("dim", "directory "), at.cwd],
        [tone("dim", "shell     "), at.shell.join(" ")],
        ...at.runEnv,
        ...secretVariables(step).map((name) => `${name}=(secret)`),
      );
    },
  },
  {
    name: "args",
    aliases: [],
    usage: "args [STEP]",
    summary: "print the build arguments in scope, and what FROM lines see",
    help: "With their values, and whether --build-arg, the default or a global ARG gave them. At a FROM: the global ARGs and the platform arguments.",
    completes: ["spec"],
    async run(context, args) {
      const { session, io } = context;
      const { step, at } = await configurationFor(context, args[0]);
      const { build } = session;
      if (step.stageStep > 1) {
        const shown = argsShown(at, build.dockerfile.file);
        return io.print(...(shown.length === 0 ? ["No ARG is in scope here"] : table(shown)));
      }
      const lines = new Map(
        build.dockerfile.globalArgs.flatMap((arg) =>
          arg.args.map(({ text }) => [text.replace(/=.*$/s, ""), arg.range.start.line] as const),
        ),
      );
      return io.print(
        ...table(
          [...build.globals].map(([name, value]) => {
            const line = lines.get(name);
            const origin = line === undefined ? "platform" : `ARG, ${build.dockerfile.file}:${String(line)}`;
            return { name, value: JSON.stringify(value), origin };
          }),
        ),
      );
    },
  },
  {
    name: "ls",
    aliases: [],
    usage: "ls [--dirty] [[STEP:]PATH]",
    summary: "list a folder of the step's state",
    help: `Lists a folder, or a file, of the filesystem as it is before the step, as ls -la does, which is accepted too. ${pathHelp}`,
    completes: ["path"],
    options: ["--dirty"],
    async run(context, args) {
      const dirty = takeOption(args, "--dirty");
      // What they ask ls for is listed anyway.
      const rest = dirty.rest.filter((arg) => !/^-[laA]+$/.test(arg));
      refuseOptions("ls", rest, "ls [-la] [--dirty] [[STEP:]PATH]");
      const place = await statePath(rest[0], context, { dirty: dirty.found });
      const entries = await readingPath(place, context, (at) => listed(at, context.signal));
      await context.io.print(...entries.map(entryLine));
    },
  },
  {
    name: "cat",
    aliases: [],
    usage: "cat [--dirty] [STEP:]PATH",
    summary: "print a file of the step's state",
    help: `Prints a file of the filesystem as it is before the step. Control characters are taken out; cp keeps them. ${pathHelp}`,
    completes: ["path"],
    options: ["--dirty"],
    async run(context, args) {
      const dirty = takeOption(args, "--dirty");
      refuseOptions("cat", dirty.rest, "cat [--dirty] [STEP:]PATH");
      if (dirty.rest[0] === undefined) throw new UsageError("cat: which file?", { hint: "cat [--dirty] [STEP:]PATH" });
      const place = await statePath(dirty.rest[0], context, { dirty: dirty.found });
      await readingPath(place, context, ({ state, path }) => {
        const { signal } = context;
        const binary = (): UsageError =>
          new UsageError(`cat: ${path} is a binary file`, {
            hint: `\`cp ${args.join(" ")} .\` copies it to this machine.`,
          });
        return printText(state.readFile(path, signal ? { signal } : {}), context, binary);
      });
    },
  },
  {
    name: "logs",
    aliases: [],
    usage: "logs [STEP]",
    summary: "print what a step printed",
    help: "The output of the step, or of another one, as far as it is remembered: the last 2,000 lines, and of steps before the last four that printed something the last 100.",
    completes: ["spec"],
    async run(context, args) {
      const { session, stopped, io } = context;
      const step = args[0] === undefined ? stopped.step : stepNamed(args[0], context);
      const lines = session.logs.lines(step);
      if (lines.length === 0) return io.print(`Step ${String(step.number)} printed nothing in this build`);
      await io.print(...lines.map(({ text }): Line => [tone("output", text)]));
      const clipped = session.logs.clipped(step);
      if (clipped !== undefined)
        await io.print([tone("warn", clippedText(clipped, session.statusOf(step) === undefined))]);
    },
  },
];

/** The configuration at the stop, or before another step. */
async function configurationFor(
  context: CommandContext,
  written: string | undefined,
): Promise<{ step: Step; at: StepConfiguration }> {
  const { session, stopped, signal } = context;
  const step = written === undefined ? stopped.step : stepNamed(written, context);
  const when = written === undefined ? stopped.at : "before";
  return { step, at: await session.build.configuration(step, when, signal ? { signal } : {}) };
}

/** Lines of a Dockerfile around a range, the instruction where the session stands marked, each at most `width` columns. */
export function sourceLines(
  source: string,
  around: Parameters<typeof excerpt>[1],
  options: {
    /** Undefined: no line is. */
    readonly marked: { readonly start: { readonly line: number }; readonly end: { readonly line: number } } | undefined;
    readonly context: number;
    readonly width: number;
  },
): Line[] {
  const { marked, context } = options;
  const gutter = 6 + String(source.split("\n").length).length;
  const shown = excerpt(source, around, { context, width: Math.max(8, options.width - gutter) });
  const digits = String(shown.at(-1)?.line ?? 1).length;
  return shown.map(({ line, text }): Line => {
    const isHere = marked !== undefined && marked.start.line <= line && line <= marked.end.line;
    const number = String(line).padStart(digits);
    return [
      tone(isHere ? "bad" : "plain", isHere ? " ▸ " : "   "),
      `${number} `,
      tone("dim", "│"),
      tone(isHere ? "bold" : "plain", text === "" ? "" : ` ${text}`),
    ];
  });
}

/** What `ls` lists: what a folder has in it, also behind a symlink, else the path itself. */
async function listed({ state, path }: StatePath, signal: AbortSignal | undefined): Promise<readonly FileStat[]> {
  const options = signal ? { signal } : {};
  const entry = path === "/" ? undefined : await state.stat(path, options);
  if (!entry || entry.type === "directory") return state.readDir(path, options);
  return (entry.type === "symlink" ? await folderBehind(state, path, options) : undefined) ?? [entry];
}

/** What a symlink to a folder has in it; undefined where it is none. */
async function folderBehind(
  state: StatePath["state"],
  path: string,
  options: { signal?: AbortSignal },
): Promise<readonly FileStat[] | undefined> {
  try {
    return await state.readDir(path, options);
  } catch (error) {
    if (error instanceof CancelledError) throw error;
    return undefined;
  }
}

/** Prints bytes as lines as they come; what is no line yet waits. Rejects with `binary` where they are no text. */
async function printText(
  stream: AsyncIterable<Uint8Array>,
  { io, signal }: CommandContext,
  binary: () => Error,
): Promise<void> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  let isFirst = true;
  for await (const chunk of stream) {
    if (signal?.aborted) throw cancellation(signal);
    // As git and grep tell them.
    if (isFirst && chunk.includes(0)) throw binary();
    isFirst = false;
    const lines = (rest + decoder.write(Buffer.from(chunk))).split("\n");
    rest = lines.pop() ?? "";
    if (lines.length > 0) await io.print(...lines);
  }
  rest += decoder.end();
  if (rest !== "") await io.print(rest);
}

function table(rows: readonly Shown[]): Line[] {
  const names = Math.max(0, ...rows.map(({ name }) => name.length));
  const values = Math.min(40, Math.max(0, ...rows.map(({ value }) => value.length)));
  return rows.map(({ name, value, origin }): Line => [
    `${name.padEnd(rows.length > 1 ? names : 0)} = ${value.padEnd(values)}  `,
    tone("dim", origin),
  ]);
}

function oneLine({ instruction }: Step): string {
  return instruction.text.replaceAll(/\s+/g, " ");
}

const typeLetters: Readonly<Record<FileStat["type"], string>> = {
  file: "-",
  directory: "d",
  symlink: "l",
  fifo: "p",
  socket: "s",
  character: "c",
  block: "b",
};

function entryLine(entry: FileStat): string {
  const link = entry.linkTarget === undefined ? "" : ` -> ${entry.linkTarget}`;
  const slash = entry.type === "directory" ? "/" : "";
  const owner = `${String(entry.uid)}:${String(entry.gid)}`;
  return `${modeText(entry)} ${owner.padStart(9)} ${String(entry.size).padStart(10)} ${entry.name}${slash}${link}`;
}

/** `-rwsr-xr-t`, as ls writes it. */
export function modeText({ type, mode }: Pick<FileStat, "type" | "mode">): string {
  const letters = [6, 3, 0].map((shift, index) => {
    const bits = (mode >> shift) & 7;
    const special = (mode & (0o4000 >> index)) !== 0;
    const executable = (bits & 1) !== 0;
    const [both = "", alone = ""] = index === 2 ? ["t", "T"] : ["s", "S"];
    const last = special ? (executable ? both : alone) : executable ? "x" : "-";
    return `${bits & 4 ? "r" : "-"}${bits & 2 ? "w" : "-"}${last}`;
  });
  return `${typeLetters[type]}${letters.join("")}`;
}
