import { StringDecoder } from "node:string_decoder";
import { runAtStep } from "../../debugger/run-at-step.js";
import type { DebugSession } from "../../debugger/session.js";
import type { SessionEvent, SessionResult, StoppedState } from "../../debugger/state.js";
import type { Step } from "../../engine/engine.js";

export interface JsonOptions {
  readonly output: NodeJS.WritableStream;
  readonly engine: { readonly kind: string; readonly version: string };
  readonly execCommands: readonly string[];
}

/** Bytes of a diagnostic's output that an `exec` object holds at most, of each stream. */
const execLimit = 1024 * 1024;

/** Runs a session for a machine: one JSON object a line on the output (DESIGN.md section 6), nothing else. Never waits for input. */
export async function runJsonFrontEnd(session: DebugSession, options: JsonOptions): Promise<SessionResult> {
  const writer = new JsonWriter(session, options);
  const unsubscribe = session.subscribe((event) => writer.event(event));
  try {
    writer.plan();
    const state = await session.start();
    if (state.kind === "stopped") {
      for (const command of options.execCommands) await writer.exec(state, command);
      return await session.terminate();
    }
    return state.kind === "ended" ? state.result : await session.terminate();
  } finally {
    unsubscribe();
  }
}

class JsonWriter {
  private readonly session: DebugSession;
  private readonly options: JsonOptions;
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
      case "step": {
        const { step, status, durationMs } = event;
        const failure = this.failureOf(step);
        this.write("step", {
          number: step.number,
          status,
          ...(durationMs === undefined ? {} : { durationMs: Math.round(durationMs) }),
          ...(status === "failed" && failure?.exitCode !== undefined ? { exitCode: failure.exitCode } : {}),
        });
        break;
      }
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
        this.stopped(event.state);
        break;
      case "ended":
        this.ended(event.result);
        break;
      default:
        break;
    }
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
      undefined,
    );
    this.write("exec", { number: state.step.number, command, exitCode, stdout: out.text, stderr: err.text });
  }

  private stopped(state: StoppedState): void {
    const { step, failure, reason } = state;
    this.write("stopped", {
      reason,
      number: step.number,
      stage: step.stage.label,
      line: step.instruction.range.start.line,
      instruction: step.instruction.keyword,
      text: step.instruction.text,
      ...(failure ? { message: failure.message } : {}),
      ...(failure?.exitCode === undefined ? {} : { exitCode: failure.exitCode }),
      ...(failure?.copy ? { copy: failure.copy } : {}),
    });
  }

  private ended(result: SessionResult): void {
    switch (result.status) {
      case "built":
        this.write("ended", { status: "built", imageId: result.image.imageId, names: result.image.names, exitCode: 0 });
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

  private failureOf(step: Step): { exitCode: number | undefined } | undefined {
    const { state } = this.session;
    return state.kind === "stopped" && state.step === step ? state.failure : undefined;
  }

  private write(type: string, fields: object): void {
    this.options.output.write(`${JSON.stringify({ type, time: new Date().toISOString(), ...fields })}\n`);
  }
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
