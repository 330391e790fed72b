import type { ContainerInfo, Containers } from "../../docker/containers.js";
import { listProcesses, type ProcessList } from "../../docker/process-list.js";
import { ContainerError, DfdebugError } from "../../errors.js";
import { tableLines } from "../../frontends/terminal/table.js";
import { nameOf } from "../../sidecar/target.js";
import { writeAll } from "../../write-all.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";
import { findContainer, requireRunning, withContainers } from "./with-containers.js";

/**
 * `dfdebug ps`: a container's processes once, as the engine machine's `ps` lists them; where it has none, as a sidecar sees
 * them. Nothing is asked of the container's own programs. Rejects with UsageError, ContainerError or EngineError.
 */
export async function runPs(
  name: string,
  psOptions: readonly string[],
  flags: { readonly json?: boolean },
  engineFlags: EngineFlags,
  io: CliIo,
): Promise<number> {
  const list = await withContainers(engineFlags, io, async (containers) => {
    const info = await findContainer(containers, name, io);
    requireRunning(info);
    return listed(containers, info, psOptions, io);
  });
  const { Titles, Processes } = list ?? (await seen(name, engineFlags, io));
  const rows = Processes ?? [];
  const text = flags.json
    ? rows.map((row) => `${JSON.stringify(Object.fromEntries(Titles.map((title, at) => [title, row[at] ?? ""])))}\n`)
    : [...tableLines(Titles, rows), ""].join("\n");
  await writeAll(io.stdout, Array.isArray(text) ? text.join("") : text);
  return 0;
}

/** Undefined where the engine's machine has no ps that could be asked. */
async function listed(
  containers: Containers,
  info: ContainerInfo,
  psOptions: readonly string[],
  io: CliIo,
): Promise<ProcessList | undefined> {
  try {
    return await listProcesses(containers.connection, info.Id, psOptions, io.signal);
  } catch (error) {
    if (!(error instanceof DfdebugError) || error.code !== "ENGINE_REFUSED") throw error;
    if (psOptions.length === 0) return undefined;
    throw new ContainerError(`The engine could not run ps ${psOptions.join(" ")}: ${error.message}`, {
      code: "PS",
      cause: error,
      hint: `The options are those of the ps on the engine's machine, which has to be there. Without options dfdebug ps ${nameOf(info)} does without it.`,
    });
  }
}

async function seen(name: string, engineFlags: EngineFlags, io: CliIo): Promise<ProcessList> {
  const { ProcessWatch } = await import("./process-watch.js");
  await using watch = await ProcessWatch.open(name, {}, engineFlags, io);
  const { processes } = await watch.sample();
  return {
    Titles: ["UID", "PID", "PPID", "S", "CMD"],
    Processes: processes.map((process) => [
      process.user ?? String(process.uid),
      String(process.pid),
      String(process.parent),
      process.state.slice(0, 1),
      process.argv.join(" ") || `[${process.name}]`,
    ]),
  };
}
