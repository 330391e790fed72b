import type { SidecarCommand } from "../../sidecar/sidecar.js";
import type { DebugFlags } from "../debug-flags.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";
import { DebugTarget } from "./debug-target.js";
import { explain } from "./debug-explain.js";
import { relayStreams, relayTerminal } from "./relay.js";

/** `dfdebug debug`. Resolves with the command's exit code. Rejects with UsageError, ContainerError (125) or EngineError. */
export async function runDebug(
  name: string | undefined,
  argv: readonly string[],
  flags: DebugFlags,
  engineFlags: EngineFlags,
  io: CliIo,
): Promise<number> {
  await using target = await DebugTarget.open(name, flags, engineFlags, io);
  if (flags.explain) {
    io.stdout.write(explain(target));
    return 0;
  }
  // As docker exec -it: a terminal only where both ends are one.
  const isTerminal = io.stdin.isTTY && io.stdout.isTTY;
  const sidecar = await target.sidecar();
  const command: SidecarCommand = {
    argv,
    view: flags.inside ? "inside" : "outside",
    cwd: flags.workdir,
    user: flags.user,
    tty: isTerminal ? { columns: io.stdout.columns, rows: io.stdout.rows } : undefined,
    env: isTerminal ? terminalEnvironment(io.env) : [],
  };
  const process = await sidecar.exec(command);
  const outcome = isTerminal ? await relayTerminal(process, io) : await relayStreams(process, io);
  if (outcome.kind === "code" && outcome.code !== 137) return outcome.code;
  if (outcome.kind === "reader gone") return 141;
  const end = await target.end();
  if (end !== undefined) {
    io.stderr.write(`${end}\n`);
    return 137;
  }
  return outcome.kind === "code" ? outcome.code : 137;
}

/** What programs on this terminal go by. */
function terminalEnvironment(env: NodeJS.ProcessEnv): string[] {
  return ["TERM", "COLORTERM"].flatMap((name) => (env[name] === undefined ? [] : [`${name}=${env[name]}`]));
}
