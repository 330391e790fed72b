import type { BuildEvent, BuildResult, Step, StepFailure } from "../engine/engine.js";
import type { DfdebugError } from "../errors.js";

/** Why the session stopped. */
export type StopReason = "entry" | "step" | "breakpoint" | "failure" | "pause" | "end";

/** How a session ended. */
export type SessionResult =
  | { readonly status: "built"; readonly image: BuildResult }
  | { readonly status: "failed"; readonly failure: StepFailure }
  | { readonly status: "cancelled" }
  /** Something failed that is no step: the engine was lost, the disk is full. The command that met it rejected with it. */
  | { readonly status: "error"; readonly error: DfdebugError };

/** Stopped at a step: everything can be looked at, and the build goes on by a command. */
export interface StoppedState {
  readonly kind: "stopped";
  /** The step before which it stopped; the failed one with reason `failure`; the last one with reason `end`. */
  readonly step: Step;
  readonly reason: StopReason;
  readonly failure: StepFailure | undefined;
}

/** One plain value says where the session is. */
export type SessionState =
  | { readonly kind: "idle" }
  | { readonly kind: "running" }
  | StoppedState
  | { readonly kind: "ended"; readonly result: SessionResult };

/** What front ends listen to: the build's own events, and the session's. */
export type SessionEvent =
  | BuildEvent
  | { readonly type: "stopped"; readonly state: StoppedState }
  /** A diagnostic command ended that was run at a stop (`exec`). */
  | { readonly type: "exec"; readonly step: Step; readonly report: ExecReport }
  /** A step's state was kept as an image (`saveStep`). */
  | { readonly type: "image"; readonly step: Step; readonly imageId: string; readonly name: string | undefined }
  | { readonly type: "ended"; readonly result: SessionResult };

/** What a command run at a stop did. */
export interface ExecReport {
  readonly command: string;
  readonly exitCode: number;
  /** Decoded as UTF-8, untrusted; only the last part where the output was longer than the memory kept for it. */
  readonly stdout: string;
  readonly stderr: string;
  /** Something is missing at the start of `stdout` or `stderr`. */
  readonly truncated: boolean;
}

/** An instruction that was replaced and built, but is not in the file yet. */
export interface PendingFix {
  readonly step: Step;
  /** The whole Dockerfile with the fix in it. */
  readonly source: string;
  /** Unified diff of the Dockerfile, without colours. */
  readonly diff: string;
}
