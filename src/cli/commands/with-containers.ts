import { Containers, type ContainerInfo } from "../../docker/containers.js";
import { CancelledError, ContainerError } from "../../errors.js";
import { nameOf, resolveTarget } from "../../sidecar/target.js";
import { ConnectedEngine } from "../connect.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";

/** Runs a command with the engine's containers; the connection ends with it. Rejects with EngineError, and as `use` does. */
export async function withContainers<T>(
  engineFlags: EngineFlags,
  io: CliIo,
  use: (containers: Containers) => Promise<T>,
): Promise<T> {
  await using engine = new ConnectedEngine(engineFlags, io, undefined);
  return await use(new Containers(await engine.connection()));
}

/** A container by name, id or compose service. Rejects with UsageError, which lists candidates. */
export async function findContainer(containers: Containers, name: string, io: CliIo): Promise<ContainerInfo> {
  const target = await resolveTarget(containers, name, { cwd: io.cwd, images: false });
  if (target.kind === "container") return target.info;
  throw new Error("an image, where none was asked for");
}

/** Throws ContainerError where the container has no processes. `exitCode`: 125 where a command was to be run in it. */
export function requireRunning(info: ContainerInfo, exitCode = 1): void {
  const { Running, Restarting, Status } = info.State;
  if (Running && !Restarting) return;
  const name = nameOf(info);
  throw new ContainerError(
    `${name} is not running: it is ${Status}`,
    {
      code: "NOT_RUNNING",
      hint: `dfdebug inspect ${name} says why, dfdebug logs ${name} what it wrote, and dfdebug debug ${name} opens its files.`,
    },
    exitCode,
  );
}

/** For what goes on until the user ends it: Ctrl-C is how one leaves, not an error to be told of. Resolves with 130 then. */
export async function untilInterrupted(io: CliIo, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CancelledError && io.signal.aborted) return error.exitCode;
    throw error;
  }
}
