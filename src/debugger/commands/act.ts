import { resolve } from "node:path";
import { cancellation, UsageError } from "../../errors.js";
import { copyOut } from "../copy-out.js";
import { formatBytes, formatCount } from "../format.js";
import { runAtStep } from "../run-at-step.js";
import type { DebuggerCommand } from "./command.js";
import { offerFix } from "./change.js";
import { tone } from "./io.js";
import { openShell } from "./open-shell.js";
import { refuseOptions, statePath, takeOption } from "./places.js";
import { runCommand } from "./run-image.js";
import { StreamPrinter } from "./stream-printer.js";

/** Commands that run something at the step, or take something out of it. */
export const actCommands: readonly DebuggerCommand[] = [
  {
    name: "shell",
    aliases: ["sh"],
    usage: "shell [--dirty]",
    summary: "open a shell at the step, its instruction typed",
    options: ["--dirty"],
    help: "A container on the state before the step (at the end: on the final one), in the step's exact environment. --dirty opens what the failed step left behind instead. What you change there is not kept.",
    async run(context, args) {
      const dirty = takeOption(args, "--dirty");
      refuseOptions("shell", dirty.rest, "shell [--dirty]");
      const outcome = await openShell(context, { dirty: dirty.found, outside: false });
      await offerFix(context, outcome);
    },
  },
  {
    name: "toolbox",
    aliases: ["tb"],
    usage: "toolbox [--dirty]",
    summary: "open the toolbox with the step's filesystem at /target",
    options: ["--dirty"],
    help: "The outside view: the toolbox's own root, with everything that is installed there, and the state before the step at /target.",
    async run(context, args) {
      const dirty = takeOption(args, "--dirty");
      refuseOptions("toolbox", dirty.rest, "toolbox [--dirty]");
      await openShell(context, { dirty: dirty.found, outside: true });
    },
  },
  {
    name: "exec",
    aliases: ["x"],
    usage: "exec [--dirty] COMMAND",
    summary: "run a command in the step's environment and print its output",
    takesText: true,
    options: ["--dirty"],
    help: "Runs a command through the step's SHELL on the state before the step, or with --dirty on what the failed step left. What it changes is not kept.",
    async run(context, _args, rest) {
      const { session, stopped, io, signal } = context;
      const dirty = /^--dirty\s+/.exec(rest);
      const command = dirty ? rest.slice(dirty[0].length) : rest;
      if (command === "") throw new UsageError("exec: which command?", { hint: "exec [--dirty] COMMAND" });
      const state = dirty ? "dirty" : stopped.at === "after" ? "after" : "clean";
      const printer = new StreamPrinter(io);
      const code = await runAtStep(session.build, stopped.step, command, printer, { signal, state });
      await printer.end();
      if (signal?.aborted) throw cancellation(signal);
      if (code !== 0) await io.print([tone("dim", `exit code ${String(code)}`)]);
    },
  },
  runCommand,
  {
    name: "cp",
    aliases: [],
    usage: "cp [-f] [--dirty] [STEP:]PATH DESTINATION",
    summary: "copy files out of a step's state to this machine",
    help: "Copies a file, a folder or a symlink of the state before the step, of another step's (STEP:PATH), or with --dirty of what the failed step left. -f replaces files that exist.",
    completes: ["path"],
    options: ["-f", "--dirty"],
    async run(context, args) {
      const force = takeOption(args, "-f");
      const dirty = takeOption(force.rest, "--dirty");
      const usage = "cp [-f] [--dirty] [STEP:]PATH DESTINATION";
      refuseOptions("cp", dirty.rest, usage);
      const [written, destination] = dirty.rest;
      if (written === undefined || destination === undefined)
        throw new UsageError("cp: from where to where?", { hint: usage });
      if (destination === "-")
        throw new UsageError("cp: there is no standard output to copy to here", {
          hint: "cat prints a file; ./- is a file of that name.",
        });
      const { state, path } = await statePath(written, context, { dirty: dirty.found });
      const report = await copyOut(state, path, resolve(destination), {
        force: force.found,
        ...(context.signal ? { signal: context.signal } : {}),
      });
      await context.io.print(
        `Copied ${formatCount(report.files, "file")}, ${formatBytes(report.bytes)}`,
        ...report.skipped.map((skipped) => `Left out: ${skipped}`),
      );
    },
  },
  {
    name: "save",
    aliases: [],
    usage: "save NAME",
    summary: "make an image of the step's state",
    help: "Tags the state at the stop as an image that docker run can use.",
    async run({ session, stopped, io, signal }, args) {
      const [name] = args;
      if (name === undefined) throw new UsageError("save: under which name?", { hint: "save NAME[:TAG]" });
      const id = await session.build.saveImage(await session.here(stopped, signal), name, signal ? { signal } : {});
      await io.print(`Saved ${id.slice(0, 19)} as ${name}`);
    },
  },
];
