import { hostname } from "node:os";
import { uniqueDigits } from "./unique-digits.js";

/** Whose an object in an engine is: what `dfdebug prune` goes by. */
export type OwnerLabels = Readonly<Record<string, string>>;

/** The label that tells a session's objects from all others. */
export const sessionLabel = "dev.dfdebug.session";

/** Labels for everything that one run makes in an engine. */
export function ownerLabels(): OwnerLabels {
  return {
    [sessionLabel]: uniqueDigits(12),
    "dev.dfdebug.pid": String(process.pid),
    "dev.dfdebug.host": hostname(),
  };
}

/** Whether the dfdebug that made it is gone for sure. One of another machine may still run. */
export function isAbandoned(labels: OwnerLabels): boolean {
  if (labels["dev.dfdebug.host"] !== hostname()) return false;
  const pid = Number(labels["dev.dfdebug.pid"]);
  if (!Number.isInteger(pid) || pid <= 0) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "EPERM";
  }
}
