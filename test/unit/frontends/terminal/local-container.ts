import { spawn } from "@lydell/node-pty";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable, Writable } from "node:stream";
import type { ReadStream, WriteStream } from "node:tty";
import type { ExecOptions, Process, StepContainer, StepEnvironment } from "../../../../src/engine/engine.js";
import { RawTerminal } from "../../../../src/frontends/terminal/raw-terminal.js";

/** A container that is this machine: the shells are real ones, in a real pseudo-terminal. */
export class LocalContainer implements StepContainer {
  readonly environment: StepEnvironment;
  readonly toolbox = { available: false, reason: "a test", hint: "" } as const;
  readonly folder = mkdtempSync(join(tmpdir(), "dfdebug-shell-"));
  readonly sizes: string[] = [];

  constructor(shell: readonly string[], env: readonly string[] = []) {
    this.environment = {
      env: [`PATH=${process.env["PATH"] ?? ""}`, `HOME=${this.folder}`, ...env],
      cwd: this.folder,
      user: "",
      shell,
      argv: undefined,
    };
  }

  async exec({ argv, env = [], tty }: ExecOptions): Promise<Process> {
    const [file = "", ...args] = argv;
    const variables = [...this.environment.env, ...env].map((entry) => entry.split(/=(.*)/s).slice(0, 2));
    const pty = spawn(file, args, {
      cols: tty?.columns ?? 80,
      rows: tty?.rows ?? 24,
      cwd: this.folder,
      env: Object.fromEntries(variables) as Record<string, string>,
      encoding: null,
    });
    const stdout = new Readable({ read: () => undefined });
    pty.onData((data) => stdout.push(data));
    const exited = new Promise<number>((resolve) => {
      pty.onExit(({ exitCode }) => {
        stdout.push(null);
        resolve(exitCode);
      });
    });
    return {
      stdin: new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          pty.write(chunk.toString());
          done();
        },
      }),
      stdout,
      stderr: Readable.from([]),
      resize: (columns, rows) => {
        this.sizes.push(`${String(columns)}x${String(rows)}`);
        pty.resize(columns, rows);
      },
      kill: (signal) => pty.kill(`SIG${signal}`),
      exited,
    };
  }

  async writeScratchFile(name: string, content: string | Uint8Array): Promise<string> {
    const path = join(this.folder, name);
    writeFileSync(path, content);
    chmodSync(path, 0o755);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A person's terminal in memory. */
export class TestTerminal {
  /** Everything shown: control sequences taken out, and what backspaces went over. */
  text = "";
  readonly input = Object.assign(new PassThrough(), { isTTY: true, isRaw: false, setRawMode: () => this.input });
  readonly output: Writable & { columns: number; rows: number; isTTY: boolean };
  readonly raw: RawTerminal;
  private seen = 0;
  private wake: () => void = () => undefined;

  constructor(columns = 100, rows = 30) {
    const output = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        const text = chunk.toString();
        // A terminal answers where the cursor is; busybox asks.
        if (text.includes("\x1b[6n")) this.type("\x1b[1;1R");
        for (const key of text.replaceAll(/\x1b(\][^\x07]*\x07|\[[0-?]*[ -/]*[@-~]|[=>78])/g, "")) this.show(key);
        this.wake();
        done();
      },
    });
    this.output = Object.assign(output, { columns, rows, isTTY: true });
    this.raw = new RawTerminal(this.input as unknown as ReadStream, this.output as unknown as WriteStream);
  }

  type(keys: string): void {
    this.input.write(keys);
  }

  private show(key: string): void {
    if (key === "\b") {
      this.text = this.text.slice(0, -1);
      this.seen = Math.min(this.seen, this.text.length);
    } else if (key !== "\r") this.text += key;
  }

  /** Waits for text after what was waited for before. */
  async expect(pattern: string | RegExp): Promise<string> {
    for (;;) {
      const rest = this.text.slice(this.seen);
      const found = typeof pattern === "string" ? rest.indexOf(pattern) : rest.search(pattern);
      if (found >= 0) {
        const length = typeof pattern === "string" ? pattern.length : (pattern.exec(rest)?.[0].length ?? 0);
        this.seen += found + length;
        return rest.slice(0, found + length);
      }
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no ${String(pattern)} in:\n${rest}`)), 5_000);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
