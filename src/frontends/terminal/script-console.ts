import type { CommandLine } from "../../debugger/commands/loop.js";
import type { CommandIo, Line } from "../../debugger/commands/io.js";
import type { Script } from "../../debugger/commands/script.js";
import { writeAll } from "../../write-all.js";
import { renderError } from "./error-text.js";
import { renderLine } from "./render.js";
import { widthOf } from "./width.js";
import { detectStyle, type Environment, type Style } from "./style.js";

export interface ScriptConsoleOptions {
  /** Undefined: nobody answers. */
  readonly script: Script | undefined;
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly env: Environment;
  readonly beforeOutput: () => void;
}

/** The prompt where a script types: what it prints is what a terminal would show. */
export class ScriptConsole implements CommandIo {
  readonly interactive = undefined;
  readonly style: Style;
  private readonly options: ScriptConsoleOptions;

  constructor(options: ScriptConsoleOptions) {
    this.options = options;
    this.style = detectStyle(options.output, options.env);
  }

  get width(): number {
    return widthOf(this.options.output);
  }

  async print(...lines: readonly Line[]): Promise<void> {
    if (lines.length === 0) return;
    this.options.beforeOutput();
    const { output } = this.options;
    const text = lines.map((line) => `${renderLine(line, this.style)}\n`).join("");
    await writeAll(output, text);
  }

  async error(error: Error): Promise<void> {
    this.options.beforeOutput();
    this.options.output.write(renderError(error, { stream: this.options.output, env: this.options.env }));
  }

  /** The next command, shown as if it were typed; the end when `signal` aborts. */
  async command(prompt: string, signal: AbortSignal): Promise<CommandLine> {
    const line = (await this.options.script?.command(signal)) ?? { kind: "end" };
    if (line.kind === "line") await this.print(`${prompt}${line.text}`);
    return line;
  }

  async question(prompt: string): Promise<string | undefined> {
    const text = await this.options.script?.line();
    await this.print(`${prompt}${text ?? ""}`);
    return text;
  }

  async confirm(question: string, preset: boolean): Promise<boolean> {
    const answer = await this.question(`${question} ${preset ? "[Y/n]" : "[y/N]"} `);
    if (answer === undefined) return false;
    return answer.trim() === "" ? preset : /^y(es)?$/i.test(answer.trim());
  }
}
