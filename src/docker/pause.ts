import type { DockerConnection } from "./connection.js";

/** Freezes a container's processes. Rejects with EngineError; code CONFLICT where it is paused or does not run. */
export function pauseContainer(connection: DockerConnection, id: string): Promise<void> {
  return connection.json("POST", `/containers/${encodeURIComponent(id)}/pause`);
}

/** Lets them go on. Rejects with EngineError. */
export function unpauseContainer(connection: DockerConnection, id: string): Promise<void> {
  return connection.json("POST", `/containers/${encodeURIComponent(id)}/unpause`);
}
