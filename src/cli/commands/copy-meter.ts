import { formatBytes, formatCount } from "../../debugger/format.js";
import { canRedraw } from "../../frontends/terminal/style.js";
import { sanitizeLine } from "../../frontends/terminal/sanitize.js";
import type { CliIo } from "../io.js";

/** Milliseconds between two looks at a copy that runs. */
const interval = 200;

/** A copy's progress on standard error: a line that is redrawn on a terminal, and its result. */
export class CopyMeter {
  private readonly progress: { readonly files: number; readonly bytes: number };
  private readonly total: number | undefined;
  private readonly quiet: boolean;
  private readonly io: CliIo;
  private readonly started = Date.now();
  private readonly timer: NodeJS.Timeout | undefined;
  private drawn = false;

  /** `total`: bytes, where they are known. */
  constructor(
    progress: { readonly files: number; readonly bytes: number },
    total: number | undefined,
    quiet: boolean,
    io: CliIo,
  ) {
    this.progress = progress;
    this.total = total;
    this.quiet = quiet;
    this.io = io;
    if (quiet || !canRedraw(io.stderr, io.env)) return;
    this.timer = setInterval(() => this.draw(), interval);
    this.timer.unref();
  }

  /** Takes the line away. */
  clear(): void {
    clearInterval(this.timer);
    if (this.drawn) this.io.stderr.write("\r\x1b[K");
    this.drawn = false;
  }

  /** What was copied, and what was left out. */
  done(where: string, leftOut: readonly string[]): void {
    this.clear();
    if (leftOut.length > 0) {
      const more = leftOut.length > shownLeftOut ? ` and ${String(leftOut.length - shownLeftOut)} more` : "";
      this.io.stderr.write(`Left out: ${sanitizeLine(leftOut.slice(0, shownLeftOut).join(", "))}${more}\n`);
    }
    if (this.quiet) return;
    const { files, bytes } = this.progress;
    this.io.stderr.write(`Copied ${formatCount(files, "file")}, ${formatBytes(bytes)}, ${sanitizeLine(where)}\n`);
  }

  private draw(): void {
    const { files, bytes } = this.progress;
    const rate = bytes / Math.max(0.001, (Date.now() - this.started) / 1000);
    const of = this.total === undefined ? "" : ` of ${formatBytes(this.total)}`;
    const count = files > 1 ? `${formatCount(files, "file")}, ` : "";
    this.drawn = true;
    this.io.stderr.write(`\r\x1b[K${count}${formatBytes(bytes)}${of}, ${formatBytes(rate)}/s`);
  }
}

/** Paths of a message. */
const shownLeftOut = 5;
