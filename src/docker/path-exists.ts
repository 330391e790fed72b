import { orUndefined } from "./absent.js";
import type { DockerConnection } from "./connection.js";

/** Whether a container has something at a path; running or not. Rejects with EngineError. */
export async function pathExists(connection: DockerConnection, id: string, path: string): Promise<boolean> {
  const answer = await orUndefined(connection.stream("HEAD", `/containers/${id}/archive`, { query: { path } }));
  answer?.resume();
  return answer !== undefined;
}
