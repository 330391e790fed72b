import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { Environment } from "./style.js";

/** Lines that are kept in the file. */
const keptLines = 1000;

/** The commands of this and earlier sessions, newest first. A history that cannot be kept is no reason to stop. */
export class History {
  private readonly file: string;
  private lines: string[] | undefined;

  constructor(env: Environment) {
    const state = env["XDG_STATE_HOME"] || join(env["HOME"] || homedir(), ".local/state");
    this.file = join(state, "dfdebug/history");
  }

  async read(): Promise<readonly string[]> {
    this.lines ??= await this.load();
    return this.lines;
  }

  async add(line: string): Promise<void> {
    const lines = (this.lines ??= await this.load());
    if (lines[0] === line) return;
    lines.unshift(line);
    // Node's recursive mkdir never returns below /proc.
    if (this.file.startsWith("/proc/")) return;
    try {
      await mkdir(dirname(this.file), { recursive: true, mode: 0o700 });
      await appendFile(this.file, `${line}\n`, { mode: 0o600 });
    } catch {
      return;
    }
  }

  private async load(): Promise<string[]> {
    try {
      const lines = (await readFile(this.file, "utf8")).split("\n").filter((line) => line !== "");
      const kept = lines.slice(-keptLines);
      if (lines.length > 2 * keptLines) await writeFile(this.file, `${kept.join("\n")}\n`, { mode: 0o600 });
      return kept.reverse();
    } catch {
      return [];
    }
  }
}
