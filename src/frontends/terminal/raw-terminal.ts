import type { ReadStream, WriteStream } from "node:tty";

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Control sequences that take no room on the line. */
const sequences = /\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)|\[[0-?]*[ -/]*[@-~]|[=>78])/g;

/**
 * The user's terminal, for what reads keys itself. Normal until `enter`; put back by what `enter` returns, and at the
 * process's end whatever happens. Keys that one reader did not take are the next one's: nothing typed ahead is lost.
 */
export class RawTerminal {
  /** What stands on the cursor's line, escape sequences left out: a prompt that someone else printed. */
  lastLine = "";
  private readonly input: ReadStream;
  private readonly output: WriteStream;
  private unreadKeys: Buffer[] = [];
  private hasEnded = false;

  constructor(input: ReadStream, output: WriteStream) {
    this.input = input;
    this.output = output;
    input.once("end", () => (this.hasEnded = true));
    input.once("close", () => (this.hasEnded = true));
  }

  get size(): TerminalSize {
    return { columns: this.output.columns || 80, rows: this.output.rows || 24 };
  }

  /** No more keys will come: the terminal is gone. */
  get ended(): boolean {
    return this.hasEnded;
  }

  /** Raw until disposed: `reader` gets keys as they are pressed, Ctrl-C too, first those that nobody took before. */
  enter(reader: (keys: Buffer) => void, ended: () => void = () => undefined): AsyncDisposable {
    const { input } = this;
    const restore = (): void => this.setRaw(false);
    // Stopped and continued (kill -TSTP, fg): shells do not put terminal modes back for their jobs.
    const again = (): void => this.setRaw(true);
    this.setRaw(true);
    process.once("exit", restore);
    process.on("SIGCONT", again);
    let isOpen = true;
    const take = (keys: Buffer): void => {
      if (isOpen) reader(keys);
      else this.unreadKeys.push(keys);
    };
    // Not at once: the caller has to have what we return before keys come.
    setImmediate(() => {
      for (const keys of this.unreadKeys.splice(0)) take(keys);
      if (!isOpen) return;
      input.on("data", take);
      input.once("end", ended);
      if (this.hasEnded) ended();
      input.resume();
    });
    return {
      [Symbol.asyncDispose]: async () => {
        isOpen = false;
        process.off("exit", restore);
        process.off("SIGCONT", again);
        input.off("data", take);
        input.off("end", ended);
        input.pause();
        restore();
      },
    };
  }

  /** Gives back keys that were read and not used: they come first at the next `enter`. */
  unread(keys: Buffer): void {
    if (keys.length > 0) this.unreadKeys.push(keys);
  }

  /** Calls `listener` with every new size until the returned function is called. */
  onResize(listener: (size: TerminalSize) => void): () => void {
    const report = (): void => listener(this.size);
    this.output.on("resize", report);
    return () => this.output.off("resize", report);
  }

  pauseKeys(): void {
    this.input.pause();
  }

  resumeKeys(): void {
    this.input.resume();
  }

  /** Writes and waits while the terminal is slow. */
  async write(bytes: Uint8Array | string): Promise<void> {
    if (bytes.length === 0) return;
    const chunk =
      typeof bytes === "string" ? Buffer.from(bytes) : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    // A prompt is short: of a flood of output only the end is looked at.
    const text = this.lastLine + chunk.subarray(-4096).toString("utf8");
    const line = text.slice(Math.max(text.lastIndexOf("\n"), text.lastIndexOf("\r")) + 1);
    this.lastLine = line.replaceAll(sequences, "").slice(-500);
    if (this.output.write(chunk)) return;
    await new Promise<void>((resolve) => this.output.once("drain", () => resolve()));
  }

  /** Undoes what a program may have left behind: bracketed paste, mouse reports, a hidden cursor, colours. */
  reset(): void {
    if (this.output.writable)
      this.output.write("\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?25h\x1b[0m");
  }

  private setRaw(raw: boolean): void {
    if (this.input.isTTY && !this.input.destroyed) this.input.setRawMode(raw);
  }
}
