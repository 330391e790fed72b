import { Readable, Writable } from "node:stream";
import { replaceInstruction } from "../../src/dockerfile/edit.js";
import { parseDockerfile } from "../../src/dockerfile/parse.js";
import { planBuild } from "../../src/dockerfile/plan.js";
import type { Dockerfile } from "../../src/dockerfile/syntax.js";
import type {
  Build,
  BuildEvent,
  BuildOutcome,
  BuildResult,
  Process,
  Ref,
  Step,
  StepContainer,
  StepFailure,
  StepResult,
} from "../../src/engine/engine.js";
import { cancellation, ContainerError, EngineError } from "../../src/errors.js";

/**
 * A third engine, in memory, for the core's and the front ends' logic. It runs a tiny language in RUN:
 * `write PATH TEXT`, `print TEXT`, `fail CODE`, `wait` (until the signal aborts), `lose` (the engine is gone).
 */
export class FakeBuild implements Build {
  dockerfile: Dockerfile;
  steps: readonly Step[];
  /** Instructions that really ran, in order: what was built before is not run again. */
  readonly ran: string[] = [];
  openContainers = 0;
  finished = 0;
  private readonly listeners = new Set<(event: BuildEvent) => void>();
  /** Files by the texts of the instructions that led to them: the cache. */
  private readonly states = new Map<string, ReadonlyMap<string, string>>();

  constructor(source: string) {
    this.dockerfile = parseDockerfile(source, { file: "Dockerfile" });
    this.steps = planBuild(this.dockerfile, { buildArgs: new Map() }).steps;
  }

  subscribe(listener: (event: BuildEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async runAll(options: { signal?: AbortSignal }): Promise<BuildOutcome> {
    for (const step of this.steps) {
      const result = await this.runOne(step, options.signal);
      if (result.status === "failed") return result;
    }
    return { status: "built" };
  }

  async run(step: Step, options: { signal?: AbortSignal }): Promise<StepResult> {
    for (const before of this.steps.slice(0, step.number - 1)) {
      const result = await this.runOne(before, options.signal);
      if (result.status === "failed") return result;
    }
    return this.runOne(step, options.signal);
  }

  async replace(step: Step, text: string): Promise<void> {
    const source = replaceInstruction(this.dockerfile, step.instruction, text);
    const dockerfile = parseDockerfile(source, { file: "Dockerfile" });
    this.steps = planBuild(dockerfile, { buildArgs: new Map() }).steps;
    this.dockerfile = dockerfile;
    this.emit({ type: "plan", dockerfile, steps: this.steps });
  }

  async before(step: Step): Promise<Ref> {
    return this.ref(this.stateBefore(step));
  }

  async after(step: Step): Promise<Ref> {
    return this.ref(this.states.get(this.key(step)) ?? new Map());
  }

  isBuilt(step: Step): boolean {
    return this.states.has(this.key(step));
  }

  async openContainer(): Promise<StepContainer> {
    this.openContainers += 1;
    return {
      environment: { env: ["PATH=/bin"], cwd: "/", user: "", shell: ["/bin/sh", "-c"], argv: undefined },
      toolbox: { available: false, reason: "fake", hint: "none" },
      exec: async ({ argv }) => fakeProcess(argv.at(-1) ?? ""),
      writeScratchFile: async (name) => `/scratch/${name}`,
      [Symbol.asyncDispose]: async () => {
        this.openContainers -= 1;
      },
    };
  }

  async finish(): Promise<BuildResult> {
    this.finished += 1;
    return { imageId: "sha256:fake", names: [], metadata: {} };
  }

  async saveImage(): Promise<string> {
    return "sha256:saved";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.listeners.clear();
  }

  private async runOne(step: Step, signal: AbortSignal | undefined): Promise<StepResult> {
    const key = this.key(step);
    const known = this.states.get(key);
    if (known) {
      this.emit({ type: "step", step, status: "cached", durationMs: 0 });
      return { status: "cached", ref: this.ref(known) };
    }
    this.emit({ type: "step", step, status: "started" });
    this.ran.push(step.instruction.text);
    const files = new Map(this.stateBefore(step));
    const code = step.instruction.keyword === "RUN" ? await this.execute(step, files, signal) : 0;
    if (code !== 0) {
      this.emit({ type: "step", step, status: "failed", durationMs: 1 });
      return { status: "failed", failure: failure(step, code) };
    }
    this.states.set(key, files);
    this.emit({ type: "step", step, status: "done", durationMs: 1 });
    return { status: "done", ref: this.ref(files) };
  }

  private async execute(step: Step, files: Map<string, string>, signal: AbortSignal | undefined): Promise<number> {
    for (const command of (step.instruction.args[0]?.text ?? "").split(";")) {
      const [name, ...args] = command.trim().split(/\s+/);
      if (name === "write") files.set(args[0] ?? "", args.slice(1).join(" "));
      else if (name === "print") this.emit({ type: "log", step, stream: 1, data: Buffer.from(`${args.join(" ")}\n`) });
      else if (name === "fail") return Number(args[0] ?? 1);
      else if (name === "lose") throw new EngineError("gone", { code: "ENGINE_LOST" });
      else if (name === "wait" && signal) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
        throw cancellation(signal);
      }
    }
    return 0;
  }

  private stateBefore(step: Step): ReadonlyMap<string, string> {
    const before = step.stageStep > 1 ? this.steps[step.number - 2] : this.steps[(step.dependsOn[0] ?? 0) - 1];
    return (before && this.states.get(this.key(before))) ?? new Map<string, string>();
  }

  /** What led to a step: its stage's instructions up to it, and those of the stages before. */
  private key(step: Step): string {
    return this.steps
      .slice(0, step.number)
      .map(({ instruction }) => instruction.text)
      .join("\n");
  }

  private ref(files: ReadonlyMap<string, string>): Ref {
    const missing = (path: string): ContainerError => new ContainerError(`${path}: not found`, { code: "NOT_FOUND" });
    const stat = (name: string, size: number): Awaited<ReturnType<Ref["stat"]>> => ({
      name,
      type: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      size,
      modified: 0,
      linkTarget: undefined,
    });
    return {
      config: {},
      readDir: async () => [...files].map(([path, text]) => stat(path.replace(/^.*\//, ""), text.length)),
      stat: async (path) => {
        const text = files.get(path);
        if (text === undefined) throw missing(path);
        return stat(path.replace(/^.*\//, ""), text.length);
      },
      async *readFile(path) {
        const text = files.get(path);
        if (text === undefined) throw missing(path);
        yield Buffer.from(text);
      },
    };
  }

  private emit(event: BuildEvent): void {
    for (const listener of this.listeners) listener(event);
  }
}

function failure(step: Step, exitCode: number): StepFailure {
  return {
    step,
    message: `exit code ${String(exitCode)}`,
    exitCode,
    outOfMemory: false,
    copy: undefined,
    dirty: { available: false, reason: "fake" },
  };
}

/** A process that prints its command and ends with the number in it, if there is one. */
function fakeProcess(command: string): Process {
  return {
    stdin: new Writable({ write: (_chunk, _encoding, done) => done() }),
    stdout: Readable.from([Buffer.from(`ran ${command}\n`)]),
    stderr: Readable.from([]),
    resize: () => undefined,
    kill: () => undefined,
    exited: Promise.resolve(Number(/\d+/.exec(command)?.[0] ?? 0)),
  };
}
