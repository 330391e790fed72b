import { posix } from "node:path";
import { Readable } from "node:stream";
import type { ContainerInfo, Containers, ExecSpec, RunningExec, TerminalSize } from "../../docker/containers.js";
import { pathExists } from "../../docker/path-exists.js";
import { ContainerError, DfdebugError, UsageError } from "../../errors.js";
import { sanitizeLine } from "../../frontends/terminal/sanitize.js";
import { log } from "../../log.js";
import type { SidecarProcess } from "../../sidecar/sidecar.js";
import { nameOf } from "../../sidecar/target.js";
import type { CliIo } from "../io.js";
import { readerGone } from "../output.js";
import type { EngineFlags } from "../program.js";
import { environmentEntries } from "../option-values.js";
import { relayStreams, type Outcome } from "./relay.js";
import { relayTerminal } from "./relay-terminal.js";
import { findContainer, requireRunning, withContainers } from "./with-containers.js";

export interface ExecFlags {
  readonly detach?: boolean;
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly user?: string;
  readonly workdir?: string;
  readonly env: readonly string[];
  readonly privileged?: boolean;
  readonly detachKeys?: string;
}

/**
 * `dfdebug exec`: a command in the container itself, with its own files and programs. Resolves with the command's exit code;
 * 126 and 127 where it could not be executed or found. Rejects with ContainerError (125) or EngineError.
 */
export function runExec(
  name: string,
  argv: readonly string[],
  flags: ExecFlags,
  engineFlags: EngineFlags,
  io: CliIo,
): Promise<number> {
  // As docker: the engine would take the end of such an input for the end of all, and leave the command running.
  if (flags.tty === true && flags.interactive === true && !io.stdin.isTTY)
    throw new UsageError("exec -it: standard input is no terminal", {
      hint: "Leave out -t: a terminal is given by itself where there is one.",
    });
  return withContainers(engineFlags, io, async (containers) => {
    const info = await findContainer(containers, name, io);
    requireRunning(info, 125);
    if (flags.detach === true) return await startDetached(containers, info, argv, flags, io);
    // docker exec -it, without having to say so.
    const isTerminal = io.stdin.isTTY && io.stdout.isTTY && flags.tty !== false;
    const spec: ExecSpec = {
      argv,
      tty: isTerminal || flags.tty === true ? sizeOf(io) : undefined,
      stdin: isTerminal || flags.interactive === true,
      ...asked(flags, io),
      env: [...environmentEntries(flags.env, io.env), ...(isTerminal ? termOf(io.env) : [])],
    };
    const exec = await start(containers, info, spec);
    const process = { exec, kill: (signal: string) => void forward(containers, info, exec, signal, io) };
    const outcome = isTerminal
      ? await relayTerminal(process, io)
      : await relayStreams(process, spec.stdin ? io : withoutInput(io));
    if (outcome.kind === "code" && (await neverStarted(outcome, exec)))
      return await whyNotStarted(outcome.code, containers, info, spec, io);
    return await exitCode(outcome, exec, info, io);
  });
}

/** What the options say of a process, however it is started. */
function asked(flags: ExecFlags, io: CliIo): Omit<ExecSpec, "argv"> {
  const { user, workdir: cwd, privileged, detachKeys } = flags;
  return { env: environmentEntries(flags.env, io.env), user, cwd, privileged, detachKeys };
}

/**
 * docker exec -d: 0 as soon as it runs; -i means nothing then. What cannot be started has the exit codes of a command that was
 * waited for, where docker's is 1.
 */
async function startDetached(
  containers: Containers,
  info: ContainerInfo,
  argv: readonly string[],
  flags: ExecFlags,
  io: CliIo,
): Promise<number> {
  const spec = { ...asked(flags, io), argv, detached: true, tty: flags.tty === true ? sizeOf(io) : undefined };
  const prepared = await started(info, spec, () => containers.createExec(info.Id, spec));
  try {
    await started(info, spec, () => prepared.startDetached());
    return 0;
  } catch (error) {
    const code = error instanceof ContainerError ? await prepared.exitCode().catch(() => undefined) : undefined;
    if (!(error instanceof ContainerError) || (code !== 126 && code !== 127)) throw error;
    if ((await whyNotStarted(code, containers, info, spec, io)) === 127) return 127;
    throw new ContainerError(error.message, { code: error.code, cause: error }, code);
  }
}

function sizeOf(io: CliIo): TerminalSize {
  return { columns: io.stdout.columns || 80, rows: io.stdout.rows || 24 };
}

/** The engine sets TERM=xterm for every terminal; this one's own is better. */
function termOf(env: NodeJS.ProcessEnv): string[] {
  return env["TERM"] === undefined ? [] : [`TERM=${env["TERM"]}`];
}

function start(containers: Containers, info: ContainerInfo, spec: ExecSpec): Promise<RunningExec> {
  return started(info, spec, async () => (await containers.createExec(info.Id, spec)).start());
}

/** What the engine refuses to `start` is a ContainerError, 125. */
async function started<T>(info: ContainerInfo, spec: ExecSpec, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if (!(error instanceof DfdebugError) || !["CONFLICT", "ENGINE_REFUSED", "NOT_FOUND"].includes(error.code))
      throw error;
    const name = nameOf(info);
    throw new ContainerError(
      `${spec.argv[0] ?? ""} could not be started in ${name}: ${error.message}`,
      {
        code: "EXEC_START",
        cause: error,
        hint: info.State.Paused
          ? `It is paused: dfdebug unpause ${name}, or dfdebug debug ${name}, which works beside a paused container.`
          : undefined,
      },
      125,
    );
  }
}

/** Without -i a command has no input: a script's own input is not eaten by it. */
function withoutInput(io: CliIo): CliIo {
  return { ...io, stdin: Readable.from([]) as unknown as CliIo["stdin"] };
}

/** The Engine API cannot signal what an exec started, so a helper does on the engine's machine. */
async function forward(
  containers: Containers,
  info: ContainerInfo,
  exec: SidecarProcess["exec"],
  signal: string,
  io: CliIo,
): Promise<void> {
  try {
    const hostPid = await exec.hostPid();
    if (hostPid === 0) return;
    const [{ signalProcess }, { resolveToolboxImage }, { chooseToolbox, toolboxOptions }] = await Promise.all([
      import("../../sidecar/signal.js"),
      import("../../sidecar/toolbox.js"),
      import("../toolbox.js"),
    ]);
    const choice = await chooseToolbox({ name: "--image", value: undefined }, io);
    const toolbox = await resolveToolboxImage(toolboxOptions(choice, containers.connection, io));
    await signalProcess(containers, toolbox, { info, hostPid, signal });
  } catch (error) {
    // The next signal tries again, and the third ends the waiting.
    log("exec", "a signal could not be sent", { signal, error: String(error) });
  }
}

/** A command that ended with 126 or 127 by itself had a process. */
async function neverStarted(outcome: { code: number }, exec: RunningExec): Promise<boolean> {
  return (outcome.code === 126 || outcome.code === 127) && (await exec.hostPid().catch(() => -1)) === 0;
}

/** Engines say 126 for both; a shell's 127 is for what is not there. The engine's own message was shown already. */
async function whyNotStarted(
  code: number,
  containers: Containers,
  info: ContainerInfo,
  spec: ExecSpec,
  io: CliIo,
): Promise<number> {
  const [program = "", ...args] = spec.argv;
  const env = [...((info.Config.Env as string[] | null) ?? []), ...(spec.env ?? [])];
  const path = env.findLast((entry) => entry.startsWith("PATH="))?.slice("PATH=".length) ?? defaultPath;
  const cwd = spec.cwd ?? (info.Config.WorkingDir || "/");
  const places = program.includes("/")
    ? [posix.resolve("/", cwd, program)]
    : path.split(":").map((folder) => posix.resolve("/", folder, program));
  for (const place of places) if (await pathExists(containers.connection, info.Id, place)) return code;
  const name = nameOf(info);
  const command = [program, ...args].join(" ");
  io.stderr.write(
    `${sanitizeLine(`${name} has no ${program}. With the toolbox's: dfdebug debug ${name} -- ${command}`)}\n`,
  );
  return 127;
}

/** docker's own for containers whose image has none. */
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

async function exitCode(outcome: Outcome, exec: RunningExec, info: ContainerInfo, io: CliIo): Promise<number> {
  switch (outcome.kind) {
    case "quit":
      return 0;
    case "reader gone":
      return readerGone;
    case "lost":
      // It runs on where the user left with the detach keys, and is gone with its container.
      if ((await exec.hostPid().catch(() => 0)) !== 0) return 0;
      io.stderr.write(`${nameOf(info)} ended, and the command with it.\n`);
      return 137;
    case "code":
      return outcome.code;
  }
}
