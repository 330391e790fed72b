import { StringDecoder } from "node:string_decoder";
import { unboundedWidth, type CommandIo, type Line } from "../../debugger/commands/io.js";
import { runCommandLoop, type Watch } from "../../debugger/commands/loop.js";
import type { Script } from "../../debugger/commands/script.js";
import { runAtStep } from "../../debugger/run-at-step.js";
import type { DebugSession } from "../../debugger/session.js";
import type { SessionEvent, SessionResult, StoppedState } from "../../debugger/state.js";
import type { Step, StepFailure } from "../../engine/engine.js";
import { DfdebugError } from "../../errors.js";

export interface JsonOptions {
  readonly output: NodeJS.WritableStream;
  readonly engine: { readonly kind: string; readonly version: string };
  /** Diagnostics to run at each stop. */
  readonly execCommands: readonly string[];
  /** `--watch`: waits for a change of what is built. */
  readonly watch: Watch | undefined;
  /** Stop before the first step. */
  readonly entry: boolean;
  /** Debugger commands; undefined: none, the build goes on at each stop and ends at a failure. */
  readonly script: Script | undefined;
  readonly signal: AbortSignal | undefined;
}

type StepEvent = Extract<SessionEvent, { type: "step" }>;

/** Bytes of a diagnostic's output that an `exec` object holds at most, of each stream. */
const execLimit = 1024 * 1024;

/** Runs a session for a machine: one JSON object a line on the output (DESIGN.md section 6), nothing else. */
export async function runJsonFrontEnd(session: DebugSession, options: JsonOptions): Promise<SessionResult> {
  const writer = new JsonWriter(session, options);
  const unsubscribe = session.subscribe((event) => writer.event(event));
  const hangUp = options.signal ? AbortSignal.any([options.signal, session.lost]) : session.lost;
  try {
    writer.plan();
    return await runCommandLoop(session, {
      entry: options.entry,
      watch: options.watch,
      io: writer,
      signal: () => hangUp,
      next: async () => {
        const line = await options.script?.command(hangUp);
        options.signal?.throwIfAborted();
        return line ?? { kind: "end" };
      },
      scriptFailed: async (command, error) => options.script?.failure(command, error),
      atStop: async (stopped) => {
        for (const command of options.execCommands) await writer.exec(stopped, command);
      },
    });
  } finally {
    unsubscribe();
  }
}

class JsonWriter implements CommandIo {
  readonly width = unboundedWidth;
  readonly interactive = undefined;
  private readonly session: DebugSession;
  private readonly options: JsonOptions;
  private readonly failed: StepEvent[] = [];
  private readonly decoders = new Map<string, StringDecoder>();

  constructor(session: DebugSession, options: JsonOptions) {
    this.session = session;
    this.options = options;
  }

  plan(): void {
    const { build } = this.session;
    this.write("plan", {
      target: build.steps.at(-1)?.stage.label ?? "",
      engine: this.options.engine,
      steps: build.steps.map((step) => ({
        number: step.number,
        total: step.total,
        stage: step.stage.label,
        stageStep: step.stageStep,
        instruction: step.instruction.keyword,
        text: step.instruction.text,
        file: build.dockerfile.file,
        startLine: step.instruction.range.start.line,
        endLine: step.instruction.range.end.line,
      })),
    });
  }

  event(event: SessionEvent): void {
    switch (event.type) {
      case "plan":
        this.plan();
        break;
      case "step":
        // How a step failed is known a moment later, when the session stops there.
        if (event.status === "failed") this.failed.push(event);
        else this.step(event);
        break;
      case "kept":
        this.write("step", {
          number: event.step.number,
          status: this.session.statusOf(event.step) ?? "done",
          image: event.image,
        });
        break;
      case "notKept":
        this.write("warning", { number: event.step.number, message: `not kept: ${event.message}` });
        break;
      case "log":
        this.log(event.step, event.stream, event.data);
        break;
      case "warning":
        this.write("warning", {
          ...(event.step ? { number: event.step.number } : {}),
          message: event.message,
          ...(event.line === undefined ? {} : { line: event.line }),
        });
        break;
      case "stopped":
        this.tellFailed(event.state.failure);
        this.stopped(event.state);
        break;
      case "ended":
        this.tellFailed(undefined);
        this.ended(event.result);
        break;
      default:
        break;
    }
  }

  private step({ step, status, durationMs }: StepEvent, exitCode?: number): void {
    this.write("step", {
      number: step.number,
      status,
      ...(durationMs === undefined ? {} : { durationMs: Math.round(durationMs) }),
      ...(exitCode === undefined ? {} : { exitCode }),
    });
  }

  private tellFailed(failure: StepFailure | undefined): void {
    for (const event of this.failed.splice(0))
      this.step(event, event.step === failure?.step ? failure.exitCode : undefined);
  }

  /** What a debugger command prints: `output` {text}, a line each. */
  async print(...lines: readonly Line[]): Promise<void> {
    for (const line of lines) this.write("output", { text: plainText(line) });
  }

  async error(error: Error): Promise<void> {
    const { code, hint } = error instanceof DfdebugError ? error : { code: "INTERNAL", hint: undefined };
    this.write("error", { code, message: error.message, ...(hint === undefined ? {} : { hint }) });
  }

  async question(): Promise<string | undefined> {
    return this.options.script?.line();
  }

  async confirm(_question: string, preset: boolean): Promise<boolean> {
    const answer = (await this.options.script?.line())?.trim();
    return answer === "" ? preset : /^y(es)?$/i.test(answer ?? "");
  }

  /** Runs a diagnostic and reports it as a whole. */
  async exec(state: StoppedState, command: string): Promise<void> {
    const out = new Tail();
    const err = new Tail();
    const exitCode = await runAtStep(
      this.session.build,
      state.step,
      command,
      { stdout: (data) => out.add(data), stderr: (data) => err.add(data) },
      { signal: this.options.signal, state: state.at === "after" ? "after" : "clean" },
    );
    this.write("exec", { number: state.step.number, command, exitCode, stdout: out.text, stderr: err.text });
  }

  private stopped(state: StoppedState): void {
    const { step, failure, reason, note } = state;
    this.write("stopped", {
      reason,
      ...(note === undefined ? {} : { note }),
      number: step.number,
      at: state.at,
      stage: step.stage.label,
      line: step.instruction.range.start.line,
      instruction: step.instruction.keyword,
      text: step.instruction.text,
      ...(failure ? { message: failure.message } : {}),
      ...(failure?.exitCode === undefined ? {} : { exitCode: failure.exitCode }),
      ...(failure?.copy ? { copy: failure.copy } : {}),
      ...(failure?.finding ? { cause: failure.finding.cause, advice: failure.finding.advice } : {}),
    });
  }

  private ended(result: SessionResult): void {
    switch (result.status) {
      case "built":
        this.write("ended", {
          status: "built",
          imageId: result.image.imageId,
          names: result.image.names,
          ...(this.session.trials.length > 0 ? { set: this.session.trials } : {}),
          ...(this.session.fileDifference ? { differs: true } : {}),
          exitCode: 0,
        });
        break;
      case "failed":
        this.write("ended", { status: "failed", failedStep: result.failure.step.number, exitCode: 1 });
        break;
      case "cancelled":
        this.write("ended", { status: "cancelled", exitCode: 130 });
        break;
      case "error":
        this.write("ended", {
          status: result.error.exitCode === 130 ? "cancelled" : "failed",
          message: result.error.message,
          code: result.error.code,
          exitCode: result.error.exitCode,
        });
        break;
    }
  }

  private log(step: Step, stream: 1 | 2, data: Uint8Array): void {
    const key = `${String(step.number)}:${String(stream)}`;
    let decoder = this.decoders.get(key);
    if (!decoder) this.decoders.set(key, (decoder = new StringDecoder("utf8")));
    const text = decoder.write(data);
    if (text !== "") this.write("log", { number: step.number, stream: stream === 1 ? "stdout" : "stderr", text });
  }

  private write(type: string, fields: object): void {
    this.options.output.write(`${JSON.stringify({ type, time: new Date().toISOString(), ...fields })}\n`);
  }
}

function plainText(line: Line): string {
  if (typeof line === "string") return line;
  return line.map((span) => (typeof span === "string" ? span : span.text)).join("");
}

/** The end of a stream's output, bounded. */
class Tail {
  private chunks: Buffer[] = [];
  private length = 0;

  get text(): string {
    return Buffer.concat(this.chunks).subarray(-execLimit).toString("utf8");
  }

  add(data: Uint8Array): void {
    this.chunks.push(Buffer.from(data));
    this.length += data.length;
    while (this.length - (this.chunks[0]?.length ?? 0) > execLimit) this.length -= this.chunks.shift()?.length ?? 0;
  }
}
