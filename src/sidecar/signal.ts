import type { ContainerInfo, Containers } from "../docker/containers.js";
import { runOnHost } from "./host-helper.js";
import { ownerLabels } from "./labels.js";
import type { ToolboxImage } from "./toolbox.js";

/** The process has to be the container's still: its number may have been given to another. */
const killScript = 'grep -q "$2" "/proc/$1/cgroup" 2>/dev/null || exit 0; kill -s "$3" "$1" 2>/dev/null || exit 0';

/**
 * Sends a signal to one process of a container, by its id on the engine's machine: the Engine API has no way to signal what
 * an exec started. A process that is gone is no error. `signal`: its name without SIG. Rejects as `runOnHost`.
 */
export async function signalProcess(
  containers: Containers,
  toolbox: ToolboxImage,
  target: { readonly info: ContainerInfo; readonly hostPid: number; readonly signal: string },
): Promise<void> {
  const { info, hostPid, signal } = target;
  const profile = (info as { AppArmorProfile?: string }).AppArmorProfile ?? "";
  await runOnHost({
    containers,
    toolbox,
    labels: ownerLabels(),
    script: killScript,
    args: [String(hostPid), info.Id, signal],
    capabilities: ["KILL"],
    // AppArmor lets signals pass within one profile.
    profiles: profile === "" ? [] : [`apparmor=${profile}`],
  });
}
