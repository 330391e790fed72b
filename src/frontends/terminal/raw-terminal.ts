import type { ReadStream, WriteStream } from "node:tty";
import { writeAll } from "../../write-all.js";
import { inBackground } from "./job-control.js";

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Control sequences that take no room on the line. */
const sequences = /\x1b(?:\][^\x07\x1b]*(?:\x07|\x1b\\)|\[[0-?]*[ -/]*[@-~]|[=>78])/g;

/** One of those who read keys; the last one that entered has them. */
interface Reader {
  readonly take: (keys: Buffer) => void;
  readonly ended: () => void;
  /** Has the keys only until somebody wants them: in the background the terminal is left to whoever has it there. */
  readonly isHolder: boolean;
  readonly continued: () => void;
  /** Has had what nobody took before. */
  isReady: boolean;
}

/** How often a job in the background looks whether it has got the terminal: nobody tells it. Milliseconds. */
const lookPeriod = 1_000;

/**
 * The user's terminal, for what reads keys itself. Normal until `enter`; put back by what `enter` returns, and at the
 * process's end whatever happens. Keys that one reader did not take are the next one's: nothing typed ahead is lost.
 */
export class RawTerminal {
  /** What stands on the cursor's line, escape sequences left out: a prompt that someone else printed. */
  lastLine = "";
  private input: ReadStream;
  private readonly output: WriteStream;
  private readonly reopen: (() => ReadStream) | undefined;
  private unreadKeys: Buffer[] = [];
  private readonly readers: Reader[] = [];
  private isOpen = false;
  private lent = 0;
  private hasEnded = false;
  private look: NodeJS.Timeout | undefined;

  /** `reopen`: the same terminal's keys once more, for a job that was stopped. */
  constructor(input: ReadStream, output: WriteStream, reopen?: () => ReadStream) {
    this.input = input;
    this.output = output;
    this.reopen = reopen;
    this.watchEnd();
  }

  get size(): TerminalSize {
    return { columns: this.output.columns || 80, rows: this.output.rows || 24 };
  }

  /** No more keys will come: the terminal is gone. */
  get ended(): boolean {
    return this.hasEnded;
  }

  /**
   * Raw until disposed: `reader` gets keys as they are pressed, Ctrl-C too, first those that nobody took before. Who entered
   * before waits until then.
   */
  enter(reader: (keys: Buffer) => void, ended: () => void = () => undefined): AsyncDisposable {
    return this.add({ take: reader, ended, continued: () => undefined, isHolder: false, isReady: false });
  }

  /**
   * Raw until disposed, `holder` gets the keys for which nobody has entered, and gives back with `unread` what is for who
   * enters next. `continued` is told when the job was stopped and goes on.
   */
  hold(holder: (keys: Buffer) => void, continued: () => void): AsyncDisposable {
    return this.add({ take: holder, ended: () => undefined, continued, isHolder: true, isReady: true });
  }

  /** Forgets what was typed up to now and read by nobody. */
  async drop(): Promise<void> {
    await using _raw = this.enter(() => undefined);
    // The first turn of the event loop begins to read, the second one reads what is there.
    for (let turns = 0; turns < 3; turns++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Leaves the terminal, normal, to another program for as long as `work` takes. */
  async lend<Value>(work: () => Promise<Value>): Promise<Value> {
    this.lent += 1;
    this.update();
    try {
      return await work();
    } finally {
      this.lent -= 1;
      this.update();
    }
  }

  /**
   * Puts the terminal back and has the job stopped, or ended, by the signal that `raise` sends. Returns when the job goes on; at
   * once where nobody could continue it, for then the system does not stop it.
   */
  stop(raise: () => void): void {
    this.close();
    // Node puts a terminal back at the process's end that it has set once: in the background that would stop it again.
    if (this.reopen) this.input.off("end", this.end).off("close", this.gone).destroy();
    // Without a listener the system is through with both signals when `raise` returns.
    process.off("SIGCONT", this.goOn);
    raise();
    process.on("SIGCONT", this.goOn);
    this.goOn();
  }

  /** Gives back keys that were read and not used: they come first at the next `enter`. */
  unread(keys: Buffer): void {
    if (keys.length > 0) this.unreadKeys.push(keys);
  }

  /** What was given back ends in the middle of a line. */
  get isInLine(): boolean {
    const last = this.unreadKeys.at(-1)?.at(-1);
    return last !== undefined && last !== 0x0d;
  }

  /** Forgets what was given back. */
  forgetUnread(): void {
    this.unreadKeys = [];
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
    await writeAll(this.output, chunk);
  }

  /** Undoes what a program may have left behind: bracketed paste, mouse reports, a hidden cursor, colours. */
  reset(): void {
    if (this.output.writable)
      this.output.write("\x1b[?2004l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?25h\x1b[0m");
  }

  private add(reader: Reader): AsyncDisposable {
    if (this.readers.push(reader) === 1) {
      process.once("exit", this.close);
      process.on("SIGCONT", this.goOn);
    }
    this.update();
    // Not at once: the caller has to have what we return before keys come.
    if (!reader.isReady) setImmediate(() => this.begin(reader));
    return { [Symbol.asyncDispose]: async () => this.remove(reader) };
  }

  private begin(reader: Reader): void {
    if (!this.readers.includes(reader)) return;
    reader.isReady = true;
    for (const keys of this.unreadKeys.splice(0)) this.take(keys);
    if (this.hasEnded) reader.ended();
  }

  private remove(reader: Reader): void {
    const at = this.readers.indexOf(reader);
    if (at < 0) return;
    this.readers.splice(at, 1);
    if (this.readers.length === 0) {
      process.off("exit", this.close);
      process.off("SIGCONT", this.goOn);
    }
    this.update();
  }

  private readonly take = (keys: Buffer): void => {
    const reader = this.readers.at(-1);
    if (reader?.isReady) reader.take(keys);
    else this.unreadKeys.push(keys);
  };

  private readonly gone = (): void => {
    this.hasEnded = true;
  };

  private readonly end = (): void => {
    this.gone();
    for (const reader of [...this.readers]) if (reader.isReady) reader.ended();
  };

  private watchEnd(): void {
    this.input.once("end", this.end).once("close", this.gone);
  }

  /** Raw and read while somebody reads. */
  private update(): void {
    clearTimeout(this.look);
    const reader = this.readers.at(-1);
    if (!reader || this.lent > 0) this.close();
    else if (this.isOpen || !reader.isHolder || !inBackground()) this.open();
    else this.look = setTimeout(() => this.update(), lookPeriod).unref();
  }

  private open(): void {
    if (!this.isOpen) {
      this.isOpen = true;
      if (this.reopen && this.input.destroyed) {
        this.input = this.reopen();
        this.watchEnd();
      }
      this.input.on("data", this.take);
      // Shells do not put modes back for their jobs, and Node does not set again what it has set already.
      this.setRaw(false);
      this.setRaw(true);
    }
    this.input.resume();
  }

  private readonly close = (): void => {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.input.off("data", this.take);
    this.input.pause();
    this.setRaw(false);
  };

  /** After kill -STOP, fg and the like: the modes are somebody else's now. */
  private readonly goOn = (): void => {
    if (this.isOpen) {
      this.isOpen = false;
      this.input.off("data", this.take);
      this.input.pause();
    }
    this.update();
    for (const { continued } of [...this.readers]) continued();
  };

  private setRaw(raw: boolean): void {
    if (this.input.isTTY && !this.input.destroyed) this.input.setRawMode(raw);
  }
}
