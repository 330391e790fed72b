import type { Readable, Writable } from "node:stream";
import type { ImageConfig, StepConfiguration } from "../dockerfile/config.js";
import type { Dockerfile, Instruction, PlannedStep } from "../dockerfile/syntax.js";
import type { EngineError } from "../errors.js";

export type { ImageConfig, StepConfiguration } from "../dockerfile/config.js";

/*
 * The contract between the debugger and whatever builds: types only. BuildkitEngine implements it on real engines,
 * FakeEngine (test/support) in memory. Nothing here names a wire protocol.
 */

/** One instruction in this build. */
export type Step = PlannedStep;

/** Where the build context comes from. */
export type ContextSource =
  | { readonly kind: "directory"; readonly path: string }
  /** A tar archive on standard input (`-`), gzip, bzip2, xz or plain; read once, never buffered whole in memory. */
  | { readonly kind: "archive"; readonly stream: Readable; readonly isXz: boolean }
  | { readonly kind: "remote"; readonly url: string }
  /** Only a Dockerfile (`-`): an empty context. */
  | { readonly kind: "empty" };

export interface SecretSource {
  readonly id: string;
  /** Read when a step asks for it, never before, never kept. */
  readonly source: { readonly file: string } | { readonly env: string };
}

export interface SshSource {
  /** `default` where none is given. */
  readonly id: string;
  /** Agent socket or key files; empty: $SSH_AUTH_SOCK. */
  readonly paths: readonly string[];
}

/** A line of /etc/hosts. */
export interface ExtraHost {
  readonly host: string;
  /** An IP address, or `host-gateway`. */
  readonly address: string;
}

/** docker's word for the engine's machine as containers reach it. */
export const hostGateway = "host-gateway";

/** An image of tools, or a folder of static ones on this machine, or the reason why there is none. */
export type ToolboxSource =
  /** `kit`: the folder in the image that becomes /.dfdebug and has `bin` in it; `/` where the image is nothing but tools. */
  | { readonly kind: "image"; readonly name: string; readonly kit: string }
  | { readonly kind: "directory"; readonly path: string }
  | { readonly kind: "none"; readonly reason: string; readonly hint: string };

/** What to build; docker build's options with docker build's meaning. */
export interface BuildRequest {
  readonly context: ContextSource;
  /** Parsed, and served to the engine from memory. Undefined: it lies in the context (git URL, tar) under `dockerfileName`. */
  readonly dockerfile: Dockerfile | undefined;
  readonly dockerfileName: string;
  /** Where the Dockerfile lies on this machine: for writing fixes. */
  readonly dockerfilePath: string | undefined;
  /** The content of `<Dockerfile>.dockerignore` beside it, which then takes the place of the context's .dockerignore. */
  readonly dockerignore: string | undefined;
  readonly target: string | undefined;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly buildContexts: ReadonlyMap<string, string>;
  readonly secrets: readonly SecretSource[];
  readonly ssh: readonly SshSource[];
  readonly platform: string | undefined;
  readonly network: string | undefined;
  readonly noCache: boolean;
  readonly noCacheFilter: readonly string[];
  readonly pull: boolean;
  readonly addHosts: readonly ExtraHost[];
  readonly labels: ReadonlyMap<string, string>;
  /** Image names (`-t`); empty: the image has only its id. */
  readonly names: readonly string[];
  /** Use the engine's own frontend whatever `# syntax=` says. */
  readonly ignoreSyntax: boolean;
  /** Asked once, when the first container is opened. */
  readonly toolbox: () => Promise<ToolboxSource>;
  /**
   * A step that fails is going to be opened at once: what that takes may be made ready while the step runs, and of several that
   * fail in one stage the first is told, for behind it nothing can be opened.
   */
  readonly opensFailures?: boolean | undefined;
}

/** What an engine can do; each false one has its consequence named in `limits`. */
export interface EngineCapabilities {
  /** The state that a failed step left behind can be opened. */
  readonly dirtyState: boolean;
  readonly heredocs: boolean;
  /** --build-context, with the engine's own frontend. */
  readonly namedContexts: boolean;
  readonly signals: boolean;
  readonly secretEnv: boolean;
  /** Build several platforms in one build. */
  readonly multiPlatform: boolean;
  /** Sentences for people: what is missing, and what is lost by it. */
  readonly limits: readonly string[];
}

/** `open` and everything under it rejects with EngineError when the engine is lost, CancelledError when `signal` aborts. */
export interface BuildEngine {
  readonly kind: "buildkit" | "classic" | "fake";
  /** For people and for the `plan` event: the engine's version, e.g. `28.5.2 (BuildKit 0.25)`. */
  readonly version: string;
  readonly capabilities: EngineCapabilities;
  /** Plans the build and makes it ready to run; sends nothing of the context yet. Rejects with DockerfileError. */
  open(request: BuildRequest, options: { signal?: AbortSignal }): Promise<Build>;
}

export interface BuildResult {
  /** `sha256:...` of the image's configuration, as docker build prints it. */
  readonly imageId: string;
  readonly names: readonly string[];
  /** docker build's --metadata-file content. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

export type BuildOutcome = { readonly status: "built" } | { readonly status: "failed"; readonly failure: StepFailure };

/** One build, alive from `open` until it is disposed; every state it made stays usable as long. */
export interface Build extends AsyncDisposable {
  readonly dockerfile: Dockerfile;
  readonly steps: readonly Step[];
  /** What FROM lines see: platform arguments, and the ARGs before the first FROM that have a value. */
  readonly globals: ReadonlyMap<string, string>;
  /** Listens until the returned function is called. Events come in order; a listener must not throw. */
  subscribe(listener: (event: BuildEvent) => void): () => void;
  /** Runs everything the target needs with the engine's own parallelism; does not export. */
  runAll(options: { signal?: AbortSignal }): Promise<BuildOutcome>;
  /** Runs up to and including `step`; what failed before is run again. */
  run(step: Step, options: { signal?: AbortSignal }): Promise<StepResult>;
  /**
   * Plans again with another text of the Dockerfile: `steps` and `dockerfile` are new afterwards, and steps whose work did
   * not change are not run again. Nothing is written to disk. Rejects with DockerfileError and changes nothing when the
   * text does not parse. `contextChanged`: files of the build context are other ones now, and are read again.
   */
  replan(source: string, options: { signal?: AbortSignal; contextChanged?: boolean }): Promise<void>;
  /** The state before `step` runs: the filesystem its instruction sees, and the configuration at that line. Builds it when needed. */
  before(step: Step, options: { signal?: AbortSignal }): Promise<Ref>;
  /** The state after `step`. */
  after(step: Step, options: { signal?: AbortSignal }): Promise<Ref>;
  /** What `step` left when it failed. Rejects with ContainerError NO_DIRTY_STATE where it did not fail or it is not to be had. */
  dirty(step: Step, options: { signal?: AbortSignal }): Promise<Ref>;
  /** Variables, user, directory, shell and image configuration as they stand before or after `step`; builds nothing. */
  configuration(step: Step, when: "before" | "after", options?: { signal?: AbortSignal }): Promise<StepConfiguration>;
  /** What is different in `after`, ordered by path. Both are states of this build. */
  compare(before: Ref, after: Ref, options: { signal?: AbortSignal }): Promise<readonly FileChange[]>;
  /** Whether the step is built in this plan: its state is there without running anything. */
  isBuilt(step: Step): boolean;
  /** Opens a container in `step`'s exact environment on the state before it, or on what it left when it failed. */
  openContainer(step: Step, options: StepContainerOptions): Promise<StepContainer>;
  /** Makes the image of the finished build, with its names. Only after `runAll` or `run` of the last step succeeded. */
  finish(options: { signal?: AbortSignal }): Promise<BuildResult>;
  /** Makes an image of any state; returns its id. */
  saveImage(ref: Ref, name: string | undefined, options: { signal?: AbortSignal }): Promise<string>;
}

export type StepResult =
  { readonly status: "cached" | "done" } | { readonly status: "failed"; readonly failure: StepFailure };

/** A failed step: a value, not an exception. It is what people debug. */
export interface StepFailure {
  readonly step: Step;
  /** What failed, in one line, in the engine's words cleaned of its prefixes. */
  readonly message: string;
  /** Of the command, for RUN. */
  readonly exitCode: number | undefined;
  /** The process was killed by the kernel for lack of memory, where the engine says so. */
  readonly outOfMemory: boolean;
  /** For COPY, ADD and RUN --mount: what was looked for and why it was not found. */
  readonly copy: CopyDiagnosis | undefined;
  /** What dfdebug found out about it; `message` is its message then. */
  readonly finding?: StepFinding | undefined;
  /**
   * For FROM: the ONBUILD trigger that failed, which `before` and `openContainer` of the step are about then. Its ranges are
   * those of the Dockerfile where it is of a stage; of an image's they are of its own text.
   */
  readonly trigger?: Instruction | undefined;
  /** What the failed step left behind can be opened; the reason where not. */
  readonly dirty: { readonly available: true } | { readonly available: false; readonly reason: string };
}

/** Why a step failed, where the engine's own words do not say it well. Names in it come from the Dockerfile and its files. */
export interface StepFinding {
  /** What failed on what, in one line. */
  readonly message: string;
  /** Where it comes from, in whole sentences. */
  readonly cause: readonly string[];
  /** What to do, in whole sentences. */
  readonly advice: readonly string[];
}

/** Why a COPY, an ADD or the bind mount of a RUN found nothing. */
export interface CopyDiagnosis {
  /** The source pattern as written. */
  readonly pattern: string;
  /** Where it was looked for: `build context`, `stage "build"`, `image "nginx"`. */
  readonly where: string;
  /** Existing names that are close, best first. */
  readonly near: readonly string[];
  /** The .dockerignore line that left it out. */
  readonly excludedBy: { readonly file: string; readonly line: number; readonly pattern: string } | undefined;
  /** It has come to the context, or nothing leaves it out any more, since the context was read. */
  readonly isThereNow?: boolean;
  /** What was looked for where the pattern's `..` would lead out of the build context: there it means nothing. */
  readonly insideContext?: string;
}

/** A path's metadata. */
export interface FileStat {
  /** Base name. */
  readonly name: string;
  readonly type: "file" | "directory" | "symlink" | "fifo" | "socket" | "character" | "block";
  /** Permission bits with setuid, setgid and sticky, as in chmod. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modified: number;
  readonly linkTarget: string | undefined;
}

/**
 * One difference of two states. Contents are not read: a file has changed when its type, mode, owner, size, time or link
 * has (BuildKit's own rule, fsutil), a directory when its mode or owner has.
 */
export interface FileChange {
  readonly kind: "added" | "changed" | "deleted";
  /** Absolute. */
  readonly path: string;
  /** Undefined for what was added. */
  readonly before: FileStat | undefined;
  /** Undefined for what was deleted. */
  readonly after: FileStat | undefined;
}

/** A filesystem state with its image config. Lives as long as its build. Missing paths reject with ContainerError code NOT_FOUND. */
export interface Ref {
  readonly config: ImageConfig;
  readDir(path: string, options?: { signal?: AbortSignal }): Promise<readonly FileStat[]>;
  /** The whole file by chunks, never buffered whole. */
  readFile(path: string, options?: { signal?: AbortSignal }): AsyncIterable<Uint8Array>;
  /** Follows no symlink in the last component. */
  stat(path: string, options?: { signal?: AbortSignal }): Promise<FileStat>;
}

export interface StepContainerOptions {
  /**
   * `clean`: before the step. `dirty`: what it left when it failed; rejects with ContainerError where it is not to be had.
   * `after`: what it made, with the configuration that stands behind it.
   */
  readonly state: "clean" | "dirty" | "after";
  /** `inside`: the step's root is `/`, tools at /.dfdebug/bin. `outside`: the toolbox's root is `/`, the step's root is at /target. */
  readonly view: "inside" | "outside";
  /**
   * The step itself runs at the same time, and must not notice: rejects with ContainerError NOT_ALONGSIDE where something of
   * it can be had only once (a cache that is locked or private).
   */
  readonly alongside?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a step's instruction runs in, as far as it is known before it runs. */
export interface StepEnvironment {
  /** `NAME=value`, build args in scope included, PATH with the toolbox at its end where there is one. Holds no secret. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  /** SHELL as it stands at the step. */
  readonly shell: readonly string[];
  /** argv of the step's own command for RUN, as the engine would start it. */
  readonly argv: readonly string[] | undefined;
}

/** A container on a step's state. It ends when it is disposed, whatever runs in it. */
export interface StepContainer extends AsyncDisposable {
  readonly environment: StepEnvironment;
  /** `/.dfdebug` is mounted and has a shell; the reason where not. */
  readonly toolbox:
    { readonly available: true } | { readonly available: false; readonly reason: string; readonly hint: string };
  /**
   * Starts a process. A command that is not there exits with 127 and one that cannot be executed with 126, as in a shell;
   * rejects with ContainerError with these exit codes where the container has no shell to say so.
   */
  exec(options: ExecOptions): Promise<Process>;
  /** Writes a small file (a script to run) to a folder of tools that is no part of the state; returns its path inside. */
  writeScratchFile(name: string, content: string | Uint8Array): Promise<string>;
}

export interface ExecOptions {
  readonly argv: readonly string[];
  /** A terminal of this size; without it standard output and error stay apart. */
  readonly tty?: { readonly columns: number; readonly rows: number } | undefined;
  /** False: standard input is empty. */
  readonly stdin?: boolean | undefined;
  /** Added to the step's environment. */
  readonly env?: readonly string[] | undefined;
  readonly user?: string | undefined;
  readonly cwd?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A running process. Streams keep back-pressure. */
export interface Process {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Ends at once when the process has a terminal. */
  readonly stderr: Readable;
  resize(columns: number, rows: number): void;
  /** A signal's name without SIG: `INT`. Ignored where the engine has no such call. */
  kill(signal: string): void;
  /** The exit code, once the process ended and its output was delivered. Rejects with EngineError when the engine is lost. */
  readonly exited: Promise<number>;
}

export type BuildEvent =
  /** The steps were planned, or planned again after `replan`. */
  | { readonly type: "plan"; readonly dockerfile: Dockerfile; readonly steps: readonly Step[] }
  | {
      readonly type: "step";
      readonly step: Step;
      /** `skipped`: another step failed first. */
      readonly status: "started" | "cached" | "done" | "failed" | "skipped";
      /** Milliseconds, with everything but `started`. */
      readonly durationMs?: number;
    }
  /** A whole or partial line of a step's output, as the process wrote it (untrusted). */
  | { readonly type: "log"; readonly step: Step; readonly stream: 1 | 2; readonly data: Uint8Array }
  /** Progress inside a step or activity: a layer's download, an extraction. Bytes. */
  | {
      readonly type: "progress";
      readonly of: string;
      readonly id: string;
      readonly current: number;
      readonly total: number;
      readonly completed: boolean;
    }
  /** Work of the build that is no step: loading metadata, sending the context, exporting. */
  | {
      readonly type: "activity";
      readonly id: string;
      readonly name: string;
      readonly status: "started" | "cached" | "done" | "failed";
      readonly durationMs?: number;
    }
  /** The context, or a named one, on its way to the engine: totals so far. */
  | {
      readonly type: "transfer";
      readonly name: string;
      readonly files: number;
      readonly bytes: number;
      readonly done: boolean;
    }
  | {
      readonly type: "warning";
      readonly step: Step | undefined;
      readonly message: string;
      readonly detail: readonly string[];
      readonly url: string | undefined;
      readonly line: number | undefined;
    }
  /** The engine is gone, whether or not something runs: no call on this build succeeds any more. Comes once at most. */
  | { readonly type: "lost"; readonly error: EngineError };
