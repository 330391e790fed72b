import type { DockerConnection } from "../docker/connection.js";
import type { ContainerInfo } from "../docker/containers.js";
import { engineEvents } from "../docker/events.js";
import { toApiTimestamp } from "../docker/timestamps.js";
import { isLive } from "./target.js";

/** How a container's last run ended. */
export interface LastRun {
  /** Undefined where it has just been started again, and the engine has forgotten it. */
  readonly exitCode: number | undefined;
  /** The kernel killed a process of it for memory. */
  readonly outOfMemory: boolean;
  /** How often the engine started it again. */
  readonly restarts: number;
  /** The engine's own reason, where it could not even start it. */
  readonly error: string;
}

/** Undefined where it never ran, or runs and was not started again. Rejects with EngineError. */
export async function lastRun(info: ContainerInfo, connection: DockerConnection): Promise<LastRun | undefined> {
  const { State, RestartCount } = info;
  if (isLive(info) || (State.Status === "created" && !State.Error)) return undefined;
  const isStarted = State.Running && !State.Restarting;
  return {
    exitCode: isStarted ? await exitCodeBefore(info, connection) : State.ExitCode,
    outOfMemory: State.OOMKilled,
    restarts: RestartCount,
    error: State.Error,
  };
}

/** A container that was started again has forgotten how it ended; the engine's events have not, for a while. */
async function exitCodeBefore({ Id, State }: ContainerInfo, connection: DockerConnection): Promise<number | undefined> {
  const until = toApiTimestamp(State.StartedAt);
  if (until === undefined) return undefined;
  let code: number | undefined;
  for await (const { Actor } of engineEvents(connection, {
    filters: { container: [Id], event: ["die"] },
    since: "0",
    until,
  })) {
    const said = Actor.Attributes?.["exitCode"];
    if (said !== undefined) code = Number(said);
  }
  return code;
}
