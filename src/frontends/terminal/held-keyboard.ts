import type { RawTerminal } from "./raw-terminal.js";

/** Signals that keys of a terminal stand for, without SIG. */
export type KeySignal = "INT" | "TSTP" | "QUIT";

const signalKeys: ReadonlyMap<number, KeySignal> = new Map([
  [0x03, "INT"],
  [0x1a, "TSTP"],
  [0x1c, "QUIT"],
]);

const enter = 0x0d;

/** What is over by then needs no keyboard that is held. Milliseconds. */
const patience = 100;

export interface HeldKeyboardOptions {
  readonly terminal: RawTerminal;
  /** Sends a signal to everything that the terminal would send it to: the whole job. */
  readonly raise: (name: KeySignal) => void;
  /** The job is about to be stopped: the shell goes on where the cursor is. */
  readonly stopping: () => void;
  /** It goes on: what stands on the terminal is not what was drawn. */
  readonly continued: () => void;
}

/**
 * The keyboard while nobody reads it: nothing is echoed into what is drawn. Up to the first stop what is typed is for nobody,
 * from then on for who reads next: lines that are pasted at a prompt are commands, Enter alone is none. Ctrl-C, Ctrl-Z and
 * Ctrl-\ are the signals that they always are, and forget, as ever, what was typed before them.
 */
export class HeldKeyboard implements AsyncDisposable {
  private readonly options: HeldKeyboardOptions;
  private held: AsyncDisposable | undefined;
  private isOffered = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(options: HeldKeyboardOptions) {
    this.options = options;
  }

  /** Held soon, until disposed. */
  holdSoon(): void {
    if (!this.held) this.timer ??= setTimeout(() => this.hold(), patience);
  }

  /** Held from now on until disposed. */
  hold(): void {
    clearTimeout(this.timer);
    const { terminal, continued } = this.options;
    this.held ??= terminal.hold((keys) => this.take(keys), continued);
  }

  /** Held, and what is typed is for who reads next; what was typed before this is called first is for nobody. */
  async offer(): Promise<void> {
    this.hold();
    if (this.isOffered) return;
    this.isOffered = true;
    await this.options.terminal.drop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.timer);
    await this.held?.[Symbol.asyncDispose]();
  }

  private take(keys: Buffer): void {
    const { terminal } = this.options;
    let from = 0;
    for (const [at, key] of keys.entries()) {
      const signal = signalKeys.get(key);
      if (!signal) continue;
      terminal.forgetUnread();
      from = at + 1;
      this.signal(signal);
    }
    const left = keys.subarray(from);
    // Enter alone would repeat a command, or answer a question, that nobody has seen yet.
    if (this.isOffered && (terminal.isInLine || left.some((key) => key !== enter))) terminal.unread(left);
  }

  private signal(name: KeySignal): void {
    const { terminal, raise, stopping } = this.options;
    if (name === "TSTP") stopping();
    // What is quit has no time to put the terminal back.
    if (name === "INT") raise(name);
    else terminal.stop(() => raise(name));
  }
}
