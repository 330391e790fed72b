import { errorMessage } from "../../errors.js";
import { sanitizeLines } from "../../frontends/terminal/sanitize.js";
import { lastRun, type LastRun } from "../../sidecar/crash.js";
import type { DebugTarget } from "./debug-target.js";

/** Log lines that are shown of a run that failed. */
const shownLines = 10;

/** Why a container does not run: its last exit code, memory, restarts and last lines; empty where it never failed. */
export async function describeLastRun(target: DebugTarget): Promise<string> {
  if (target.target.kind !== "container") return "";
  const { info } = target.target;
  const run = lastRun(info);
  if (!run || (run.exitCode === 0 && run.restarts === 0 && run.error === "")) return "";
  const lines = [`${target.name} ${describe(run, info.State.Running || info.State.Restarting)}`];
  const log = await target.lastLogs(shownLines).catch((error: unknown) => `(no logs: ${errorMessage(error)})`);
  const shown = sanitizeLines(log).filter((line) => line !== "");
  if (shown.length > 0) lines.push("Its last lines:", ...shown.slice(-shownLines).map((line) => `  ${line}`));
  lines.push("Its files are opened as they are now; it is not started, and not changed.");
  return `${lines.join("\n")}\n`;
}

function describe({ exitCode, outOfMemory, restarts, error }: LastRun, isLooping: boolean): string {
  const parts = [
    isLooping ? "is restarting over and over" : "does not run",
    ...(exitCode === undefined
      ? []
      : [`${isLooping ? "its last run" : "it"} ended with exit code ${String(exitCode)}`]),
    ...(outOfMemory ? ["out of memory (OOM killed)"] : []),
    ...(restarts > 0 ? [`restarted ${String(restarts)} time${restarts === 1 ? "" : "s"}`] : []),
    ...(error === "" ? [] : [`the engine says: ${error}`]),
  ];
  return parts.join(", ");
}
