import { cancellation } from "../errors.js";
import type { DockerConnection, RequestOptions } from "./connection.js";
import { dialError } from "./errors.js";

/**
 * An answer of the engine that goes on until the engine ends it, chunk by chunk. Nothing is asked for before the first
 * chunk is; leaving the loop closes the connection. Rejects with EngineError, or CancelledError when `signal` aborts.
 */
export async function* follow(
  connection: DockerConnection,
  path: string,
  options: RequestOptions = {},
): AsyncGenerator<Buffer> {
  const { signal } = options;
  const response = await connection.stream("GET", path, options);
  try {
    for await (const chunk of response) yield chunk as Buffer;
  } catch (error) {
    throw signal?.aborted ? cancellation(signal) : dialError(error, connection.endpoint);
  } finally {
    response.destroy();
  }
  // An answer that was cut off by the signal may also end as if it were complete.
  if (signal?.aborted) throw cancellation(signal);
}
