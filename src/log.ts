import { appendFileSync } from "node:fs";

/**
 * Diagnostics for dfdebug's own developers: DFDEBUG_LOG=stderr (or 1), or a file's path. Off by default, never on standard
 * output, and never given a secret, a credential or a token.
 */
export function log(area: string, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
  const target = process.env["DFDEBUG_LOG"];
  if (!target) return;
  const extra = Object.entries(fields)
    .map(([key, value]) => ` ${key}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join("");
  // With the milliseconds since the process began: where the time of a run goes is read off here.
  const line = `${new Date().toISOString()} +${performance.now().toFixed(0)} ${area}: ${message}${extra}\n`;
  if (target === "stderr" || target === "1") process.stderr.write(line);
  else appendFileSync(target, line);
}
