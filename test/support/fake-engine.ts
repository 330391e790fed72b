import { Readable, Writable } from "node:stream";
import { configAt } from "../../src/dockerfile/config.js";
import { expand } from "../../src/dockerfile/expand.js";
import { parseDockerfile } from "../../src/dockerfile/parse.js";
import { planBuild } from "../../src/dockerfile/plan.js";
import type { Dockerfile, Plan } from "../../src/dockerfile/syntax.js";
import { compareByReading } from "../../src/engine/compare-states.js";
import type {
  Build,
  BuildEvent,
  BuildOutcome,
  BuildResult,
  FileChange,
  ImageConfig,
  Process,
  Ref,
  Step,
  StepConfiguration,
  StepContainer,
  StepFailure,
  StepResult,
} from "../../src/engine/engine.js";
import { cancellation, ContainerError, EngineError } from "../../src/errors.js";

type Files = ReadonlyMap<string, string>;

/**
 * A third engine, in memory, for the core's and the front ends' logic. It runs a tiny language in RUN:
 * `write PATH TEXT`, `append PATH TEXT`, `rm PATH`, `print TEXT`, `fail CODE`, `hold` (until the signal aborts or
 * `release` is called), `lose` (the engine is gone). COPY --from=STAGE copies one file.
 */
export class FakeBuild implements Build {
  dockerfile: Dockerfile;
  steps: readonly Step[];
  /** Instructions that really ran, in order: what was built before is not run again. */
  readonly ran: string[] = [];
  openContainers = 0;
  finished = 0;
  /** Tells that a step has come to `hold`. */
  onHold: (step: Step) => void = () => undefined;
  /** Tells that a caller gave up a step that others still wait for. */
  onLeave: () => void = () => undefined;
  private plan: Plan;
  private readonly buildArgs: ReadonlyMap<string, string>;
  private readonly listeners = new Set<(event: BuildEvent) => void>();
  /** Files by the texts of the instructions that led to them: the cache. */
  private readonly states = new Map<string, Files>();
  private readonly failures = new Map<number, Files>();
  private readonly running = new Map<string, { result: Promise<StepResult>; users: number; abort: AbortController }>();
  private readonly holds = new Set<() => void>();

  constructor(source: string, buildArgs: Readonly<Record<string, string>> = {}) {
    this.buildArgs = new Map(Object.entries(buildArgs));
    this.dockerfile = parseDockerfile(source, { file: "Dockerfile" });
    this.plan = planBuild(this.dockerfile, { buildArgs: this.buildArgs });
    this.steps = this.plan.steps;
  }

  get globals(): ReadonlyMap<string, string> {
    return this.plan.globals;
  }

  /** The engine goes away while nothing runs. */
  lose(): void {
    this.emit({ type: "lost", error: new EngineError("gone", { code: "ENGINE_LOST" }) });
  }

  /** Lets every step that holds go on. */
  release(): void {
    for (const go of this.holds) go();
  }

  /** The files after the last step, to compare builds by. */
  get files(): Readonly<Record<string, string>> {
    const last = this.steps.at(-1);
    const files = last && this.states.get(this.key(last));
    return Object.fromEntries([...(files ?? [])].toSorted(([left], [right]) => (left < right ? -1 : 1)));
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
    for (const before of this.ancestors(step)) {
      const result = await this.runOne(before, options.signal);
      if (result.status === "failed") return result;
    }
    return this.runOne(step, options.signal);
  }

  async replan(source: string): Promise<void> {
    const dockerfile = parseDockerfile(source, { file: "Dockerfile" });
    this.plan = planBuild(dockerfile, { buildArgs: this.buildArgs });
    this.steps = this.plan.steps;
    this.dockerfile = dockerfile;
    this.failures.clear();
    this.emit({ type: "plan", dockerfile, steps: this.steps });
  }

  async before(step: Step): Promise<Ref> {
    return this.ref(this.stateBefore(step), (await this.configuration(step, "before")).config);
  }

  async after(step: Step): Promise<Ref> {
    return this.ref(this.states.get(this.key(step)) ?? new Map(), (await this.configuration(step, "after")).config);
  }

  async dirty(step: Step): Promise<Ref> {
    const files = this.failures.get(step.number);
    if (!files) throw new ContainerError(`Step ${String(step.number)} has not failed`, { code: "NO_DIRTY_STATE" });
    return this.ref(files, {});
  }

  configuration(step: Step, when: "before" | "after"): Promise<StepConfiguration> {
    return configAt(this.plan, step, { when, buildArgs: this.buildArgs, base: () => ({ Env: ["PATH=/bin"] }) });
  }

  compare(before: Ref, after: Ref): Promise<readonly FileChange[]> {
    return compareByReading(before, after);
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

  /** A step that two callers want runs once, as long as one of them still wants it. */
  private async runOne(step: Step, signal: AbortSignal | undefined): Promise<StepResult> {
    const key = this.key(step);
    const known = this.states.get(key);
    if (known) {
      this.emit({ type: "step", step, status: "cached", durationMs: 0 });
      return { status: "cached" };
    }
    let run = this.running.get(key);
    if (!run) {
      const abort = new AbortController();
      run = { users: 0, abort, result: this.runNew(step, key, abort.signal) };
      this.running.set(key, run);
      const forget = (): boolean => this.running.delete(key);
      run.result.then(forget, forget);
    }
    const current = run;
    current.users += 1;
    if (!signal) return current.result;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        current.users -= 1;
        if (current.users === 0) current.abort.abort();
        else this.onLeave();
        reject(cancellation(signal));
      };
      if (signal.aborted) {
        leave();
        return;
      }
      signal.addEventListener("abort", leave, { once: true });
      current.result.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
    });
  }

  private async runNew(step: Step, key: string, signal: AbortSignal): Promise<StepResult> {
    this.emit({ type: "step", step, status: "started" });
    this.ran.push(step.instruction.text);
    const files = new Map(this.stateBefore(step));
    const code = await this.execute(step, files, signal);
    if (code !== 0) {
      this.failures.set(step.number, files);
      this.emit({ type: "step", step, status: "failed", durationMs: 1 });
      return { status: "failed", failure: failure(step, code) };
    }
    this.states.set(key, files);
    this.emit({ type: "step", step, status: "done", durationMs: 1 });
    return { status: "done" };
  }

  private async execute(step: Step, files: Map<string, string>, signal: AbortSignal): Promise<number> {
    if (step.instruction.keyword === "COPY") {
      const from = step.dependsOn.map((number) => this.steps[number - 1]).find((one) => one?.stage !== step.stage);
      const [source, destination] = step.instruction.args.map(({ text }) => text);
      const text = from && this.states.get(this.key(from))?.get(source ?? "");
      if (text === undefined) return 1;
      files.set(destination ?? "", text);
    }
    if (step.instruction.keyword !== "RUN") return 0;
    const text = step.instruction.args[0]?.text ?? "";
    const { env } = await this.configuration(step, "before");
    const expanded = expand(text, { get: (name) => env.find((entry) => entry.name === name)?.value }, { escape: "\\" });
    for (const command of expanded.text.split(";")) {
      const [name, ...args] = command.trim().split(/\s+/);
      const path = args[0] ?? "";
      if (name === "write") files.set(path, args.slice(1).join(" "));
      else if (name === "append") files.set(path, (files.get(path) ?? "") + args.slice(1).join(" "));
      else if (name === "rm") files.delete(path);
      else if (name === "print") this.emit({ type: "log", step, stream: 1, data: Buffer.from(`${args.join(" ")}\n`) });
      else if (name === "fail") return Number(args[0] ?? 1);
      else if (name === "lose") throw new EngineError("gone", { code: "ENGINE_LOST" });
      else if (name === "hold") {
        await new Promise<void>((resolve) => {
          this.holds.add(resolve);
          signal.addEventListener("abort", () => resolve(), { once: true });
          this.onHold(step);
        });
        if (signal.aborted) throw cancellation(signal);
      }
    }
    return 0;
  }

  private stateBefore(step: Step): Files {
    const before =
      step.stageStep > 1 || step.dependsOn.length > 0 ? this.steps[(step.dependsOn[0] ?? 0) - 1] : undefined;
    return (before && this.states.get(this.key(before))) ?? new Map<string, string>();
  }

  private ancestors(step: Step): readonly Step[] {
    const needed = new Set<number>();
    const pending = [...step.dependsOn];
    for (let number = pending.pop(); number !== undefined; number = pending.pop()) {
      if (needed.has(number)) continue;
      needed.add(number);
      pending.push(...(this.steps[number - 1]?.dependsOn ?? []));
    }
    return this.steps.filter(({ number }) => needed.has(number));
  }

  /** What led to a step: the instructions of its stage up to it, and those of the stages that they read. */
  private key(step: Step): string {
    return [...this.ancestors(step), step].map(({ instruction }) => instruction.text).join("\n");
  }

  private ref(files: Files, config: ImageConfig): Ref {
    const missing = (path: string): ContainerError => new ContainerError(`${path}: not found`, { code: "NOT_FOUND" });
    const stat = (name: string, text: string): Awaited<ReturnType<Ref["stat"]>> => ({
      name,
      type: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: text.length,
      modified: [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1e9, 0),
      linkTarget: undefined,
    });
    return {
      config,
      readDir: async (folder) => {
        const prefix = folder === "/" ? "/" : `${folder}/`;
        const names = new Map<string, Awaited<ReturnType<Ref["stat"]>>>();
        for (const [path, text] of files) {
          if (!path.startsWith(prefix)) continue;
          const [name = "", ...below] = path.slice(prefix.length).split("/");
          names.set(name, below.length > 0 ? { ...stat(name, ""), type: "directory" } : stat(name, text));
        }
        if (names.size === 0 && folder !== "/") throw missing(folder);
        return [...names.values()];
      },
      stat: async (path) => {
        const text = files.get(path);
        const name = path.replace(/^.*\//, "");
        if (text !== undefined) return stat(name, text);
        if (![...files.keys()].some((file) => file.startsWith(`${path}/`))) throw missing(path);
        return { ...stat(name, ""), type: "directory" };
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
  const stdout = Readable.from([Buffer.from(`ran ${command}\n`)]);
  return {
    stdin: new Writable({ write: (_chunk, _encoding, done) => done() }),
    stdout,
    stderr: Readable.from([]),
    resize: () => undefined,
    kill: () => undefined,
    exited: new Promise((resolve) => stdout.once("end", () => resolve(Number(/\d+/.exec(command)?.[0] ?? 0)))),
  };
}
