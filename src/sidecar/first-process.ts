import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type { Containers, ContainerSpec } from "../docker/containers.js";
import { readFirstLine, type FirstLine } from "../docker/streams.js";
import { ContainerError, EngineError, cancellation } from "../errors.js";
import { Lifetime } from "../lifetime.js";
import { uniqueDigits } from "./unique-digits.js";

/** A container of dfdebug's own whose first process is held by this client. */
export interface HeldContainer extends AsyncDisposable {
  readonly id: string;
  /** The first process's streams; their end is the container's. */
  readonly control: Duplex;
  /** What the first process said first. */
  readonly firstLine: FirstLine;
  /** Settles when the engine has removed the container, with its exit code; undefined where the engine was lost. */
  readonly removed: Promise<number | undefined>;
}

export interface HoldOptions {
  readonly containers: Containers;
  readonly spec: ContainerSpec;
  readonly signal: AbortSignal;
  /** Between the container's making and its start. */
  readonly prepare?: (id: string) => Promise<void>;
  /** Its first process says a line when it is ready; else it is ready when it runs. */
  readonly speaks: boolean;
}

/**
 * Makes and starts a container that ends with this client: its first process reads the standard input that the client holds,
 * so that its death, even by SIGKILL, is an end of input (one with a terminal needs another such process beside it); and the
 * engine removes what ended. Dispose ends it, and waits until it is gone. Rejects with EngineError, or CancelledError.
 */
export async function holdContainer(options: HoldOptions): Promise<HeldContainer> {
  const { containers, spec, signal, prepare, speaks } = options;
  const lifetime = new Lifetime();
  try {
    const id = await containers.create({
      ...spec,
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      // What the first process says is for dfdebug, and for nobody's disk.
      HostConfig: { ...spec.HostConfig, AutoRemove: true, LogConfig: { Type: "none", Config: {} } },
    });
    let isGone = false;
    lifetime.defer(() => (isGone ? undefined : containers.remove(id)));
    await prepare?.(id);
    // Attached before it starts: from its first moment on it ends with this process.
    const [control, exit] = await Promise.all([containers.attach(id), containers.watchExit(id, "removed")]);
    control.on("error", () => undefined);
    lifetime.defer(() => void control.destroy());
    if (signal.aborted) throw cancellation(signal);
    const removed = exit.code.then(
      (code) => {
        isGone = true;
        return code;
      },
      () => undefined,
    );
    const [firstLine] = await Promise.all([
      speaks ? readFirstLine(control, spec.Tty ? isAnswer : undefined) : { line: undefined, said: "" },
      containers.start(id),
    ]);
    lifetime.defer(async () => {
      control.destroy();
      // A terminal stays open when its client goes: what watches over it ends it, or else the engine.
      if (spec.Tty && !(await settled(removed, watchPatience))) await containers.remove(id);
      await removed;
    });
    return { id, control, firstLine, removed, [Symbol.asyncDispose]: () => lifetime[Symbol.asyncDispose]() };
  } catch (error) {
    await lifetime[Symbol.asyncDispose]();
    throw error;
  }
}

/** So long what is beside a terminal's process has to end it; milliseconds. */
const watchPatience = 1_000;

async function settled(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const giveUp = new AbortController();
  const first = await Promise.race([
    promise.then(() => true),
    sleep(milliseconds, false, { signal: giveUp.signal }).catch(() => false),
  ]);
  giveUp.abort();
  return first;
}

/** A name that says whose it is, and that no other session has. */
export function sidecarName(label: string): string {
  return `dfdebug-${label.replaceAll(/[^\w.-]/g, "_").slice(0, 60)}-${uniqueDigits(6)}`;
}

/** What a first process says of itself; its shell may have complaints of its own before. */
function isAnswer(line: string): boolean {
  return line === "ready" || line.startsWith("failed ");
}

/** Throws ContainerError (exit code 125) where the first process did not get ready. */
export function checkReady({ line, said }: FirstLine): void {
  if (line === "ready") return;
  const reason = line?.replace(/^failed /, "") ?? (said.trim() || "it ended at once");
  throw new ContainerError(`The toolbox container could not be set up: ${reason}`, { code: "SIDECAR_START" }, 125);
}

/** docker's 125 for a container that the engine refuses to make or to start; a lost engine stays what it is. */
export function notStarted(error: unknown, label: string, image: string): Error {
  // The engine's own words (runc), which there is no code for.
  if (error instanceof EngineError && /"\/bin\/sh": stat \/bin\/sh: no such file/.test(error.message))
    return new ContainerError(
      `The toolbox image ${image} has no /bin/sh`,
      { code: "SIDECAR_START", cause: error, hint: "Any image with a shell will do; none has to be named." },
      125,
    );
  if (error instanceof EngineError && ["NOT_FOUND", "CONFLICT", "ENGINE_REFUSED"].includes(error.code))
    return new ContainerError(
      `The toolbox could not be started beside ${label}: ${error.message}`,
      { code: "SIDECAR_START", cause: error },
      125,
    );
  return error instanceof Error ? error : new Error(String(error));
}
