import { fstatSync, statSync } from "node:fs";
import { CancelledError } from "../../errors.js";
import { entersMounts } from "../../sidecar/rights.js";
import { requestsLeft } from "../../docker/dial.js";
import type { SoleCommand, TerminalCommand, TerminalProcess } from "../../sidecar/sidecar.js";
import { staticToolboxImage } from "../../sidecar/toolbox.js";
import type { DebugFlags } from "../debug-flags.js";
import type { CliIo } from "../io.js";
import { readerGone } from "../output.js";
import type { EngineFlags } from "../program.js";
import { DebugTarget } from "./debug-target.js";
import type { DebugPrompt } from "./debug-prompt.js";
import type { Outcome } from "./relay.js";

/** `dfdebug debug`. Resolves with the command's exit code. Rejects with UsageError, ContainerError (125) or EngineError. */
export async function runDebug(
  name: string | undefined,
  argv: readonly string[],
  flags: DebugFlags,
  engineFlags: EngineFlags,
  io: CliIo,
): Promise<number> {
  await using target = await DebugTarget.open(name, flags, engineFlags, io).catch((error: unknown) => {
    // Who leaves the list of containers knows that none was chosen.
    if (name === undefined && error instanceof CancelledError) return undefined;
    throw error;
  });
  if (!target) return new CancelledError().exitCode;
  if (flags.explain) {
    const { explain } = await import("./debug-explain.js");
    const { wrapText } = await import("../../frontends/terminal/width.js");
    io.stdout.write(wrapText(explain(target, flags.user), io.stdout));
    return 0;
  }
  const wasLive = target.isLive;
  if (!wasLive) await reportLastRun(target, io);
  // As docker exec -it: a terminal only where both ends are one.
  const isTerminal = io.stdin.isTTY && io.stdout.isTTY;
  const view = flags.inside ? "inside" : "outside";
  const command = { argv, view, cwd: flags.workdir, user: flags.user } as const;
  // One process is started with its sidecar; a second one in a running sidecar costs as much again, but has any user.
  const isSole = flags.user === undefined || view === "inside";
  if (isTerminal) return await onTerminal(target, command, { isSole, wasLive, engineFlags, io });
  const relay = requestsLeft().then(() => import("./relay.js"));
  if (isSole && argv.length > 0 && hasNoInput()) {
    const [process, { relayStreams }] = await Promise.all([target.run(command), relay]);
    if (wasLive && !target.isLive) await reportLastRun(target, io);
    return finish(target, await relayStreams(process, io), io);
  }
  const [sidecar, { relayStreams }] = await Promise.all([target.sidecar(), relay]);
  if (wasLive && !target.isLive) await reportLastRun(target, io);
  return finish(target, await relayStreams(await sidecar.exec(command), io), io);
}

/** A shell, or a command, at the user's terminal. */
async function onTerminal(
  target: DebugTarget,
  what: SoleCommand,
  options: { isSole: boolean; wasLive: boolean; engineFlags: EngineFlags; io: CliIo },
): Promise<number> {
  const { isSole, wasLive, engineFlags, io } = options;
  const tty = { columns: io.stdout.columns, rows: io.stdout.rows };
  const command = { ...what, tty, env: terminalEnvironment(io.env) };
  const starting = isSole ? target.runTerminal(command) : startBeside(target, command);
  const [process, { relayTerminal }] = await Promise.all([
    starting,
    requestsLeft().then(() => import("./relay-terminal.js")),
  ]);
  if (wasLive && !target.isLive) await reportLastRun(target, io);
  if (what.argv.length === 0) io.stderr.write(welcome(target, what.view));
  const ended = new AbortController();
  void process.ended.then(() => ended.abort());
  let opened: DebugPrompt | undefined;
  const outcome = await relayTerminal(process, io, async (terminal) => {
    const { DebugPrompt } = await import("./debug-prompt.js");
    opened ??= new DebugPrompt({ container: target.name, terminal, engineFlags, io, ended: ended.signal });
    io.stdout.write("\r\n");
    return opened.open();
  });
  return finish(target, outcome, io);
}

async function startBeside(
  target: DebugTarget,
  command: TerminalCommand,
): Promise<Pick<TerminalProcess, "exec" | "ended">> {
  const sidecar = await target.sidecar();
  return { ...(await sidecar.exec(command)), ended: sidecar.ended };
}

async function reportLastRun(target: DebugTarget, io: CliIo): Promise<void> {
  const { describeLastRun } = await import("./debug-last-run.js");
  const { wrapText } = await import("../../frontends/terminal/width.js");
  io.stderr.write(wrapText(await describeLastRun(target), io.stderr));
}

/** The exit code; says what became of the target where it took the session along. */
async function finish(target: DebugTarget, outcome: Outcome, io: CliIo): Promise<number> {
  if (outcome.kind === "code" && outcome.code !== 137) return outcome.code;
  if (outcome.kind === "reader gone") return readerGone;
  if (outcome.kind === "quit") return 0;
  const end = await target.end();
  if (end !== undefined) {
    io.stderr.write(`${end}\n`);
    return 137;
  }
  return outcome.kind === "code" ? outcome.code : 137;
}

/** Standard input is /dev/null, or an empty file: nothing will ever come. */
function hasNoInput(): boolean {
  try {
    const input = fstatSync(0);
    return input.isFile() ? input.size === 0 : input.isCharacterDevice() && input.rdev === statSync("/dev/null").rdev;
  } catch {
    return false;
  }
}

function welcome(target: DebugTarget, view: "inside" | "outside"): string {
  const live = target.isLive ? ", its processes and network are here" : "";
  const where = view === "inside" ? "/" : "/target";
  const mounts =
    view === "inside" && !entersMounts(target.request)
      ? "df and mount see no mounts here: --cap-add SYS_ADMIN lets them.\n"
      : "";
  const kept = target.isLive ? "" : "They are a copy: what is changed outside of volumes is gone with the session.\n";
  const tools =
    target.toolbox.name === staticToolboxImage
      ? "Tools: busybox's. `dfdebug toolbox build` makes more: bash, strace, gdb, curl.\n"
      : "";
  return `${target.name}: its files are at ${where}${live}.\n${kept}${mounts}${tools}Ctrl-] opens the (dfdebug) prompt, exit leaves.\n`;
}

/** What programs on this terminal go by. */
function terminalEnvironment(env: NodeJS.ProcessEnv): string[] {
  return ["TERM", "COLORTERM"].flatMap((name) => (env[name] === undefined ? [] : [`${name}=${env[name]}`]));
}
