import { failureCard } from "../../debugger/card.js";
import { runAtStep } from "../../debugger/run-at-step.js";
import type { DebugSession } from "../../debugger/session.js";
import type { SessionEvent, SessionResult, StoppedState } from "../../debugger/state.js";
import { DfdebugError } from "../../errors.js";
import { cardLines } from "./card-text.js";
import { offerFix, openShell } from "./commands/act.js";
import { Console } from "./console.js";
import { renderError } from "./error-text.js";
import { LiveProgress } from "./live-progress.js";
import { PlainProgress } from "./plain-progress.js";
import { Repl } from "./repl.js";
import { LineSanitizer } from "./sanitize.js";
import { canRedraw, detectStyle, type Environment } from "./style.js";

export interface TerminalOptions {
  readonly onFailure: "shell" | "prompt" | "report";
  readonly progress: "tty" | "plain" | "quiet";
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Somebody sits there: input and messages are a terminal. */
  readonly isTerminal: boolean;
  readonly env: Environment;
  readonly signal: AbortSignal | undefined;
  /** Diagnostics to run at the failing step. */
  readonly execCommands: readonly string[];
}

interface Progress {
  take(event: SessionEvent): void;
  end(interrupted?: boolean): void;
}

/** Runs a session for a person: progress, the card of a failure, a shell, the prompt, to the end. Resolves with how it ended. */
export async function runTerminalFrontEnd(session: DebugSession, options: TerminalOptions): Promise<SessionResult> {
  return new TerminalFrontEnd(session, options).run();
}

class TerminalFrontEnd {
  private readonly session: DebugSession;
  private readonly options: TerminalOptions;
  private progress: Progress | undefined;
  private console: Console | undefined;
  private repl: Repl | undefined;
  /** The step whose shell was opened last: a shell opens by itself once at each step that fails. */
  private shellAt: string | undefined;

  constructor(session: DebugSession, options: TerminalOptions) {
    this.session = session;
    this.options = options;
  }

  async run(): Promise<SessionResult> {
    const { session, options } = this;
    const unsubscribe = session.subscribe((event) => this.event(event));
    try {
      let state = await session.start();
      while (state.kind === "stopped") {
        this.endProgress();
        await this.atStop(state);
        if (session.state.kind === "ended") break;
        state =
          session.state.kind === "stopped" && session.state.reason === "failure" && session.state !== state
            ? session.state
            : await session.continue();
      }
      this.endProgress();
      const result = session.state.kind === "ended" ? session.state.result : await session.terminate();
      if (result.status === "built" && options.progress !== "quiet") this.built(result);
      return result;
    } catch (error) {
      this.endProgress(true);
      throw error;
    } finally {
      unsubscribe();
    }
  }

  private event(event: SessionEvent): void {
    if (this.options.progress === "quiet") return;
    this.progress ??= this.makeProgress();
    this.progress.take(event);
  }

  private makeProgress(): Progress {
    const { stderr, env, progress } = this.options;
    if (progress === "tty" && canRedraw(stderr, env)) return new LiveProgress(stderr, detectStyle(stderr, env));
    return new PlainProgress((text) => {
      stderr.write(text);
    });
  }

  private endProgress(interrupted = false): void {
    this.progress?.end(interrupted);
    this.progress = undefined;
  }

  /** At a failure: the card, the diagnostics asked for, then the shell and the prompt where somebody is there. */
  private async atStop(stopped: StoppedState): Promise<void> {
    const { session, options } = this;
    this.showCard(stopped);
    for (const command of options.execCommands) await this.diagnose(stopped, command);
    if (options.onFailure === "report") {
      await session.terminate();
      return;
    }
    const console = (this.console ??= this.openConsole());
    this.repl ??= new Repl(session, console, { env: options.env, signal: options.signal });
    const context = { session, stopped, console, signal: options.signal };
    const place = `${String(stopped.step.stage.index)}/${String(stopped.step.stageStep)}`;
    if (options.onFailure === "shell" && this.shellAt !== place) {
      this.shellAt = place;
      try {
        const outcome = await openShell(context, { dirty: false, outside: false });
        if ((await offerFix(context, outcome)) === "leave") return;
      } catch (error) {
        if (!(error instanceof DfdebugError) || session.state.kind === "ended") throw error;
        options.stderr.write(renderError(error, { stream: options.stderr, env: options.env }));
      }
    }
    await this.repl.run(stopped);
  }

  /** Prompts go where somebody reads them: standard output may be a pipe. */
  private openConsole(): Console {
    const { stdin, stdout, stderr, env } = this.options;
    const output = stdout.isTTY ? stdout : stderr;
    return new Console({ stdin, output, env, beforeOutput: () => this.endProgress() });
  }

  private showCard(stopped: StoppedState): void {
    if (!stopped.failure) return;
    const { stderr, env } = this.options;
    const { dockerfile } = this.session.build;
    const card = failureCard(stopped.failure, dockerfile.file, this.session.logs);
    const lines = cardLines(card, dockerfile.source, detectStyle(stderr, env), Math.max(40, stderr.columns || 100));
    stderr.write(`${lines.join("\n")}\n`);
  }

  /** `--exec`: the command's output, under a line that names it. */
  private async diagnose(stopped: StoppedState, command: string): Promise<void> {
    const { stdout, stderr, env, signal } = this.options;
    const style = detectStyle(stderr, env);
    stderr.write(`${style.bold(`$ ${command}`)}\n`);
    const out = new LineSanitizer({ colour: false });
    const err = new LineSanitizer({ colour: false });
    const write = (stream: NodeJS.WriteStream, lines: readonly string[]): void => {
      for (const line of lines) stream.write(`${line}\n`);
    };
    const output = {
      stdout: (data: Uint8Array) => write(stdout, out.push(data)),
      stderr: (data: Uint8Array) => write(stderr, err.push(data)),
    };
    const code = await runAtStep(this.session.build, stopped.step, command, output, signal);
    write(stdout, out.end());
    write(stderr, err.end());
    if (code !== 0) stderr.write(`${style.dim(`(exit code ${String(code)})`)}\n`);
  }

  private built(result: Extract<SessionResult, { status: "built" }>): void {
    const { names, imageId } = result.image;
    const as = names.length > 0 ? ` as ${names.join(", ")}` : "";
    this.options.stderr.write(`Built ${imageId.slice(0, 19)}${as}\n`);
  }
}
