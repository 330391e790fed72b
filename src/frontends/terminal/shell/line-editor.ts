import { createInterface, type Interface } from "node:readline";
import { PassThrough, Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import type { RawTerminal } from "../raw-terminal.js";

/**
 * Line editing for shells that have none (dash): while the shell waits at its prompt the keys are edited here, and the
 * line is sent when it is complete. The terminal driver of the container echoes it; that echo is taken out.
 */
export class LineEditor {
  /** The last line sent, until it is taken. */
  lastLine: string | undefined;
  private readonly terminal: RawTerminal;
  private readonly send: (text: string) => void;
  private readonly history: string[] = [];
  private readonly decoder = new StringDecoder("utf8");
  private input = new PassThrough();
  private line: Interface | undefined;
  private echo = "";

  constructor(terminal: RawTerminal, send: (text: string) => void) {
    this.terminal = terminal;
    this.send = send;
  }

  get active(): boolean {
    return this.line !== undefined;
  }

  /** The shell has printed its prompt's marker: editing begins behind the prompt, with `text` typed. */
  begin(text: string, opened: () => void): void {
    if (this.line) return;
    setImmediate(() => {
      this.open();
      if (text !== "") this.line?.write(text);
      opened();
    });
  }

  /** Keys one by one: readline takes a chunk that holds a whole line for a paste and forgets where the cursor was. */
  keys(keys: Buffer): void {
    const { input } = this;
    for (const key of this.decoder.write(keys)) {
      // The line was sent: what follows is for what it runs.
      if (this.line === undefined) this.send(key);
      else input.write(key);
    }
  }

  /** Output without the echo of the line that was sent. */
  withoutEcho(output: Buffer): Buffer {
    if (this.echo === "" || output.length === 0) return output;
    const text = output.toString("latin1");
    const expected = Buffer.from(this.echo).toString("latin1");
    const common = Math.min(text.length, expected.length);
    if (text.slice(0, common) !== expected.slice(0, common)) {
      this.echo = "";
      return output;
    }
    this.echo = Buffer.from(expected.slice(common), "latin1").toString("utf8");
    return output.subarray(common);
  }

  close(): void {
    this.line?.close();
    this.line = undefined;
  }

  private open(): void {
    this.input = new PassThrough();
    const column = this.promptColumn();
    const output = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        void this.terminal.write(chunk).then(() => done());
      },
    });
    const { columns, rows } = this.terminal.size;
    const line = createInterface({
      input: this.input,
      output: Object.assign(output, { columns, rows }),
      terminal: true,
      prompt: column,
      history: [...this.history],
      historySize: 500,
    });
    this.line = line;
    line.on("line", (text) => {
      this.finish(`${text}\n`, text);
    });
    line.on("SIGINT", () => {
      this.finish("\x03", undefined);
    });
    line.on("close", () => {
      if (this.line !== line) return;
      // Ctrl-D on an empty line.
      this.line = undefined;
      this.send("\x04");
    });
    line.prompt();
  }

  private finish(bytes: string, text: string | undefined): void {
    const { line } = this;
    this.line = undefined;
    line?.close();
    if (text !== undefined) {
      this.lastLine = text;
      if (text.trim() !== "") this.history.unshift(text);
      this.echo = `${text}\r\n`;
    }
    this.send(bytes);
  }

  /** readline draws its prompt itself: the shell's own is on the line already, so it is drawn again in its place. */
  private promptColumn(): string {
    return this.terminal.lastLine;
  }
}
