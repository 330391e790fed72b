interface Output {
  write(text: string): unknown;
  readonly columns?: number;
  readonly rows?: number;
}

/** Some lines that are redrawn in place, below what the terminal shows already. */
export class LiveScreen {
  private readonly output: Output;
  private drawn = 0;

  constructor(output: Output) {
    this.output = output;
  }

  /** Columns that a line may take. */
  get width(): number {
    return Math.max(20, (this.output.columns || 80) - 1);
  }

  /** Lines that fit. */
  get height(): number {
    return Math.max(2, (this.output.rows || 24) - 1);
  }

  /** Replaces what was drawn before; lines have to be cut to `width`, those beyond `height` are left out. */
  draw(lines: readonly string[]): void {
    const shown = lines.slice(0, this.height);
    const up = this.drawn > 0 ? `\x1b[${String(this.drawn)}A` : "";
    const text = shown.map((line) => `${line}\x1b[K\n`).join("");
    // Synchronised update: the terminal shows the whole at once.
    this.output.write(`\x1b[?2026h\x1b[?25l${up}\r${text}\x1b[J\x1b[?25h\x1b[?2026l`);
    this.drawn = shown.length;
  }
}
