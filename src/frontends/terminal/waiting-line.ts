import type { Style } from "./style.js";
import { truncate } from "./width.js";

/** What takes less says enough by its answer. Milliseconds. */
const patience = 500;
const period = 100;

interface Output {
  write(text: string): unknown;
  readonly columns?: number;
}

/**
 * The line that stands where an answer will come, for as long as a command is silent. It is gone before anything else is
 * written, and does not come back: whoever writes ends it.
 */
export class WaitingLine {
  private readonly output: Output;
  private readonly style: Style;
  private timer: NodeJS.Timeout | undefined;
  private frame = 0;

  constructor(output: Output, style: Style) {
    this.output = output;
    this.style = style;
  }

  /** A command begins. */
  begin(): void {
    this.end();
    this.timer = setTimeout(() => this.draw(), patience);
  }

  end(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.frame > 0) this.output.write("\r\x1b[K");
    this.frame = 0;
  }

  private draw(): void {
    const { cyan, dim, symbols } = this.style;
    const spinner = cyan(symbols.spinner[this.frame % symbols.spinner.length] ?? "");
    const line = ` ${spinner} ${dim("working; Ctrl-C ends this command")}`;
    this.output.write(`\r${truncate(line, (this.output.columns ?? 80) - 1)}\x1b[K`);
    this.frame += 1;
    this.timer = setTimeout(() => this.draw(), period);
  }
}
