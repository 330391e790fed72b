import type { ReadStream, WriteStream } from "node:tty";

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** The user's terminal, for what reads keys itself. Normal until `enter`; put back by what `enter` returns, whatever happens. */
export class RawTerminal {
  /** What stands on the cursor's line, escape sequences left out: a prompt that someone else printed. */
  lastLine = "";
  private readonly input: ReadStream;
  private readonly output: WriteStream;
  private readonly keyListeners = new Set<(keys: Buffer) => void>();

  constructor(input: ReadStream, output: WriteStream) {
    this.input = input;
    this.output = output;
  }

  get size(): TerminalSize {
    return { columns: this.output.columns || 80, rows: this.output.rows || 24 };
  }

  /** Raw until disposed: keys come as they are pressed, Ctrl-C too. */
  enter(): AsyncDisposable {
    const wasRaw = this.input.isRaw;
    const restore = (): void => {
      if (this.input.isTTY && !this.input.destroyed) this.input.setRawMode(wasRaw);
    };
    this.input.setRawMode(true);
    this.input.on("data", this.onData);
    this.input.resume();
    process.once("exit", restore);
    return {
      [Symbol.asyncDispose]: async () => {
        process.off("exit", restore);
        this.input.off("data", this.onData);
        this.input.pause();
        restore();
        // What a program may have left behind: bracketed paste, a hidden cursor, colours.
        if (this.output.writable) this.output.write("\x1b[?2004l\x1b[?25h\x1b[0m");
      },
    };
  }

  /** Listens to keys until the returned function is called. */
  onKeys(listener: (keys: Buffer) => void): () => void {
    this.keyListeners.add(listener);
    return () => this.keyListeners.delete(listener);
  }

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
    const text = Buffer.from(bytes).toString("utf8");
    const line = (this.lastLine + text).split(/\r?\n|\r/).at(-1) ?? "";
    this.lastLine = line.replaceAll(/\x1b(\][^\x07]*\x07|\[[0-?]*[ -/]*[@-~])/g, "").slice(-500);
    if (this.output.write(bytes)) return;
    await new Promise<void>((resolve) => this.output.once("drain", () => resolve()));
  }

  private readonly onData = (keys: Buffer): void => {
    for (const listener of this.keyListeners) listener(keys);
  };
}
