/** A half-open area of a text file. Lines count from 1, columns (UTF-16 units) from 0. Structural twin of dockerfile's Range, so that errors import nothing. */
export interface ErrorRange {
  start: { line: number; column: number };
  end: { line: number; column: number };
}

export interface ErrorDetails {
  /** Stable, upper-case, documented in docs/errors.md: what scripts and searches may rely on. */
  code: string;
  /** What the user can do next, one or more whole sentences. */
  hint?: string | undefined;
  cause?: unknown;
}

/** Every error that dfdebug shows on purpose. The message says what failed and on what; the hint says what to do next. */
export class DfdebugError extends Error {
  readonly code: string;
  readonly exitCode: number;
  readonly hint: string | undefined;

  constructor(message: string, details: ErrorDetails, exitCode: number) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = details.code;
    this.exitCode = exitCode;
    this.hint = details.hint;
  }
}

/** The command line, or a value on it, is wrong: exit code 2. */
export class UsageError extends DfdebugError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "USAGE", ...details }, 2);
  }
}

export interface DockerfileErrorDetails extends ErrorDetails {
  /** The Dockerfile's name as the user wrote it. */
  file: string;
  range?: ErrorRange | undefined;
  /** The Dockerfile's text, for the excerpt. */
  source?: string | undefined;
}

/** The Dockerfile is wrong: exit code 1. */
export class DockerfileError extends DfdebugError {
  readonly file: string;
  readonly range: ErrorRange | undefined;
  readonly source: string | undefined;

  constructor(message: string, details: DockerfileErrorDetails) {
    super(message, details, 1);
    this.file = details.file;
    this.range = details.range;
    this.source = details.source;
  }
}

/** The engine is unreachable, was lost, or refused something that is not the build's fault: exit code 3. */
export class EngineError extends DfdebugError {
  constructor(message: string, details: ErrorDetails) {
    super(message, details, 3);
  }
}

/** The build failed for a reason that has no step to stop at (base image, registry, disk, context): exit code 1. */
export class BuildError extends DfdebugError {
  constructor(message: string, details: ErrorDetails) {
    super(message, details, 1);
  }
}

/** A step failed, reported where failing is exceptional (a command that must succeed): exit code 1. A failed step of a build is a value, StepFailure. */
export class StepFailedError extends DfdebugError {
  constructor(message: string, details: ErrorDetails) {
    super(message, details, 1);
  }
}

/** A container could not be made, started or entered: exit code 1, or docker's 125, 126 and 127. */
export class ContainerError extends DfdebugError {
  constructor(message: string, details: ErrorDetails, exitCode = 1) {
    super(message, details, exitCode);
  }
}

/** A debugger command that is illegal in the present state. It is shown, and the session goes on. */
export class SessionStateError extends DfdebugError {
  constructor(message: string, details: Partial<ErrorDetails> = {}) {
    super(message, { code: "SESSION_STATE", ...details }, 1);
  }
}

/** The user interrupted: exit code 130. */
export class CancelledError extends DfdebugError {
  constructor(message = "Interrupted", details: Partial<ErrorDetails> = {}) {
    super(message, { code: "CANCELLED", ...details }, 130);
  }
}

/** The reason of an aborted signal as an error; CancelledError where the signal carries none of ours. */
export function cancellation(signal: AbortSignal): DfdebugError {
  return signal.reason instanceof DfdebugError ? signal.reason : new CancelledError();
}

/** What a promise gives, unless the signal aborts first: rejects with its reason then. What was begun goes on for others. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  const settled = new AbortController();
  const aborted = new Promise<never>((_resolve, reject) => {
    const abort = (): void => reject(cancellation(signal));
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true, signal: settled.signal });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    settled.abort();
  }
}

/** The text of anything thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
