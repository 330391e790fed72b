import { offerFix } from "../../debugger/commands/change.js";
import type { CommandIo } from "../../debugger/commands/io.js";
import { openShell } from "../../debugger/commands/open-shell.js";
import { ShellAhead } from "../../debugger/commands/shell-ahead.js";
import { runCommandLoop, type CommandLine } from "../../debugger/commands/loop.js";
import { completeLine } from "../../debugger/commands/complete.js";
import { StreamPrinter } from "../../debugger/commands/stream-printer.js";
import { failureCard } from "../../debugger/card.js";
import { runAtStep } from "../../debugger/run-at-step.js";
import { endsSession } from "../../debugger/commands/table.js";
import type { DebugSession } from "../../debugger/session.js";
import { unsetHint } from "../../debugger/unset-variables.js";
import type { SessionEvent, SessionResult, StoppedState } from "../../debugger/state.js";
import type { StepFailure } from "../../engine/engine.js";
import { CancelledError, DfdebugError } from "../../errors.js";
import { cardLines } from "./card-text.js";
import { Console } from "./console.js";
import { HeldKeyboard } from "./held-keyboard.js";
import { History } from "./history.js";
import { LiveProgress } from "./live-progress.js";
import { PlainProgress } from "./plain-progress.js";
import { RawTerminal } from "./raw-terminal.js";
import { renderLine } from "./render.js";
import { ScriptConsole } from "./script-console.js";
import { changeLine, stopLines } from "./stop-text.js";
import { sanitizeLine } from "./sanitize.js";
import { WaitingLine } from "./waiting-line.js";
import { widthOf } from "./width.js";
import { canRedraw, detectStyle, formatCount } from "./style.js";
import type { TerminalOptions } from "./terminal-options.js";

interface Progress {
  take(event: SessionEvent): void;
  end(interrupted?: boolean): void;
  /** Takes itself from the terminal, where it redraws. */
  hide?(): void;
  show?(): void;
}

/** Runs a session for a person or a script: progress, stops, cards, shells, the prompt, to the end. Resolves with how it ended. */
export async function runTerminalFrontEnd(session: DebugSession, options: TerminalOptions): Promise<SessionResult> {
  return new TerminalFrontEnd(session, options).run();
}

class TerminalFrontEnd {
  private readonly session: DebugSession;
  private readonly options: TerminalOptions;
  private readonly history: History;
  private readonly console: Console | undefined;
  private readonly keyboard: HeldKeyboard | undefined;
  /** Where a shell opens by itself when a step fails. */
  private readonly ahead: ShellAhead | undefined;
  private script: ScriptConsole | undefined;
  private progress: Progress | undefined;
  /** Undefined where nobody sits there. */
  private readonly waiting: WaitingLine | undefined;
  /** False while a diagnostic runs: nothing stands between it and its output. */
  private showsProgress = true;
  /** Interrupts the command that runs at a stop. */
  private command = new AbortController();
  /** Nobody can do anything with an answer any more: SIGTERM, a closed terminal, a lost engine. */
  private readonly hangUp: AbortSignal;
  /** What the last shell that opened by itself was opened at. */
  private shellAt: string | undefined;
  /** Names of the images that --keep-steps made. */
  private readonly kept: string[] = [];

  constructor(session: DebugSession, options: TerminalOptions) {
    this.session = session;
    this.options = options;
    const { stderr, env, script } = options;
    this.history = new History(env);
    this.hangUp = options.signal ? AbortSignal.any([options.signal, session.lost]) : session.lost;
    const beforeOutput = (): void => this.endProgress();
    // Prompts go where somebody reads them: standard output may be a pipe.
    if (options.isTerminal) {
      const { stdin, stdout } = options;
      const output = stdout.isTTY ? stdout : stderr;
      if (canRedraw(output, env)) this.waiting = new WaitingLine(output, detectStyle(output, env));
      const terminal = new RawTerminal(stdin, output, options.reopenStdin);
      this.console = new Console({ output, env, terminal, beforeOutput, hangUp: this.hangUp });
      options.lendTerminal?.((work) => terminal.lend(work));
      this.keyboard = new HeldKeyboard({
        terminal,
        raise: options.raise,
        stopping: () => this.progress?.hide?.(),
        continued: () => this.progress?.show?.(),
      });
    }
    if (this.console && options.onFailure === "shell" && !options.watch && !script)
      this.ahead = new ShellAhead(session.build, this.console.interactive);
    if (script) this.script = new ScriptConsole({ script, output: options.stdout, env, beforeOutput });
  }

  async run(): Promise<SessionResult> {
    const { session, options } = this;
    const unsubscribe = session.subscribe((event) => this.event(event));
    const release =
      options.onFailure === "report" && !options.entry && !options.watch && !this.script
        ? undefined
        : this.takeInterrupts();
    try {
      const result = await runCommandLoop(session, {
        entry: options.entry,
        watch: options.watch,
        io: this.io(),
        signal: () => this.commandSignal(),
        next: (stopped) => this.nextCommand(stopped),
        atWork: (isAtWork) => {
          if (!isAtWork) this.waiting?.end();
          else if (!this.script) this.waiting?.begin();
        },
        scriptFailed: (command, error) => this.scriptFailed(command, error),
        atStop: (stopped) => this.atStop(stopped),
      });
      this.endProgress();
      if (options.progress !== "quiet") this.ended(result);
      return result;
    } catch (error) {
      this.endProgress(true);
      throw error;
    } finally {
      release?.();
      unsubscribe();
      await this.keyboard?.[Symbol.asyncDispose]();
    }
  }

  /** What commands print to: the script's own place while it types, else the terminal. */
  private io(): CommandIo {
    const current = (): CommandIo => this.script ?? this.console ?? this.messages;
    return {
      get width() {
        return current().width;
      },
      get interactive() {
        return current().interactive;
      },
      print: (...lines) => current().print(...lines),
      error: (error) => current().error(error),
      question: (prompt, options) => current().question(prompt, options),
      confirm: (question, preset) => current().confirm(question, preset),
    };
  }

  /** Standard error as a place to print to, where nobody answers. */
  private get messages(): ScriptConsole {
    const { stderr, env } = this.options;
    return new ScriptConsole({ script: undefined, output: stderr, env, beforeOutput: () => this.endProgress() });
  }

  private commandSignal(): AbortSignal {
    this.command = new AbortController();
    return AbortSignal.any([this.hangUp, this.command.signal]);
  }

  private async nextCommand(stopped: StoppedState): Promise<CommandLine> {
    if (this.script) {
      const line = await this.script.command("(dfdebug) ", this.hangUp);
      this.options.signal?.throwIfAborted();
      if (line.kind !== "end" || !this.console) return line;
      this.script = undefined;
    }
    if (!this.console || this.options.onFailure === "report") return { kind: "end" };
    await this.keyboard?.offer();
    const line = await this.console.command("(dfdebug) ", {
      history: await this.history.read(),
      complete: (text) => completeLine(this.session, stopped, text),
    });
    this.options.signal?.throwIfAborted();
    if (line.kind === "line" && line.text.trim() !== "") await this.history.add(line.text);
    return line;
  }

  /** A script that cannot go on gives the prompt, where somebody sits there. */
  private async scriptFailed(command: string, error: DfdebugError): Promise<DfdebugError | undefined> {
    this.script = undefined;
    const failure = await this.options.script?.failure(command, error);
    if (!this.console || !failure) return failure;
    await this.console.error(failure);
    return undefined;
  }

  private event(event: SessionEvent): void {
    this.ahead?.take(event);
    if (event.type === "kept") this.kept.push(event.image);
    if (event.type === "notKept") {
      this.endProgress();
      this.options.stderr.write(
        `Step ${String(event.step.number)} could not be kept: ${sanitizeLine(event.message)}\n`,
      );
    }
    if (!this.showsProgress || this.options.progress === "quiet" || event.type === "kept" || event.type === "notKept")
      return;
    // At a stop that is the engine's work for a look: the waiting line stands for it.
    const isWork = event.type === "activity" || event.type === "transfer" || event.type === "progress";
    if (isWork && this.session.state.kind === "stopped") return;
    this.waiting?.end();
    this.progress ??= this.makeProgress();
    this.progress.take(event);
  }

  private makeProgress(): Progress {
    const { stderr, env, progress } = this.options;
    if (progress === "tty" && canRedraw(stderr, env)) {
      this.keyboard?.holdSoon();
      return new LiveProgress(stderr, detectStyle(stderr, env));
    }
    return new PlainProgress((text) => {
      stderr.write(text);
    });
  }

  private endProgress(interrupted = false): void {
    this.waiting?.end();
    this.progress?.end(interrupted);
    // Lines that never change can go on where they were: they know when steps began.
    if (!(this.progress instanceof PlainProgress)) this.progress = undefined;
  }

  /** Where and why; the diagnostics asked for; at a failure the shell, where somebody is there. */
  private async atStop(stopped: StoppedState): Promise<void> {
    const { options } = this;
    this.endProgress();
    if (!this.script && options.onFailure !== "report") await this.keyboard?.offer();
    if (stopped.failure) await this.showCard(stopped.failure, stopped);
    else await this.showStop(stopped);
    for (const command of options.execCommands) await this.diagnose(stopped, command);
    await this.openByItself(stopped);
    this.ahead?.drop();
  }

  /** A shell, once at each instruction that fails, in each of its forms. */
  private async openByItself(stopped: StoppedState): Promise<void> {
    const { session, options } = this;
    const opens = stopped.failure && !options.watch && options.onFailure === "shell" && this.console && !this.script;
    const { stage, stageStep, instruction } = stopped.step;
    const failed = `${String(stage.index)}/${String(stageStep)} ${instruction.source}`;
    if (!opens || this.shellAt === failed) return;
    this.shellAt = failed;
    const io = this.io();
    const context = { session, stopped, io, signal: this.commandSignal() };
    try {
      const ahead = await this.ahead?.claim(stopped, context.signal);
      await offerFix(context, await openShell(context, { dirty: false, outside: false, isUnasked: true }, ahead));
    } catch (error) {
      if (!(error instanceof DfdebugError) || endsSession(error, session)) throw error;
      await io.error(error);
    }
  }

  private async showStop(stopped: StoppedState): Promise<void> {
    const io = this.script ?? this.console ?? this.messages;
    await io.print(...stopLines(this.session, stopped, this.width));
    // Who steps on does not wait for what the step before did.
    const stepOn = new AbortController();
    const changed = changeLine(this.session, stopped, AbortSignal.any([this.commandSignal(), stepOn.signal]));
    const line = await (io === this.console ? this.console.unlessTyping(changed) : changed);
    stepOn.abort(new CancelledError());
    if (line) await io.print(line);
  }

  private async showCard(failure: StepFailure, stopped: StoppedState): Promise<void> {
    const { stderr, env } = this.options;
    // A script's record is on standard output, its stops included.
    const output = this.script ? this.options.stdout : stderr;
    const { attempt, build, logs } = this.session;
    const { dockerfile } = build;
    const instead = attempt?.step === stopped.step ? attempt.instead : undefined;
    const unset = await unsetHint(build, failure);
    this.endProgress();
    const card = failureCard(failure, dockerfile.file, { logs, instead, unset });
    output.write(`${cardLines(card, dockerfile.source, detectStyle(output, env), output).join("\n")}\n`);
  }

  private get width(): number {
    return widthOf(this.options.stderr);
  }

  /** `--exec`: the command's output, under a line that names it. */
  private async diagnose(stopped: StoppedState, command: string): Promise<void> {
    const { stdout, stderr, env, signal } = this.options;
    const style = detectStyle(stderr, env);
    const write = (stream: NodeJS.WriteStream) =>
      new ScriptConsole({ script: undefined, output: stream, env, beforeOutput: () => undefined });
    stderr.write(`${renderLine([{ text: `$ ${command}`, tone: "bold" }], style)}\n`);
    const [out, err] = [new StreamPrinter(write(stdout)), new StreamPrinter(write(stderr))];
    const output = { stdout: (data: Uint8Array) => out.stdout(data), stderr: (data: Uint8Array) => err.stderr(data) };
    const state = stopped.at === "after" ? "after" : "clean";
    this.showsProgress = false;
    const code = await runAtStep(this.session.build, stopped.step, command, output, { signal, state }).finally(() => {
      this.showsProgress = true;
    });
    await Promise.all([out.end(), err.end()]);
    if (code !== 0) stderr.write(`${style.dim(`(exit code ${String(code)})`)}\n`);
  }

  /** Ctrl-C while the build runs pauses it; at a stop it interrupts the command that runs there. */
  private takeInterrupts(): () => void {
    const { stderr } = this.options;
    return this.options.onInterrupt(() => {
      const { session } = this;
      if (session.state.kind !== "running") {
        this.command.abort(new CancelledError());
        return;
      }
      const waiting = session.pause();
      this.endProgress();
      if (waiting.length === 0) return;
      const steps = waiting.map(({ number }) => String(number)).join(", ");
      stderr.write(`Pausing behind step ${steps}; Ctrl-C again interrupts it, a third time ends the session\n`);
    });
  }

  private ended(result: SessionResult): void {
    const { stderr } = this.options;
    const [first, last] = [this.kept[0], this.kept.at(-1)];
    if (first !== undefined && last !== undefined)
      stderr.write(
        `Kept ${formatCount(this.kept.length, "step")}: ${first === last ? first : `${first} to ${last}`}\n`,
      );
    if (result.status !== "built") return;
    const { names, imageId } = result.image;
    const as = names.length > 0 ? ` as ${names.join(", ")}` : "";
    stderr.write(`Built ${imageId.slice(0, 19)}${as}\n`);
    const { trials, fileDifference, build } = this.session;
    const extra = [
      ...(trials.length > 0 ? [`${trials.join(", ")}, set in this session only`] : []),
      ...(fileDifference ? [`a change that is not in ${build.dockerfile.file}`] : []),
    ];
    if (extra.length > 0) stderr.write(`It has ${sanitizeLine(extra.join(", and "))}\n`);
  }
}
