/** BuildKit's line in the place of the output that it leaves out of a step's log; the limit is like 2MiB or 200KiB/s. */
const marker = /^\[output clipped, log limit (\S+) reached\]$/;

/** The limit that a line of a log says was reached; undefined for all other lines. */
export function clippedAt(line: string): string | undefined {
  return marker.exec(line)?.[1];
}

/**
 * That a log is not whole, and how it becomes so, in sentences. Of a step that fails BuildKit sends the last 256 KiB all the
 * same (progress/logs). A number is named for the limit, for -1 is no limit only since Engine 23.0.
 */
export function clippedText(limit: string, failed: boolean): string {
  const setting = limit.endsWith("/s") ? "BUILDKIT_STEP_LOG_MAX_SPEED" : "BUILDKIT_STEP_LOG_MAX_SIZE";
  const missing = failed ? "lines before the last 256 KiB are missing" : "what followed is missing";
  return `The engine clipped this log at its limit of ${limit}: ${missing}. ${setting}=100000000 in the environment of the engine (dockerd, not dfdebug) raises it; or write the output to a file in the step.`;
}
