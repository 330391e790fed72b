import type { BuildEvent, BuildResult, Step, StepFailure } from "../engine/engine.js";

/** Why the session stopped. */
export type StopReason = "entry" | "step" | "breakpoint" | "failure" | "pause" | "end";

/** How a session ended. */
export type SessionResult =
  | { readonly status: "built"; readonly image: BuildResult }
  | { readonly status: "failed"; readonly failure: StepFailure }
  | { readonly status: "cancelled" };

/** One plain value says where the session is. */
export type SessionState =
  | { readonly kind: "idle" }
  | { readonly kind: "running" }
  | {
      readonly kind: "stopped";
      /** The step before which it stopped; the failed one with reason `failure`; the last one with reason `end`. */
      readonly step: Step;
      readonly reason: StopReason;
      readonly failure: StepFailure | undefined;
    }
  | { readonly kind: "ended"; readonly result: SessionResult };

/** What front ends listen to: the build's own events, and the session's. */
export type SessionEvent =
  | BuildEvent
  | { readonly type: "stopped"; readonly state: Extract<SessionState, { kind: "stopped" }> }
  | { readonly type: "ended"; readonly result: SessionResult };

/** An instruction that was replaced and built, but is not in the file yet. */
export interface PendingFix {
  readonly step: Step;
  /** The whole Dockerfile with the fix in it. */
  readonly source: string;
  /** Unified diff of the Dockerfile, without colours. */
  readonly diff: string;
}
