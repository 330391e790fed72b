import { SessionStateError } from "../../errors.js";
import { startCommand } from "../variables.js";
import type { CommandContext, DebuggerCommand } from "./command.js";
import { tone } from "./io.js";
import { StreamPrinter } from "./stream-printer.js";

/** Starts the finished image, before there is one. */
export const runCommand: DebuggerCommand = {
  name: "run",
  aliases: [],
  usage: "run [ARG...]",
  summary: "at the end: start the image's ENTRYPOINT as docker run would",
  help: "With the image's user, directory and environment. ARGs take the place of CMD. Its output is printed; on a terminal it has the keyboard.",
  run: (context, args) => runImage(context, args),
};

async function runImage(context: CommandContext, args: readonly string[]): Promise<void> {
  const { session, stopped, io, signal } = context;
  if (stopped.at !== "after")
    throw new SessionStateError("run: the image is not finished yet", {
      hint: "`until end` builds it, then run starts it.",
    });
  const { config } = await session.build.configuration(stopped.step, "after");
  const argv = args.length > 0 ? [...(config.Entrypoint ?? []), ...args] : startCommand(config);
  if (argv.length === 0)
    throw new SessionStateError("run: the image has neither ENTRYPOINT nor CMD", { hint: "run COMMAND [ARG...]" });
  await using container = await session.build.openContainer(stopped.step, { state: "after", view: "inside", signal });
  await io.print([
    tone("dim", `Running ${argv.map((word) => (/^[\w./:=@-]+$/.test(word) ? word : JSON.stringify(word))).join(" ")}`),
  ]);
  if (io.interactive) {
    const code = await io.interactive.run(container, argv, signal);
    if (code !== 0) await io.print([tone("dim", `exit code ${String(code)}`)]);
    return;
  }
  const process = await container.exec({ argv, signal });
  const printer = new StreamPrinter(io);
  process.stdout.on("data", (data: Uint8Array) => printer.stdout(data));
  process.stderr.on("data", (data: Uint8Array) => printer.stderr(data));
  const code = await process.exited;
  await printer.end();
  if (code !== 0) await io.print([tone("dim", `exit code ${String(code)}`)]);
}
