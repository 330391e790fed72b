import { exitCodeMeaning } from "../../debugger/exit-codes.js";
import type { LastRun } from "../../sidecar/crash.js";

/** Whether a last run is worth a word: it failed, or was not the first. */
export function isTroubled({ exitCode, restarts, error }: LastRun): boolean {
  return (exitCode ?? 0) !== 0 || restarts > 0 || error !== "";
}

/** `does not run, it ended with exit code 127 (command not found)`: to stand behind a container's name. */
export function lastRunText(run: LastRun, isLooping: boolean): string {
  const { exitCode, outOfMemory, restarts, error } = run;
  const parts = [
    isLooping ? "is restarting over and over" : "does not run",
    ...(exitCode === undefined ? [] : [`${isLooping ? "its last run" : "it"} ended with exit code ${codeText(run)}`]),
    ...(outOfMemory ? ["out of memory (OOM killed)"] : []),
    ...(restarts > 0 ? [`restarted ${String(restarts)} time${restarts === 1 ? "" : "s"}`] : []),
    ...(error === "" ? [] : [`the engine says: ${error}`]),
  ];
  return parts.join(", ");
}

/** An exit code's usual meaning; undefined where it has none, or the run's own facts say it better. */
export function lastRunMeaning({ exitCode, outOfMemory, error }: LastRun): string | undefined {
  if (exitCode === undefined || outOfMemory || error !== "") return undefined;
  // The engine knows of its own limit's kills.
  if (exitCode === 137) return "killed (SIGKILL): by docker stop or kill, or by the machine for its memory";
  return exitCodeMeaning(exitCode);
}

function codeText(run: LastRun): string {
  const meaning = lastRunMeaning(run);
  return meaning === undefined ? String(run.exitCode) : `${String(run.exitCode)} (${meaning})`;
}
