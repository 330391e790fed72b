import type { DockerConnection } from "./connection.js";

/** A container's processes as the `ps` of the engine's machine lists them: its columns, whatever they are. */
export interface ProcessList {
  readonly Titles: readonly string[];
  readonly Processes: readonly (readonly string[])[] | null;
}

/** `ps` on the engine's machine, cut down to the container's processes; process ids are the machine's. Rejects with EngineError. */
export function listProcesses(
  connection: DockerConnection,
  id: string,
  psOptions: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ProcessList> {
  return connection.json<ProcessList>("GET", `/containers/${encodeURIComponent(id)}/top`, {
    query: { ps_args: psOptions.length > 0 ? psOptions.join(" ") : undefined },
    signal,
  });
}
