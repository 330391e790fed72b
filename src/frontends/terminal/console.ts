import { createInterface, type Interface } from "node:readline";
import { RawTerminal } from "./raw-terminal.js";
import { detectStyle, type Environment, type Style } from "./style.js";

/** Completes a line: the candidates, and the part of the line that they replace. */
export type Completer = (line: string) => Promise<[string[], string]>;

export interface QuestionOptions {
  /** Typed already. */
  readonly initial?: string;
  readonly history?: readonly string[];
  readonly complete?: Completer;
}

/** The user's terminal for prompts, questions and text. */
export class Console {
  readonly style: Style;
  readonly raw: RawTerminal;
  private readonly stdin: NodeJS.ReadStream;
  private readonly stdout: NodeJS.WriteStream;
  /** Called before anything is written or asked: a display that redraws itself must be finished by then. */
  private readonly beforeOutput: () => void;

  constructor(options: {
    stdin: NodeJS.ReadStream;
    stdout: NodeJS.WriteStream;
    env: Environment;
    beforeOutput: () => void;
  }) {
    this.beforeOutput = options.beforeOutput;
    this.stdin = options.stdin;
    this.stdout = options.stdout;
    this.style = detectStyle(options.stdout, options.env);
    this.raw = new RawTerminal(options.stdin, options.stdout);
  }

  get width(): number {
    return Math.max(20, this.stdout.columns || 80);
  }

  /** Prints lines. */
  print(...lines: readonly string[]): void {
    this.beforeOutput();
    for (const line of lines) this.stdout.write(`${line}\n`);
  }

  /** A line from the user; undefined at the end of input (Ctrl-D), "" after Ctrl-C. */
  question(prompt: string, options: QuestionOptions = {}): Promise<string | undefined> {
    this.beforeOutput();
    return new Promise((resolve) => {
      const { complete } = options;
      const line: Interface = createInterface({
        input: this.stdin,
        output: this.stdout,
        terminal: true,
        prompt,
        historySize: 1000,
        history: [...(options.history ?? [])],
        removeHistoryDuplicates: true,
        ...(complete
          ? {
              completer: (text: string, done: (error: Error | null, result: [string[], string]) => void) => {
                complete(text).then(
                  (result) => done(null, result),
                  () => done(null, [[], text]),
                );
              },
            }
          : {}),
      });
      let answer: string | undefined;
      line.once("line", (text) => {
        answer = text;
        line.close();
      });
      line.once("SIGINT", () => {
        answer = "";
        this.stdout.write("^C\n");
        line.close();
      });
      line.once("close", () => {
        if (answer === undefined) this.stdout.write("\n");
        resolve(answer);
      });
      line.prompt();
      if (options.initial) line.write(options.initial);
    });
  }

  /** A yes-or-no question; the end of input is No. */
  async confirm(question: string, preset: boolean): Promise<boolean> {
    for (;;) {
      const answer = await this.question(`${question} ${preset ? "[Y/n]" : "[y/N]"} `);
      if (answer === undefined) return false;
      const text = answer.trim().toLowerCase();
      if (text === "") return preset;
      if (text === "y" || text === "yes") return true;
      if (text === "n" || text === "no") return false;
    }
  }
}
