import type { BuildEvent, BuildResult, Step, StepFailure } from "../engine/engine.js";
import type { DfdebugError } from "../errors.js";
import type { KeptEvent } from "./keep-steps.js";

/** Why the session stopped. */
export type StopReason = "entry" | "step" | "breakpoint" | "failure" | "pause" | "end";

/** How a session ended. */
export type SessionResult =
  | { readonly status: "built"; readonly image: BuildResult }
  | { readonly status: "failed"; readonly failure: StepFailure }
  | { readonly status: "cancelled" }
  /** Something failed that is no step: the engine was lost, the disk is full. Or a script cannot go on. */
  | { readonly status: "error"; readonly error: DfdebugError };

/** Stopped at a step: everything can be looked at, and the build goes on by a command. */
export interface StoppedState {
  readonly kind: "stopped";
  /** The step before which it stopped; the failed one with reason `failure`; the last one at the end. */
  readonly step: Step;
  /** Before the step; behind it (the last one) at the end. */
  readonly at: "before" | "after";
  readonly reason: StopReason;
  readonly failure: StepFailure | undefined;
  /** How it came there, for people: `breakpoint 2`, `back`. */
  readonly note: string | undefined;
}

/** One plain value says where the session is. */
export type SessionState =
  | { readonly kind: "idle" }
  | { readonly kind: "running" }
  | StoppedState
  | { readonly kind: "ended"; readonly result: SessionResult };

/** What front ends listen to: the build's own events, and the session's. */
export type SessionEvent =
  | Exclude<BuildEvent, { readonly type: "lost" }>
  | KeptEvent
  | { readonly type: "stopped"; readonly state: StoppedState }
  | { readonly type: "ended"; readonly result: SessionResult };

/** An instruction that was replaced and built, or text that was edited, but is not in the file yet. */
export interface PendingFix {
  /** The whole Dockerfile with the change in it. */
  readonly source: string;
  /** Unified diff of the Dockerfile, without colours. */
  readonly diff: string;
}

/** A change brought over to the file as somebody else has changed it meanwhile. */
export interface MergedFix {
  /** The text in the file. */
  readonly onDisk: string;
  /** That text with the change in it. */
  readonly source: string;
  /** Unified diff of the two, without colours; "" where the file has the change already. */
  readonly diff: string;
  /** The change takes the place of lines that were changed there, too. */
  readonly conflicts: boolean;
}

/** The position of a stop: its step's number, or one more at the end. */
export function positionOf(stopped: StoppedState): number {
  return stopped.at === "after" ? stopped.step.number + 1 : stopped.step.number;
}
