import { resolve } from "node:path";
import { copyOut } from "../../../debugger/copy-out.js";
import { runAtStep } from "../../../debugger/run-at-step.js";
import type { FileStat } from "../../../engine/engine.js";
import { UsageError } from "../../../errors.js";
import { sourceLines } from "../error-text.js";
import { LineSanitizer, sanitizeLine } from "../sanitize.js";
import { formatBytes, formatCount } from "../style.js";
import type { DebuggerCommand } from "./command.js";

/** Commands that look at the state before the step: nothing runs for them but `exec`. */
export const lookCommands: readonly DebuggerCommand[] = [
  {
    name: "list",
    aliases: ["l"],
    usage: "list",
    summary: "show the Dockerfile around the step",
    help: "The lines around the step where the build stopped.",
    async run({ session, stopped, console }) {
      console.print(...sourceLines(session.build.dockerfile.source, stopped.step.instruction.range, console.style, 5));
      return "stay";
    },
  },
  {
    name: "ls",
    aliases: [],
    usage: "ls [PATH]",
    summary: "list a folder of the step's state",
    help: "Lists a folder, or a file, of the filesystem as it is before the step. Relative paths start at the step's working directory.",
    completesPaths: true,
    async run({ session, stopped, console, signal }, args) {
      const state = await session.build.before(stopped.step, { ...(signal ? { signal } : {}) });
      const path = absolute(args[0], state.config.WorkingDir);
      const entry = path === "/" ? undefined : await state.stat(path);
      const entries = entry && entry.type !== "directory" ? [entry] : await state.readDir(path);
      console.print(...entries.map(entryLine));
      return "stay";
    },
  },
  {
    name: "cat",
    aliases: [],
    usage: "cat PATH",
    summary: "print a file of the step's state",
    help: "Prints a file of the filesystem as it is before the step. Control characters are taken out; cp keeps them.",
    completesPaths: true,
    async run({ session, stopped, console, signal }, args) {
      if (args[0] === undefined) throw new UsageError("cat: which file?", { hint: "cat PATH" });
      const state = await session.build.before(stopped.step, { ...(signal ? { signal } : {}) });
      const text = new LineSanitizer({ colour: false });
      for await (const chunk of state.readFile(absolute(args[0], state.config.WorkingDir)))
        await console.printSlowly(text.push(chunk));
      await console.printSlowly(text.end());
      return "stay";
    },
  },
  {
    name: "cp",
    aliases: [],
    usage: "cp [-f] PATH DESTINATION",
    summary: "copy files out of the step's state to this machine",
    help: "Copies a file, a folder or a symlink of the state before the step. -f replaces files that exist.",
    completesPaths: true,
    async run({ session, stopped, console, signal }, args) {
      const force = args.includes("-f");
      const [path, destination] = args.filter((arg) => arg !== "-f");
      if (path === undefined || destination === undefined)
        throw new UsageError("cp: from where to where?", { hint: "cp [-f] PATH DESTINATION" });
      const state = await session.build.before(stopped.step, { ...(signal ? { signal } : {}) });
      const report = await copyOut(state, absolute(path, state.config.WorkingDir), resolve(destination), {
        force,
        ...(signal ? { signal } : {}),
      });
      console.print(`Copied ${formatCount(report.files, "file")}, ${formatBytes(report.bytes)}`);
      for (const skipped of report.skipped) console.print(`Left out: ${sanitizeLine(skipped)}`);
      return "stay";
    },
  },
  {
    name: "logs",
    aliases: [],
    usage: "logs [STEP]",
    summary: "print what a step printed",
    help: "The output of the step, or of another one by its number, as far as it is remembered (the last 2,000 lines).",
    async run({ session, stopped, console }, args) {
      const step = args[0] === undefined ? stopped.step : session.build.steps[Number(args[0]) - 1];
      if (!step)
        throw new UsageError(`logs: there is no step ${args[0] ?? ""}`, {
          hint: `Steps are 1 to ${String(session.build.steps.length)}.`,
        });
      const lines = session.logs.lines(step);
      if (lines.length === 0) console.print(`Step ${String(step.number)} printed nothing in this build`);
      console.print(...lines.map(({ text }) => sanitizeLine(text, { colour: console.style.colour })));
      return "stay";
    },
  },
  {
    name: "env",
    aliases: [],
    usage: "env",
    summary: "print the step's environment",
    help: "User, directory, shell and variables that the step's instruction has, build arguments in scope included. Secrets are never in it.",
    async run({ session, stopped, console, signal }) {
      await using container = await session.build.openContainer(stopped.step, {
        state: "clean",
        view: "inside",
        signal,
      });
      const { environment } = container;
      console.print(
        `user      ${sanitizeLine(environment.user || "root")}`,
        `directory ${sanitizeLine(environment.cwd)}`,
        `shell     ${sanitizeLine(environment.shell.join(" "))}`,
        ...environment.env.map((entry) => `${sanitizeLine(entry)}`),
      );
      return "stay";
    },
  },
  {
    name: "exec",
    aliases: ["x"],
    usage: "exec COMMAND",
    summary: "run a command in the step's environment and print its output",
    help: "Runs a command through the step's SHELL on the state before the step. What it changes is not kept.",
    async run({ session, stopped, console, signal }, _args, rest) {
      if (rest === "") throw new UsageError("exec: which command?", { hint: "exec COMMAND" });
      const out = new LineSanitizer({ colour: console.style.colour });
      const err = new LineSanitizer({ colour: console.style.colour });
      const output = {
        stdout: (data: Uint8Array) => console.print(...out.push(data)),
        stderr: (data: Uint8Array) => console.print(...err.push(data)),
      };
      const code = await runAtStep(session.build, stopped.step, rest, output, signal);
      console.print(...out.end(), ...err.end());
      if (code !== 0) console.print(console.style.dim(`exit code ${String(code)}`));
      return "stay";
    },
  },
];

/** A path of the state as people type it. */
export function absolute(path: string | undefined, directory: string | undefined): string {
  const base = directory ?? "/";
  if (path === undefined) return base;
  const parts: string[] = [];
  for (const part of (path.startsWith("/") ? path : `${base}/${path}`).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
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
  const bits = [...(entry.mode & 0o777).toString(2).padStart(9, "0")];
  const mode = bits.map((bit, index) => (bit === "1" ? ("rwx"[index % 3] ?? "") : "-")).join("");
  const link = entry.linkTarget === undefined ? "" : ` -> ${sanitizeLine(entry.linkTarget)}`;
  const slash = entry.type === "directory" ? "/" : "";
  const owner = `${String(entry.uid)}:${String(entry.gid)}`;
  return `${typeLetters[entry.type]}${mode} ${owner.padStart(9)} ${String(entry.size).padStart(10)} ${sanitizeLine(entry.name)}${slash}${link}`;
}
