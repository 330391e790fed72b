import { errorMessage } from "../../errors.js";
import { sanitizeLines } from "../../frontends/terminal/sanitize.js";
import { lastRun } from "../../sidecar/crash.js";
import type { DebugTarget } from "./debug-target.js";
import { isTroubled, lastRunText } from "./last-run-text.js";

/** Log lines that are shown of a run that failed. */
const shownLines = 10;

/** Why a container does not run: its last exit code, memory, restarts and last lines; empty where it never failed. */
export async function describeLastRun(target: DebugTarget): Promise<string> {
  if (target.target.kind !== "container") return "";
  const { info } = target.target;
  const run = await lastRun(info, target.containers.connection);
  if (!run || !isTroubled(run)) return "";
  const lines = [`${target.name} ${lastRunText(run, info.State.Running || info.State.Restarting)}`];
  const log = await target.lastLogs(shownLines).catch((error: unknown) => `(no logs: ${errorMessage(error)})`);
  const shown = sanitizeLines(log).filter((line) => line !== "");
  if (shown.length > 0) lines.push("Its last lines:", ...shown.slice(-shownLines).map((line) => `  ${line}`));
  lines.push("Its files are opened as they are now; it is not started, and not changed.");
  return `${lines.join("\n")}\n`;
}
