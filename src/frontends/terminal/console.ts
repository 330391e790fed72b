import { createInterface } from "node:readline";
import { PassThrough, Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import type { CommandIo, InteractiveIo, Line } from "../../debugger/commands/io.js";
import type { CommandLine } from "../../debugger/commands/loop.js";
import { editText } from "./editor.js";
import { renderError } from "./error-text.js";
import type { RawTerminal } from "./raw-terminal.js";
import { renderLine } from "./render.js";
import { runProgram, startShell } from "./shell/interactive-shell.js";
import { detectStyle, type Environment, type Style } from "./style.js";
import { widthOf } from "./width.js";

/** Completes a line: the candidates, and the part of the line that they replace. */
export type Completer = (line: string) => Promise<[string[], string]>;

export interface QuestionOptions {
  /** Typed already. */
  readonly initial?: string;
  readonly history?: readonly string[];
  readonly complete?: Completer;
  /** Its abort is an end of input. */
  readonly signal?: AbortSignal;
}

export interface ConsoleOptions {
  /** The terminal's output stream. */
  readonly output: NodeJS.WriteStream;
  readonly env: Environment;
  /** The same terminal's keys. */
  readonly terminal: RawTerminal;
  /** Its abort is an end of input at every prompt and question: nobody can do anything with an answer. */
  readonly hangUp?: AbortSignal;
  /** Called before anything is written or asked: a display that redraws itself must be finished by then. */
  readonly beforeOutput: () => void;
}

/** Ctrl-C instead of an answer. */
const interrupted = Symbol("interrupted");

/** The user's terminal for prompts, questions, text, shells and editors. */
export class Console implements CommandIo {
  readonly style: Style;
  readonly interactive: InteractiveIo;
  private readonly raw: RawTerminal;
  private readonly output: NodeJS.WriteStream;
  private readonly env: Environment;
  private readonly beforeOutput: () => void;
  private readonly hangUp: AbortSignal | undefined;

  constructor(options: ConsoleOptions) {
    this.beforeOutput = options.beforeOutput;
    this.hangUp = options.hangUp;
    this.output = options.output;
    this.env = options.env;
    this.style = detectStyle(options.output, options.env);
    const raw = options.terminal;
    this.raw = raw;
    this.interactive = {
      startShell: async (container, shellOptions) => {
        const shell = await startShell(container, { terminal: raw, ...shellOptions });
        return {
          run: (runOptions) => {
            this.beforeOutput();
            return shell.run(runOptions);
          },
        };
      },
      run: (container, argv, signal) => {
        this.beforeOutput();
        return runProgram(container, argv, { terminal: raw, signal });
      },
      edit: (text, place) => {
        this.beforeOutput();
        return raw.lend(() => editText(text, { ...place, env: options.env }));
      },
    };
  }

  get width(): number {
    return widthOf(this.output);
  }

  async print(...lines: readonly Line[]): Promise<void> {
    if (lines.length === 0) return;
    this.beforeOutput();
    await this.raw.write(lines.map((line) => `${renderLine(line, this.style)}\n`).join(""));
  }

  async error(error: Error): Promise<void> {
    this.beforeOutput();
    this.output.write(renderError(error, { stream: this.output, env: this.env }));
  }

  /** A command line, as the loop wants it. */
  async command(prompt: string, options: QuestionOptions): Promise<CommandLine> {
    const answer = await this.ask(prompt, options);
    if (answer === interrupted) return { kind: "interrupt" };
    if (answer !== undefined) return { kind: "line", text: answer, mayFail: true };
    return { kind: this.raw.ended ? "end" : "leave" };
  }

  /** A line from the user; undefined at the end of input (Ctrl-D) and after Ctrl-C. */
  async question(prompt: string, options: QuestionOptions = {}): Promise<string | undefined> {
    const answer = await this.ask(this.style.bold(prompt), options);
    return answer === interrupted ? undefined : answer;
  }

  /** A yes-or-no question; the end of input is No, Ctrl-C no answer. */
  async confirm(question: string, preset: boolean): Promise<boolean | undefined> {
    for (;;) {
      const answer = await this.ask(`${question} ${preset ? "[Y/n]" : "[y/N]"} `, {});
      if (answer === interrupted) return undefined;
      if (answer === undefined) return false;
      const text = answer.trim().toLowerCase();
      if (text === "") return preset;
      if (text === "y" || text === "yes") return true;
      if (text === "n" || text === "no") return false;
    }
  }

  /** Waits for something that is nice to know; undefined as soon as a key is pressed, which is for whoever asks next. */
  async unlessTyping<Value>(work: Promise<Value>): Promise<Value | undefined> {
    const { promise: typed, resolve } = resolvable<undefined>();
    await using _raw = this.raw.enter(
      (keys) => {
        this.raw.unread(keys);
        resolve(undefined);
      },
      () => resolve(undefined),
    );
    return await Promise.race([work, typed]);
  }

  /** Keys typed ahead are taken, and what follows the line is left for the next question. */
  private async ask(prompt: string, options: QuestionOptions): Promise<string | typeof interrupted | undefined> {
    this.beforeOutput();
    const giveUp = AbortSignal.any([options.signal, this.hangUp].filter((signal) => signal !== undefined));
    if (giveUp.aborted) return undefined;
    const input = new PassThrough();
    const line = createInterface({
      input,
      output: this.lineOutput(),
      terminal: true,
      prompt,
      historySize: 1000,
      history: [...(options.history ?? [])],
      removeHistoryDuplicates: true,
      ...(options.complete ? { completer: asCompleter(options.complete) } : {}),
    });
    const decoder = new StringDecoder("utf8");
    let isOpen = true;
    let answer: string | typeof interrupted | undefined;
    const closed = new Promise<void>((resolve) => {
      line.once("close", () => {
        isOpen = false;
        resolve();
      });
    });
    giveUp.addEventListener("abort", () => line.close(), { once: true });
    line.once("line", (text) => {
      answer = text;
      line.close();
    });
    line.once("SIGINT", () => {
      answer = interrupted;
      this.output.write("^C\n");
      line.close();
    });
    // Ctrl-Z: the default would stop the process with the terminal still raw.
    line.on("SIGTSTP", () => undefined);
    await using _raw = this.raw.enter(
      (keys) => {
        const text = decoder.write(keys);
        let at = 0;
        // Key by key: readline would take a chunk with a line in it for a paste, and lose what follows.
        for (const key of text) {
          if (!isOpen) break;
          input.write(key);
          at += key.length;
        }
        this.raw.unread(Buffer.from(text.slice(at)));
      },
      () => line.close(),
    );
    line.prompt();
    if (options.initial) line.write(options.initial);
    await closed;
    if (answer === undefined) this.output.write("\n");
    return answer;
  }

  /** The terminal as readline needs it, without the terminal's own input, which it would take over. */
  private lineOutput(): Writable {
    const { output } = this;
    const lineOutput = new Writable({
      write: (chunk: Buffer, _encoding, done) => void output.write(chunk, () => done()),
    });
    return Object.defineProperties(lineOutput, {
      columns: { get: () => this.raw.size.columns },
      rows: { get: () => this.raw.size.rows },
    });
  }
}

function asCompleter(complete: Completer) {
  return (text: string, done: (error: Error | null, result: [string[], string]) => void): void => {
    complete(text).then(
      (result) => done(null, result),
      () => done(null, [[], text]),
    );
  };
}

/** Node 20 has no Promise.withResolvers. */
function resolvable<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve: (value: Value) => void = () => undefined;
  const promise = new Promise<Value>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
