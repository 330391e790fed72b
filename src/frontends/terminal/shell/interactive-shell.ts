import { shellText, joinedShellText } from "../../../dockerfile/edit.js";
import type { Instruction } from "../../../dockerfile/syntax.js";
import type { Process, StepContainer } from "../../../engine/engine.js";
import type { RawTerminal } from "../raw-terminal.js";
import { prepareLaunch, stepScript, type ShellKind } from "./launcher.js";
import { LineEditor } from "./line-editor.js";
import { MarkerScanner, type ShellMark } from "./markers.js";

/** A command that the user ran in the shell. */
export interface ShellCommand {
  readonly text: string;
  readonly exitCode: number;
}

export interface ShellOutcome {
  /** The shell's own exit code. */
  readonly exitCode: number;
  /** In order; empty where the shell does not tell. */
  readonly commands: readonly ShellCommand[];
}

export interface ShellOptions {
  readonly terminal: RawTerminal;
  /** What the prompt begins with: `step 4`. */
  readonly label: string;
  /** Typed at the first prompt, not executed. */
  readonly typed: Instruction | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** After this the first prompt is given up, and the keyboard is the shell's. Milliseconds. */
const promptPatience = 3_000;

/** Runs an interactive shell in a step's container until it ends; the terminal is raw meanwhile. */
export async function runShell(container: StepContainer, options: ShellOptions): Promise<ShellOutcome> {
  const { typed } = options;
  const joined = typed && joinedShellText(typed);
  const whole = typed && shellText(typed, container.environment.shell);
  const launch = await prepareLaunch(container, options, joined === undefined ? whole : undefined);
  const process = await container.exec({
    argv: launch.argv,
    env: [...launch.env, ...terminalEnvironment()],
    tty: options.terminal.size,
    signal: options.signal,
  });
  const relay = new Relay(process, options.terminal, { whole, joined });
  return { exitCode: await relay.run(), commands: relay.commands };
}

/** The terminal's own variables; a step has none. */
function terminalEnvironment(): string[] {
  return ["TERM", "COLORTERM", "LANG"].flatMap((name) => {
    const value = globalThis.process.env[name];
    return value === undefined ? [] : [`${name}=${value}`];
  });
}

class Relay {
  private readonly process: Process;
  private readonly terminal: RawTerminal;
  private readonly text: { whole: string | undefined; joined: string | undefined };
  private readonly scanner = new MarkerScanner();
  private readonly editor: LineEditor;
  readonly commands: ShellCommand[] = [];
  private kind: ShellKind = "sh";
  private takesPaste = false;
  private prompts = 0;
  private lastHistory: string | undefined;
  /** Keys pressed before the instruction was typed wait, so that they do not get into the middle of it. */
  private waiting: Buffer[] | undefined = [];

  constructor(
    process: Process,
    terminal: RawTerminal,
    text: { whole: string | undefined; joined: string | undefined },
  ) {
    this.process = process;
    this.terminal = terminal;
    this.text = text;
    this.editor = new LineEditor(terminal, (line) => {
      this.write(Buffer.from(line));
    });
  }

  /** Relays until the shell ends; its exit code. */
  async run(): Promise<number> {
    const { process, terminal } = this;
    await using _raw = terminal.enter();
    const patience = setTimeout(() => this.release(), promptPatience);
    const stopKeys = terminal.onKeys((keys) => this.keys(keys));
    const stopSize = terminal.onResize((size) => process.resize(size.columns, size.rows));
    try {
      for await (const chunk of process.stdout as AsyncIterable<Buffer>) {
        const { output, marks } = this.scanner.take(chunk);
        // From the prompt on keys are for the line editor, which opens when the prompt has been shown.
        if (this.edits && marks.some((mark) => mark.type === "prompt")) this.waiting ??= [];
        await terminal.write(this.editor.withoutEcho(output));
        for (const mark of marks) this.mark(mark);
      }
      await terminal.write(this.scanner.rest());
      return await process.exited;
    } finally {
      clearTimeout(patience);
      stopKeys();
      stopSize();
      this.editor.close();
    }
  }

  /** The shell has no line editing of its own. */
  private get edits(): boolean {
    return this.kind === "dash" || this.kind === "sh";
  }

  private mark(mark: ShellMark): void {
    switch (mark.type) {
      case "kind":
        this.kind = mark.kind;
        break;
      case "paste":
        this.takesPaste = mark.enabled;
        if (mark.enabled && this.prompts === 1) this.typeInstruction();
        break;
      case "ended":
        this.ended(mark.exitCode, mark.history);
        break;
      case "prompt":
        this.prompts += 1;
        if (this.edits) {
          this.editor.begin(this.takeLine(), () => this.release());
          break;
        }
        // Bash and zsh announce bracketed paste just after or before the prompt; others never do.
        if (this.prompts === 1 && (this.takesPaste || (this.kind !== "bash" && this.kind !== "zsh")))
          this.typeInstruction();
        break;
    }
  }

  /** Remembers a command with its code: from the shell's history line, or from the local editor. */
  private ended(exitCode: number, history: string): void {
    if (this.editor.lastLine !== undefined) {
      if (this.editor.lastLine.trim() !== "") this.commands.push({ text: this.editor.lastLine.trim(), exitCode });
      this.editor.lastLine = undefined;
      return;
    }
    if (history === "" || history === this.lastHistory) return;
    this.lastHistory = history;
    const text = history.replace(/^\s*\d+\*?\s+/, "");
    if (text.trim() !== "" && this.prompts > 0) this.commands.push({ text, exitCode });
  }

  private typeInstruction(): void {
    const { whole } = this.text;
    if (whole !== undefined && this.takesPaste && whole.includes("\n")) {
      this.text.whole = undefined;
      this.write(Buffer.from(`\x1b[200~${whole}\x1b[201~`));
    } else this.write(Buffer.from(this.takeLine()));
    this.release();
  }

  /** The instruction on one line, once: as it is, or as the script it was written to. */
  private takeLine(): string {
    const { whole, joined } = this.text;
    this.text.whole = undefined;
    return whole === undefined ? "" : (joined ?? `sh ${stepScript}`);
  }

  private release(): void {
    const keys = this.waiting ?? [];
    this.waiting = undefined;
    for (const key of keys) this.keys(key);
  }

  private keys(keys: Buffer): void {
    if (this.waiting) this.waiting.push(keys);
    else if (this.editor.active) this.editor.keys(keys);
    else this.write(keys);
  }

  private write(bytes: Buffer): void {
    if (!this.process.stdin.writable) return;
    if (this.process.stdin.write(bytes)) return;
    this.terminal.pauseKeys();
    this.process.stdin.once("drain", () => this.terminal.resumeKeys());
  }
}
