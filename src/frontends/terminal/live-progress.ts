import type { SessionEvent } from "../../debugger/state.js";
import type { Step } from "../../engine/engine.js";
import { LineSanitizer, sanitizeLine } from "./sanitize.js";
import { stepTitle } from "./step-line.js";
import { formatBytes, formatCount, formatDuration, type Style } from "./style.js";
import { padEnd, textWidth, truncate } from "./width.js";

/** Milliseconds between two drawings. */
const period = 100;
/** Lines of output shown beneath a running step. */
const tailLines = 5;

interface Running {
  readonly step: Step;
  readonly since: number;
  readonly outputs: Record<1 | 2, LineSanitizer>;
  readonly tail: string[];
  readonly layers: Map<string, { current: number; total: number; completed: boolean }>;
}

interface Output {
  write(text: string): unknown;
  readonly columns?: number;
  readonly rows?: number;
}

/**
 * The live display: a line for each step that has ended goes into the scroll-back once, in the order they end; what runs
 * is drawn beneath and redrawn in place, at most ten times a second.
 */
export class LiveProgress {
  private readonly output: Output;
  private readonly style: Style;
  private readonly running = new Map<number, Running>();
  private readonly activities = new Map<string, { name: string; since: number }>();
  private readonly transfers = new Map<string, { files: number; bytes: number; since: number; done: boolean }>();
  private finished: string[] = [];
  /** The columns of the lines that are drawn. */
  private drawn: readonly number[] = [];
  private frame = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(output: Output, style: Style) {
    this.output = output;
    this.style = style;
  }

  take(event: SessionEvent): void {
    switch (event.type) {
      case "step":
        this.step(event);
        break;
      case "log": {
        const running = this.running.get(event.step.number);
        if (!running) break;
        running.tail.push(...running.outputs[event.stream].push(event.data));
        if (running.tail.length > tailLines) running.tail.splice(0, running.tail.length - tailLines);
        break;
      }
      case "activity":
        if (event.status === "started") this.activities.set(event.id, { name: event.name, since: performance.now() });
        else {
          const activity = this.activities.get(event.id);
          this.activities.delete(event.id);
          if (event.status === "failed") this.finish(this.style.symbols.failed, event.name, this.style.red("failed"));
          else if (activity && performance.now() - activity.since > 3000)
            this.finish(this.style.green(this.style.symbols.done), event.name, formatDuration(event.durationMs ?? 0));
        }
        break;
      case "progress": {
        const running = this.running.get(Number(/^step (\d+)$/.exec(event.of)?.[1]));
        if (running && event.total > 0) running.layers.set(event.id, event);
        break;
      }
      case "transfer": {
        const before = this.transfers.get(event.name);
        this.transfers.set(event.name, { ...event, since: before && !before.done ? before.since : performance.now() });
        break;
      }
      case "warning":
        this.finished.push(`${this.style.yellow(this.style.symbols.warning)} ${sanitizeLine(event.message)}`);
        break;
      default:
        return;
    }
    this.timer ??= setTimeout(() => this.draw(), this.drawn.length === 0 ? 30 : period);
  }

  /** Draws the last state and stops; what still runs is shown as interrupted when `interrupted`. */
  end(interrupted = false): void {
    if (interrupted)
      for (const running of this.running.values())
        this.finished.push(this.stepLine(this.style.symbols.interrupted, running.step, elapsed(running)));
    this.running.clear();
    this.activities.clear();
    this.transfers.clear();
    this.draw();
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Takes away what runs: the terminal is somebody else's for a while. */
  hide(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.drawn.length > 0) this.output.write(`\x1b[${String(this.drawnRows)}A\r\x1b[J`);
    this.drawn = [];
  }

  /** Draws it again where the cursor is, whatever stands above. */
  show(): void {
    this.drawn = [];
    this.draw();
  }

  private step(event: Extract<SessionEvent, { type: "step" }>): void {
    const { step, status } = event;
    if (status === "started") {
      const outputs = { 1: new LineSanitizer({ colour: false }), 2: new LineSanitizer({ colour: false }) };
      this.running.set(step.number, { step, since: performance.now(), outputs, tail: [], layers: new Map() });
      return;
    }
    const running = this.running.get(step.number);
    this.running.delete(step.number);
    if (status === "skipped" && running)
      this.finished.push(this.stepLine(this.style.symbols.interrupted, step, elapsed(running)));
    const { symbols, green, red, dim } = this.style;
    const duration = formatDuration(event.durationMs ?? 0);
    if (status === "cached") this.finished.push(this.stepLine(green(symbols.done), step, dim("cached")));
    else if (status === "done")
      this.finished.push(this.stepLine(green(symbols.done), step, `${duration}${this.copied(step)}`));
    else if (status === "failed") this.finished.push(this.stepLine(red(symbols.failed), step, duration));
  }

  /** What a COPY from the context brought, as far as one transfer can be told. */
  private copied(step: Step): string {
    const transfer = this.transfers.get("context");
    const { keyword, flags, args, heredocs } = step.instruction;
    if (!transfer?.done || transfer.files === 0 || (keyword !== "COPY" && keyword !== "ADD")) return "";
    // What is written in the Dockerfile itself, or comes from elsewhere, asks for nothing of the context.
    const isAllHeredocs = heredocs.length > 0 && heredocs.length >= args.length - 1;
    if (isAllHeredocs || flags.some((flag) => flag.name === "from")) return "";
    this.transfers.delete("context");
    return this.style.dim(`  ${formatCount(transfer.files, "file")}, ${formatBytes(transfer.bytes)} sent`);
  }

  private finish(symbol: string, name: string, note: string): void {
    this.finished.push(` ${symbol} ${padEnd(truncate(sanitizeLine(name), this.titleWidth), this.titleWidth)} ${note}`);
  }

  private get width(): number {
    return Math.max(20, (this.output.columns ?? 80) - 1);
  }

  private get titleWidth(): number {
    return Math.max(4, Math.min(this.width - 12, 66));
  }

  /** A long note takes its room from the title. */
  private stepLine(symbol: string, step: Step, note: string): string {
    const room = Math.max(4, Math.min(this.titleWidth, this.width - textWidth(` ${symbol}  ${note}`)));
    return truncate(` ${symbol} ${stepTitle(step, room)} ${note}`, this.width);
  }

  private draw(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    // A line that goes on in the next one would be left behind.
    const lines = this.liveLines().map((line) => truncate(line, this.width));
    const rows = this.drawnRows;
    const up = rows > 0 ? `\x1b[${String(rows)}A` : "";
    const done = this.finished.map((line) => `${line}\x1b[K\n`).join("");
    const live = lines.map((line) => `${line}\x1b[K\n`).join("");
    this.finished = [];
    this.output.write(`\x1b[?2026h\x1b[?25l${up}\r${done}${live}\x1b[J\x1b[?25h\x1b[?2026l`);
    this.drawn = lines.map((line) => textWidth(line));
    this.frame += 1;
    if (lines.length > 0) {
      this.timer = setTimeout(() => this.draw(), period);
      this.timer.unref();
    }
  }

  /** Rows that the lines take which are drawn: more than they were where the terminal has become narrower. */
  private get drawnRows(): number {
    const columns = this.output.columns ?? 80;
    return this.drawn.reduce((rows, width) => rows + Math.max(1, Math.ceil(width / columns)), 0);
  }

  /** What runs, never more than the terminal has lines. */
  private liveLines(): string[] {
    const lines: string[] = [];
    const { dim, cyan, symbols } = this.style;
    const spinner = cyan(symbols.spinner[this.frame % symbols.spinner.length] ?? "");
    const now = performance.now();
    for (const { name, since } of this.activities.values()) {
      if (now - since < 300) continue;
      lines.push(
        ` ${spinner} ${padEnd(truncate(sanitizeLine(name), this.titleWidth), this.titleWidth)} ${formatDuration(now - since)}`,
      );
    }
    for (const [name, { files, bytes, since, done }] of this.transfers) {
      if (done || bytes === 0) continue;
      const rate = bytes / Math.max(0.001, (now - since) / 1000);
      lines.push(
        `   ${dim(`sending ${name}: ${formatCount(files, "file")}, ${formatBytes(bytes)} (${formatBytes(rate)}/s)`)}`,
      );
    }
    for (const { step, since, tail, layers } of this.running.values()) {
      lines.push(this.stepLine(spinner, step, formatDuration(now - since)));
      const loading = [...layers.values()].filter((layer) => !layer.completed);
      if (loading.length > 0) {
        const current = loading.reduce((sum, layer) => sum + layer.current, 0);
        const total = loading.reduce((sum, layer) => sum + layer.total, 0);
        lines.push(
          `     ${dim(`${formatCount(loading.length, "layer")}, ${formatBytes(current)} of ${formatBytes(total)}`)}`,
        );
      }
      for (const line of tail) if (line.trim() !== "") lines.push(`     ${dim(truncate(line, this.width - 5))}`);
    }
    const most = Math.max(1, (this.output.rows ?? 24) - 2);
    return lines.length > most ? lines.slice(0, most) : lines;
  }
}

function elapsed({ since }: Running): string {
  return formatDuration(performance.now() - since);
}
