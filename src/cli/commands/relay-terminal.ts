import { Writable } from "node:stream";
import type { TerminalProcess } from "../../sidecar/sidecar.js";
import { RawTerminal } from "../../frontends/terminal/raw-terminal.js";
import { cancellation } from "../../errors.js";
import type { CliIo } from "../io.js";
import type { Outcome } from "./relay.js";

/** What the escape key opens; resolves with what to do when it is left. */
export type EscapePrompt = (terminal: RawTerminal) => Promise<"shell" | "key" | "quit">;

/** Ctrl-]: leaves the shell for the prompt. */
const escapeKey = 0x1d;

/**
 * On a terminal: keys as they are pressed, Ctrl-C too; its size follows. The escape key opens `prompt`, where there is one:
 * meanwhile the process runs on, and its output waits. Rejects as `relayStreams`.
 */
export async function relayTerminal(
  process: Pick<TerminalProcess, "exec">,
  io: CliIo,
  prompt?: EscapePrompt,
): Promise<Outcome> {
  const { exec } = process;
  const terminal = new RawTerminal(io.stdin, io.stdout);
  const interrupted = new Promise<never>((_resolve, reject) => {
    io.signal.addEventListener("abort", () => reject(cancellation(io.signal)), { once: true });
  });
  interrupted.catch(() => undefined);
  const gate = new Gate(io.stdout);
  const stopSize = terminal.onResize((size) => void exec.resize(size));
  exec.stdin.on("drain", () => terminal.resumeKeys());
  const output = exec.copyOutput({ stdout: gate, stderr: gate }).then(() => "ended" as const);
  output.catch(() => undefined);
  try {
    for (;;) {
      const event = await Promise.race([untilEscape(terminal, exec.stdin, output, prompt !== undefined), interrupted]);
      if (event === "ended" || prompt === undefined) break;
      gate.close();
      terminal.reset();
      const answer = await Promise.race([prompt(terminal), interrupted]);
      if (answer === "quit") return { kind: "quit" };
      if (answer === "key") exec.stdin.write(Buffer.of(escapeKey));
      gate.open();
      // What fills the screen draws it anew.
      const { columns, rows } = terminal.size;
      void exec.resize({ columns, rows: rows - 1 });
      void exec.resize({ columns, rows });
    }
    const code = await exec.exitCode().catch(() => undefined);
    return code === undefined ? { kind: "lost" } : { kind: "code", code };
  } finally {
    stopSize();
    terminal.reset();
    exec.stdin.destroy();
  }
}

/** Sends keys until the process ends or the escape key comes; what was typed after that key is the prompt's. */
async function untilEscape(
  terminal: RawTerminal,
  stdin: Writable,
  output: Promise<"ended">,
  escapes: boolean,
): Promise<"ended" | "escape"> {
  let escape: (what: "escape") => void = () => undefined;
  const escaped = new Promise<"escape">((resolve) => (escape = resolve));
  let isLeft = false;
  const take = (keys: Buffer): void => {
    if (isLeft) return terminal.unread(keys);
    const at = escapes ? keys.indexOf(escapeKey) : -1;
    const sent = at < 0 ? keys : keys.subarray(0, at);
    if (sent.length > 0 && stdin.writable && !stdin.write(sent)) terminal.pauseKeys();
    if (at < 0) return;
    isLeft = true;
    terminal.unread(keys.subarray(at + 1));
    escape("escape");
  };
  await using _raw = terminal.enter(take, () => stdin.end());
  return await Promise.race([output, escaped]);
}

/** A sink that can be held shut: what wants to be written waits. */
class Gate extends Writable {
  private readonly sink: Writable;
  private isOpen = true;
  private waiting: (() => void) | undefined;

  constructor(sink: Writable) {
    super();
    this.sink = sink;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const write = (): void => void this.sink.write(chunk, done);
    if (this.isOpen) write();
    else this.waiting = write;
  }

  close(): void {
    this.isOpen = false;
  }

  open(): void {
    this.isOpen = true;
    this.waiting?.();
    this.waiting = undefined;
  }
}
