import { spawn, type IPty } from "@lydell/node-pty";
import type { TestEngine } from "./engines.js";
import { program } from "./run-dfdebug.js";

/** dfdebug in a pseudo-terminal, as a person sits before it. */
export class Terminal implements AsyncDisposable {
  /** All output so far, escape sequences taken out. */
  output = "";
  /** All output as it came. */
  raw = "";
  private readonly exit: Promise<number>;
  private readonly pty: IPty;
  private seen = 0;
  private readonly waiters = new Set<() => void>();

  /** `args`: dfdebug's, or those of `shell` that is started in its place. */
  constructor(
    engine: TestEngine,
    args: readonly string[],
    cwd: string,
    env: Readonly<Record<string, string>> = {},
    shell?: string,
  ) {
    const [file, words] = shell === undefined ? [process.execPath, [program, ...args]] : [shell, [...args]];
    this.pty = spawn(file, words, {
      name: "xterm-256color",
      cols: 100,
      rows: 30,
      cwd,
      env: { ...process.env, DOCKER_HOST: engine.host, NO_COLOR: "1", XDG_STATE_HOME: cwd, ...env },
    });
    this.pty.onData((data) => {
      // ash asks the terminal where the cursor is; a terminal answers.
      if (data.includes("\x1b[6n")) this.pty.write("\x1b[1;1R");
      this.raw += data;
      this.output += data.replaceAll(/\x1b(\][^\x07]*\x07|\[[0-?]*[ -/]*[@-~]|[=>78])/g, "").replaceAll("\r", "");
      for (const waiter of this.waiters) waiter();
    });
    this.exit = new Promise((resolve) => {
      this.pty.onExit(({ exitCode }) => {
        resolve(exitCode);
        for (const waiter of this.waiters) waiter();
      });
    });
  }

  /** Its exit code. Rejects, with what is on the screen, where it does not end. */
  get exited(): Promise<number> {
    const shown = this.output.length;
    return withTimeout(
      this.exit,
      60,
      () => `dfdebug goes on; the screen since then:\n${this.output.slice(shown - 500)}`,
    );
  }

  /** Types keys. */
  type(keys: string): void {
    this.pty.write(keys);
  }

  kill(signal: "SIGKILL" | "SIGTERM" | "SIGHUP"): void {
    this.pty.kill(signal);
  }

  resize(columns: number, rows: number): void {
    this.pty.resize(columns, rows);
  }

  /** Waits for text after what was waited for before; returns what came up to its end. */
  async expect(text: string | RegExp, seconds = 60): Promise<string> {
    const from = this.seen;
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
      const rest = this.output.slice(from);
      const match = typeof text === "string" ? { index: rest.indexOf(text), length: text.length } : find(text, rest);
      if (match.index >= 0) {
        this.seen = from + match.index + match.length;
        return rest.slice(0, match.index + match.length);
      }
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no ${String(text)} in ${String(seconds)} s; the screen since then:\n${rest}`);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          clearTimeout(timer);
          this.waiters.delete(wake);
          resolve();
        };
        const timer = setTimeout(wake, left);
        this.waiters.add(wake);
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.pty.kill("SIGKILL");
    await this.exit;
  }
}

function find(pattern: RegExp, text: string): { index: number; length: number } {
  const match = pattern.exec(text);
  return { index: match?.index ?? -1, length: match?.[0].length ?? 0 };
}

async function withTimeout<T>(promise: Promise<T>, seconds: number, message: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(message()));
    }, seconds * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
