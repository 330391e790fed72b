import type { SessionEvent } from "../../debugger/state.js";
import { LineSanitizer, sanitizeLine } from "./sanitize.js";
import { stageLabel } from "./step-line.js";
import { formatBytes, formatCount, formatDuration } from "./style.js";

/** Progress as lines that never change: for pipes and CI, in the manner of docker's --progress=plain. */
export class PlainProgress {
  private readonly write: (text: string) => void;
  private readonly outputs = new Map<string, LineSanitizer>();
  private readonly started = new Map<number, number>();
  private readonly titled = new Set<number>();

  constructor(write: (text: string) => void) {
    this.write = write;
  }

  take(event: SessionEvent): void {
    switch (event.type) {
      case "plan":
        this.started.clear();
        this.titled.clear();
        break;
      case "step": {
        const { number, instruction } = event.step;
        // One that had not begun was never spoken of.
        if (event.status === "skipped" && !this.titled.has(number)) break;
        if (event.status === "started") this.started.set(number, performance.now());
        if (!this.titled.has(number)) {
          this.titled.add(number);
          this.line(number, `${stageLabel(event.step)} ${sanitizeLine(instruction.text)}`);
        }
        if (event.status !== "started") {
          this.rest(number);
          this.line(number, ending(event.status, event.durationMs ?? 0));
          this.titled.delete(number);
        }
        break;
      }
      case "log": {
        const key = `${String(event.step.number)}:${String(event.stream)}`;
        let output = this.outputs.get(key);
        if (!output) this.outputs.set(key, (output = new LineSanitizer({ colour: false })));
        for (const line of output.push(event.data))
          this.line(event.step.number, `${this.clock(event.step.number)} ${line}`);
        break;
      }
      case "transfer":
        if (event.done && event.bytes > 0)
          this.write(
            `   transferred ${event.name}: ${formatCount(event.files, "file")}, ${formatBytes(event.bytes)}\n`,
          );
        break;
      case "activity":
        if (event.status === "failed") this.write(`   ${sanitizeLine(event.name)}: failed\n`);
        break;
      case "warning":
        this.write(
          `   warning${event.line === undefined ? "" : ` (line ${String(event.line)})`}: ${sanitizeLine(event.message)}\n`,
        );
        break;
      default:
        break;
    }
  }

  /** Writes what was begun and not ended; it can be gone on with. */
  end(): void {
    for (const key of [...this.outputs.keys()]) this.rest(Number(key.split(":")[0]));
  }

  private rest(number: number): void {
    for (const stream of ["1", "2"]) {
      const key = `${String(number)}:${stream}`;
      for (const line of this.outputs.get(key)?.end() ?? []) this.line(number, `${this.clock(number)} ${line}`);
      this.outputs.delete(key);
    }
  }

  private clock(number: number): string {
    return ((performance.now() - (this.started.get(number) ?? performance.now())) / 1000).toFixed(3);
  }

  private line(number: number, text: string): void {
    this.write(`#${String(number)} ${text}\n`);
  }
}

function ending(status: "cached" | "done" | "failed" | "skipped", durationMs: number): string {
  switch (status) {
    case "skipped":
      return "STOPPED";
    case "cached":
      return "CACHED";
    case "done":
      return `DONE ${formatDuration(durationMs)}`;
    case "failed":
      return "ERROR";
  }
}
