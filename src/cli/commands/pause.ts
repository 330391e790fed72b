import { pauseContainer, unpauseContainer } from "../../docker/pause.js";
import { nameOf } from "../../sidecar/target.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";
import { findContainer, withContainers } from "./with-containers.js";

/**
 * `dfdebug pause` and `unpause`: prints the name of each container that it was done to. A name that is not there is found
 * out before any is paused. Rejects with UsageError or EngineError (CONFLICT: it does not run, or is paused already).
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
      await change(containers.connection, target.Id);
      io.stdout.write(`${nameOf(target)}\n`);
    }
    return 0;
  });
}
