import { shellText, typedText } from "../../../dockerfile/edit.js";
import type { Instruction } from "../../../dockerfile/syntax.js";
import type { Process, StepContainer } from "../../../engine/engine.js";
import type { ShellCommand, StartedShell } from "../../../debugger/commands/io.js";
import type { RawTerminal, TerminalSize } from "../raw-terminal.js";
import { prepareLaunch, type ShellKind } from "./launcher.js";
import { HistoryReader } from "./history-reader.js";
import { LineEditor } from "./line-editor.js";
import { MarkerScanner, type ShellMark } from "./markers.js";

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
/**
 * How long zsh may take from its prompt to the announcement that it takes pastes, and how long lines that were pasted into a
 * shell without line editing wait for its next prompt. Milliseconds.
 */
const pastePatience = 200;
/** What a shell takes in one line. busybox cuts at 1,024 (its line editor), the terminal driver at 4,096 (what dash reads). */
const longestLine: Readonly<Record<ShellKind, number>> = {
  bash: Number.POSITIVE_INFINITY,
  zsh: Number.POSITIVE_INFINITY,
  ksh: 1_000,
  ash: 1_000,
  dash: 4_000,
  sh: 1_000,
};

/** An instruction in the forms in which it can be typed. */
interface TypedText {
  /** As written, several lines where it has them. */
  readonly whole: string;
  /** On one line; undefined where that is not possible. */
  readonly joined: string | undefined;
  /** Runs it from the file it was written to; undefined where there is none. */
  readonly script: string | undefined;
}

/**
 * Starts an interactive shell in a step's container. It has the terminal, which is raw then, while it is `run`; what it prints
 * before waits. Rejects with ContainerError when it cannot be started.
 */
export async function startShell(container: StepContainer, options: ShellOptions): Promise<StartedShell> {
  const { typed, label, terminal, signal } = options;
  const { shell } = container.environment;
  const script = typed && shellText(typed, shell);
  const { whole, joined } = typed ? typedText(typed, shell) : {};
  // A tab that is left belongs to a quoted word.
  const isTypable = joined !== undefined && joined.length <= longestLine.ash && !joined.includes("\t");
  const launch = await prepareLaunch(container, label, isTypable ? undefined : script);
  const process = await container.exec({
    argv: launch.argv,
    env: terminalEnvironment(),
    tty: terminal.size,
    signal,
  });
  const text = whole === undefined ? undefined : { whole, joined, script: launch.scriptCommand };
  const relay = new Relay(process, terminal, text);
  return {
    run: async ({ isUnasked = false } = {}) => ({ exitCode: await relay.run(isUnasked), commands: relay.commands }),
  };
}

/**
 * Runs a program with the terminal as its own until it ends; its exit code. Rejects with ContainerError when it cannot be
 * started, EngineError when the engine is lost.
 */
export async function runProgram(
  container: StepContainer,
  argv: readonly string[],
  options: { terminal: RawTerminal; signal: AbortSignal | undefined },
): Promise<number> {
  const { terminal, signal } = options;
  const process = await container.exec({ argv, env: terminalEnvironment(), tty: terminal.size, signal });
  return new Relay(process, terminal, undefined).run(false);
}

/** The terminal's own variables; a step has none. */
function terminalEnvironment(): string[] {
  return ["TERM", "COLORTERM", "LANG"].flatMap((name) => {
    const value = globalThis.process.env[name];
    return value === undefined ? [] : [`${name}=${value}`];
  });
}

/** Typed key by key its lines would run one by one, and its tabs ask for completion. */
function mustBePasted({ whole, joined }: TypedText): boolean {
  return whole.includes("\n") || joined?.includes("\t") === true;
}

class Relay {
  readonly commands: ShellCommand[] = [];
  private readonly process: Process;
  private readonly terminal: RawTerminal;
  private readonly scanner = new MarkerScanner();
  private readonly editor: LineEditor;
  private kind: ShellKind = "sh";
  private takesPaste = false;
  private prompts = 0;
  /** The shell reads a line. */
  private reads = false;
  private readonly history = new HistoryReader();
  /** What is to be typed; undefined once it was. */
  private text: TypedText | undefined;
  /** Keys pressed before the instruction was typed wait, so that they do not get into the middle of it. */
  private waiting: Buffer[] | undefined = [];
  /** Whoever presses Enter before the instruction is there does not mean to run it. */
  private dropsEarlyKeys = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(process: Process, terminal: RawTerminal, text: TypedText | undefined) {
    this.process = process;
    this.terminal = terminal;
    this.text = text;
    this.editor = new LineEditor(terminal, (line) => this.write(Buffer.from(line)));
  }

  /** Relays until the shell ends; its exit code. `isUnasked`: what is typed before the instruction is nobody's. */
  async run(isUnasked: boolean): Promise<number> {
    const { process, terminal } = this;
    this.dropsEarlyKeys = isUnasked;
    if (isUnasked) await terminal.drop();
    await using _raw = terminal.enter((keys) => this.keys(keys));
    this.timer = setTimeout(() => this.release(), promptPatience);
    const resize = ({ columns, rows }: TerminalSize): void => process.resize(columns, rows);
    const stopSize = terminal.onResize(resize);
    // It may have been started a while ago.
    resize(terminal.size);
    process.stdin.on("drain", () => terminal.resumeKeys());
    try {
      for await (const chunk of process.stdout as AsyncIterable<Buffer>) {
        const { output, marks } = this.scanner.take(chunk);
        // From the prompt on keys are for the line editor, which opens when the prompt is complete.
        if (this.edits && marks.some(({ type }) => type === "prompt" || type === "more")) this.waiting ??= [];
        await terminal.write(this.editor.withoutEcho(output));
        for (const mark of marks) this.mark(mark);
      }
      await terminal.write(this.scanner.rest());
      return await process.exited;
    } finally {
      clearTimeout(this.timer);
      stopSize();
      this.editor.close();
      this.giveBackKeys();
      terminal.reset();
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
        if (mark.enabled && this.reads) this.typeText();
        break;
      case "ended":
        this.ended(mark.exitCode, mark.history);
        break;
      case "prompt":
        this.prompts += 1;
        this.reads = false;
        break;
      case "more":
        this.reads = false;
        break;
      case "input":
        this.reads = true;
        this.beginInput();
        break;
    }
  }

  private beginInput(): void {
    if (this.edits) {
      if (this.text) this.dropEarlyKeys();
      this.editor.begin(this.takeLine());
      this.release();
      return;
    }
    // zsh says only behind its prompt that it takes pastes.
    if (this.kind === "zsh" && !this.takesPaste && this.text && mustBePasted(this.text)) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.typeText(), pastePatience);
    } else this.typeText();
  }

  /** Types the instruction, once, and gives the keyboard to the shell. */
  private typeText(): void {
    const { text } = this;
    if (text) this.dropEarlyKeys();
    if (text && this.takesPaste && mustBePasted(text)) {
      this.text = undefined;
      this.write(Buffer.from(`\x1b[200~${text.whole}\x1b[201~`));
    } else if (text) this.write(Buffer.from(this.takeLine()));
    this.release();
  }

  /** The instruction on one line, once: as it is, or as the script it was written to. */
  private takeLine(): string {
    const { text } = this;
    this.text = undefined;
    if (!text) return "";
    const { joined, script } = text;
    if (joined === undefined) return script ?? "";
    const isTypable = joined.length <= longestLine[this.kind] && (this.edits || !joined.includes("\t"));
    return isTypable || script === undefined ? joined : script;
  }

  /** Remembers a command with its code: from the shell's history line, or from the local editor. */
  private ended(exitCode: number, history: string): void {
    const edited = this.editor.takeLines();
    if (edited !== undefined) {
      if (edited.trim() !== "") this.commands.push({ text: edited.trim(), exitCode });
      return;
    }
    const text = this.history.take(history);
    if (text !== undefined && this.prompts > 0) this.commands.push({ text, exitCode });
  }

  private dropEarlyKeys(): void {
    if (this.dropsEarlyKeys) this.waiting = [];
  }

  private release(): void {
    clearTimeout(this.timer);
    const keys = this.waiting ?? [];
    this.waiting = undefined;
    for (const key of keys) this.keys(key);
  }

  /** Keys that no prompt took are for what asks next. */
  private giveBackKeys(): void {
    if (this.waiting && this.waiting.length > 0) this.terminal.unread(Buffer.concat(this.waiting));
    this.waiting = undefined;
  }

  private keys(keys: Buffer): void {
    if (this.waiting) this.waiting.push(keys);
    else if (this.editor.active) this.keysBehind(this.editor.keys(keys));
    else this.write(keys);
  }

  /** Keys that came with a line that was sent: the next lines of a paste, or for what the line runs. */
  private keysBehind(keys: Buffer): void {
    if (keys.length === 0) return;
    if (this.editor.active) {
      this.keys(keys);
      return;
    }
    this.waiting = [keys];
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.release(), pastePatience);
  }

  private write(bytes: Buffer): void {
    const { stdin } = this.process;
    if (stdin.writable && !stdin.write(bytes)) this.terminal.pauseKeys();
  }
}
