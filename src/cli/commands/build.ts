import { open } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Watch } from "../../debugger/commands/loop.js";
import { Script } from "../../debugger/commands/script.js";
import { DebugSession } from "../../debugger/session.js";
import type { SessionResult } from "../../debugger/state.js";
import type { BuildEngine, BuildRequest } from "../../engine/engine.js";
import { errorMessage, UsageError } from "../../errors.js";
import type { TerminalOptions } from "../../frontends/terminal/terminal-options.js";
import type { BuildFlags } from "../build-flags.js";
import { buildRequest } from "../build-request.js";
import { ConnectedEngine } from "../connect.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";
import { ResultFiles } from "../result-files.js";
import { reopenTerminal } from "../standard-input.js";

/** `dfdebug build`. Resolves with the exit code of DESIGN.md's contract: 0 built, 1 failed, 130 interrupted. */
export async function runBuild(path: string, flags: BuildFlags, engineFlags: EngineFlags, io: CliIo): Promise<number> {
  checkFlags(path, flags);
  const files = await ResultFiles.check(flags, io.cwd);
  const script = await scriptOf(path, flags, io);
  await using connected = new ConnectedEngine(engineFlags, io, flags.toolbox);
  // The engine is connected while the Dockerfile is read; what is wrong with the Dockerfile is said first.
  const connecting = connected.buildkit();
  connecting.catch(() => undefined);
  const request: BuildRequest = {
    ...(await buildRequest(path, flags, io, () => connected.toolbox())),
    opensFailures: onFailure(flags, io) !== "report" || (flags.exec ?? []).length > 0,
  };
  await files.begin();
  const engine = await connecting;
  await using build = await engine.open(request, { signal: io.signal });
  await using session = new DebugSession(build, {
    signal: io.signal,
    dockerfilePath: request.dockerfilePath,
    keepAs: flags.keepSteps === undefined ? undefined : stepsName(flags.keepSteps, request),
  });
  // A place that does not exist is said before anything is built.
  for (const spec of flags.break ?? []) session.breakpoints.add(spec, build);
  await using watcher = flags.watch
    ? await import("../watch.js").then(({ BuildWatcher }) => BuildWatcher.open(request))
    : undefined;
  const watch: Watch | undefined = watcher && ((signal, known) => watcher.next(signal, known));
  const lendTerminal: TerminalOptions["lendTerminal"] = (lend) => (connected.asking = lend);
  const result = await runFrontEnd(session, flags, engine, { script, watch, lendTerminal }, io);
  if (script && !script.isUsed && result.status === "built" && flags.commands !== undefined)
    io.stderr.write(`The commands in ${script.name} were not run: the build did not stop (-b and --step stop it)\n`);
  switch (result.status) {
    case "built":
      await files.write(result.image);
      if (flags.quiet) io.stdout.write(`${result.image.imageId}\n`);
      return 0;
    case "failed":
      return 1;
    case "cancelled":
      return 130;
    case "error":
      throw result.error;
  }
}

/** Combinations that make no sense are refused before anything is done. */
function checkFlags(path: string, flags: BuildFlags): void {
  if (flags.quiet && flags.progress === "json")
    throw new UsageError("--quiet and --progress=json both want standard output");
  if (flags.commands === "-" && (path === "-" || flags.file === "-"))
    throw new UsageError("Standard input cannot be both the commands and what is built");
}

/** What a session gets from elsewhere than a keyboard, and who else wants that. */
interface Inputs {
  readonly script: Script | undefined;
  readonly watch: Watch | undefined;
  readonly lendTerminal: TerminalOptions["lendTerminal"];
}

function runFrontEnd(
  session: DebugSession,
  flags: BuildFlags,
  engine: BuildEngine,
  inputs: Inputs,
  io: CliIo,
): Promise<SessionResult> {
  return flags.progress === "json"
    ? runJson(session, flags, engine, inputs, io)
    : runTerminal(session, flags, inputs, io);
}

/**
 * Debugger commands that nobody types: the file of -x; without a terminal standard input, where a stop was asked for and
 * no --exec says what is to be done there.
 */
async function scriptOf(path: string, flags: BuildFlags, io: CliIo): Promise<Script | undefined> {
  const { commands } = flags;
  if (commands !== undefined && commands !== "-")
    return new Script(linesOf(await openCommands(commands, io.cwd), commands), { name: commands, strict: true });
  const name = "standard input";
  const script = (): Script => new Script(linesOf(io.stdin, name), { name, strict: false });
  if (commands === "-") return script();
  const wantsStop = flags.step === true || (flags.break ?? []).length > 0;
  const isFree = path !== "-" && flags.file !== "-" && (flags.exec ?? []).length === 0;
  if (!wantsStop || !isFree || io.stdin.isTTY) return undefined;
  return script();
}

/** The file of -x, open: what cannot be read is refused before anything is built. Rejects with UsageError. */
async function openCommands(name: string, cwd: string): Promise<Readable> {
  const file = await open(resolve(cwd, name)).catch((error: unknown) => {
    throw unreadable(name, (error as NodeJS.ErrnoException).code, error);
  });
  // A folder can be opened, and fails at the first read only.
  if ((await file.stat()).isDirectory()) {
    await file.close();
    throw unreadable(name, "EISDIR");
  }
  return file.createReadStream();
}

async function* linesOf(stream: Readable, name: string): AsyncGenerator<string, undefined> {
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) yield line;
  } catch (error) {
    throw unreadable(name, (error as NodeJS.ErrnoException).code, error);
  }
  return undefined;
}

function unreadable(name: string, code: string | undefined, cause?: unknown): UsageError {
  const why = unreadableFor[code ?? ""] ?? code ?? errorMessage(cause);
  return new UsageError(`Debugger commands cannot be read from ${name || "a file without a name"}: ${why}`, {
    hint: "-x FILE: one debugger command a line; -x - reads them from standard input.",
    cause,
  });
}

/** Why a file cannot be read, by the system's code. */
const unreadableFor: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EISDIR: "it is a folder",
  EACCES: "you have no right to read it",
  EPERM: "you have no right to read it",
};

async function runJson(
  session: DebugSession,
  flags: BuildFlags,
  engine: BuildEngine,
  inputs: Inputs,
  io: CliIo,
): Promise<SessionResult> {
  const { runJsonFrontEnd } = await import("../../frontends/json/json-front-end.js");
  return runJsonFrontEnd(session, {
    output: io.stdout,
    engine: { kind: engine.kind, version: engine.version },
    execCommands: flags.exec ?? [],
    entry: flags.step === true,
    ...inputs,
    signal: io.signal,
  });
}

async function runTerminal(
  session: DebugSession,
  flags: BuildFlags,
  inputs: Inputs,
  io: CliIo,
): Promise<SessionResult> {
  const { runTerminalFrontEnd } = await import("../../frontends/terminal/terminal-front-end.js");
  const isTerminal = hasTerminal(io);
  if (flags.progress === "tty" && !io.stderr.isTTY)
    throw new UsageError("--progress=tty needs a terminal on standard error");
  if ((flags.onFailure === "shell" || flags.onFailure === "prompt") && !isTerminal)
    throw new UsageError(`--on-failure=${flags.onFailure} needs a terminal`, {
      hint: "Elsewhere --exec CMD runs a command at the failing step, and -x FILE debugger commands.",
    });
  return runTerminalFrontEnd(session, {
    onFailure: onFailure(flags, io),
    progress: flags.quiet ? "quiet" : flags.progress === "plain" || !io.stderr.isTTY ? "plain" : "tty",
    get stdin() {
      return io.stdin;
    },
    get stdout() {
      return io.stdout;
    },
    stderr: io.stderr,
    isTerminal,
    env: io.env,
    signal: io.signal,
    entry: flags.step === true,
    ...inputs,
    execCommands: flags.exec ?? [],
    reopenStdin: reopenTerminal,
    raise: (name) => io.raise(name),
    onInterrupt: (handler) => io.takeSignals(["INT"], handler),
  });
}

/** Somebody reads the messages, and can answer. */
function hasTerminal(io: CliIo): boolean {
  return io.stderr.isTTY && io.stdin.isTTY;
}

function onFailure(flags: BuildFlags, io: CliIo): "shell" | "prompt" | "report" {
  const asks = hasTerminal(io) && !flags.quiet && flags.progress !== "json" && (flags.exec ?? []).length === 0;
  return flags.onFailure ?? (asks ? "shell" : "report");
}

/** The name that --keep-steps tags under: its value, or dfdebug/<context folder>. */
function stepsName(value: string | true, request: BuildRequest): string {
  if (value !== true) return value;
  const folder = request.context.kind === "directory" ? basename(request.context.path) : "context";
  const name = folder
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "");
  return `dfdebug/${name || "context"}`;
}
