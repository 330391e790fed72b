import { createInterface, type Interface } from "node:readline";
import { PassThrough, Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import type { RawTerminal } from "../raw-terminal.js";

/**
 * Line editing for shells that have none (dash): while the shell waits at its prompt the keys are edited here, and the
 * line is sent when it is complete. The terminal driver of the container echoes it; that echo is taken out.
 */
export class LineEditor {
  private readonly terminal: RawTerminal;
  private readonly send: (text: string) => void;
  private readonly history: string[] = [];
  private readonly decoder = new StringDecoder("utf8");
  private input = new PassThrough();
  private line: Interface | undefined;
  private sent: string[] = [];
  /** Bytes of the echo still to come. */
  private echo = Buffer.alloc(0);

  constructor(terminal: RawTerminal, send: (text: string) => void) {
    this.terminal = terminal;
    this.send = send;
  }

  get active(): boolean {
    return this.line !== undefined;
  }

  /** What was sent since this was last called; undefined where nothing was. */
  takeLines(): string | undefined {
    const { sent } = this;
    this.sent = [];
    return sent.length === 0 ? undefined : sent.join("\n");
  }

  /** The shell's prompt stands on the terminal: editing begins behind it, with `text` typed. */
  begin(text: string): void {
    if (this.line) return;
    this.echo = Buffer.alloc(0);
    this.line = this.open();
    if (text !== "") this.line.write(text);
  }

  /**
   * Keys one by one: readline takes a chunk that holds a whole line for a paste and forgets where the cursor was. Gives back
   * what follows a line that was sent.
   */
  keys(keys: Buffer): Buffer {
    const text = this.decoder.write(keys);
    let at = 0;
    for (const key of text) {
      if (this.line === undefined) break;
      this.input.write(key);
      at += key.length;
    }
    return Buffer.from(text.slice(at));
  }

  /** Output without the echo of the line that was sent. */
  withoutEcho(output: Buffer): Buffer {
    if (this.echo.length === 0 || output.length === 0) return output;
    const common = Math.min(output.length, this.echo.length);
    if (output.compare(this.echo, 0, common, 0, common) !== 0) {
      this.echo = Buffer.alloc(0);
      return output;
    }
    this.echo = this.echo.subarray(common);
    return output.subarray(common);
  }

  close(): void {
    const { line } = this;
    this.line = undefined;
    line?.close();
  }

  private open(): Interface {
    const { terminal } = this;
    this.input = new PassThrough();
    const output = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        terminal.write(chunk).then(() => done(), done);
      },
    });
    Object.defineProperties(output, {
      columns: { get: () => terminal.size.columns },
      rows: { get: () => terminal.size.rows },
    });
    const stopSize = terminal.onResize(() => output.emit("resize"));
    const line = createInterface({
      input: this.input,
      output,
      terminal: true,
      // readline draws its prompt itself: the shell's own is on the line already, so it is drawn again in its place.
      prompt: terminal.lastLine,
      history: [...this.history],
      historySize: 500,
    });
    line.on("line", (text) => this.finish(`${text}\n`, text));
    line.on("SIGINT", () => this.finish("\x03", undefined));
    // Ctrl-Z at the shell's prompt stops nothing, dfdebug least of all.
    line.on("SIGTSTP", () => undefined);
    line.on("close", () => {
      stopSize();
      if (this.line !== line) return;
      // Ctrl-D on an empty line.
      this.line = undefined;
      this.send("\x04");
    });
    line.prompt();
    return line;
  }

  private finish(bytes: string, text: string | undefined): void {
    this.close();
    if (text === undefined) this.sent = [];
    else {
      this.sent.push(text);
      if (text.trim() !== "") this.history.unshift(text);
      this.echo = Buffer.from(`${text}\r\n`);
    }
    this.send(bytes);
  }
}
