import { pauseContainer, unpauseContainer } from "../../docker/pause.js";
import type { ContainerInfo } from "../../docker/containers.js";
import { ContainerError, EngineError } from "../../errors.js";
import { nameOf } from "../../sidecar/target.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";
import { findContainer, withContainers } from "./with-containers.js";

/**
 * `dfdebug pause` and `unpause`: prints the name of each container that it was done to. A name that is not there is found
 * out before any is paused. Rejects with UsageError, ContainerError (it does not run, or is paused already) or EngineError.
 */
export function runPause(
  action: "pause" | "unpause",
  names: readonly string[],
  engineFlags: EngineFlags,
  io: CliIo,
): Promise<number> {
  return withContainers(engineFlags, io, async (containers) => {
    const targets = await Promise.all(names.map((name) => findContainer(containers, name, io)));
    const change = action === "pause" ? pauseContainer : unpauseContainer;
    for (const target of targets) {
      await change(containers.connection, target.Id).catch((error: unknown) => {
        throw refused(error, action, target);
      });
      io.stdout.write(`${nameOf(target)}\n`);
    }
    return 0;
  });
}

/** In the container's own name, where its state does not allow it; a lost engine stays what it is. */
function refused(error: unknown, action: "pause" | "unpause", { State, ...info }: ContainerInfo): unknown {
  if (!(error instanceof EngineError) || !["CONFLICT", "ENGINE_REFUSED"].includes(error.code)) return error;
  const name = nameOf(info);
  if (action === "unpause" && !State.Paused)
    return new ContainerError(`${name} is not paused: it is ${State.Status}`, { code: "NOT_PAUSED", cause: error });
  if (action === "pause" && State.Paused)
    return new ContainerError(`${name} is paused already`, { code: "NOT_RUNNING", cause: error });
  if (action === "pause" && State.Status !== "running")
    return new ContainerError(`${name} cannot be paused: it is ${State.Status}`, { code: "NOT_RUNNING", cause: error });
  return new ContainerError(error.message, { code: error.code, cause: error });
}
