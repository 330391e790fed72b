import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** The terminal is another job's: whoever reads it or changes its modes now is stopped. */
export function inBackground(): boolean {
  const [own, foreground] = processGroups() ?? [0, 0];
  // No terminal of its own (0 or -1): nobody stops what uses another one's.
  return foreground > 0 && own !== foreground;
}

/** This process's group, and the one that has the terminal. Undefined where the system does not tell. */
function processGroups(): readonly [own: number, foreground: number] | undefined {
  try {
    if (process.platform === "linux") {
      // Behind the program's name, which may hold anything: state, parent, group, session, terminal, the terminal's group.
      const [, , own, , , foreground] = readFileSync("/proc/self/stat", "latin1")
        .replace(/^.*\) /s, "")
        .split(" ");
      return [Number(own), Number(foreground)];
    }
    const columns = ["-o", "pgid=", "-o", "tpgid=", "-p", String(process.pid)];
    const [own, foreground] = execFileSync("ps", columns, { encoding: "latin1", stdio: ["ignore", "pipe", "ignore"] })
      .trim()
      .split(/\s+/);
    return [Number(own), Number(foreground)];
  } catch {
    return undefined;
  }
}
