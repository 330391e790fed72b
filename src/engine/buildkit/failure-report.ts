import { DockerfileError } from "../../errors.js";
import { parseInstruction } from "../../dockerfile/parse.js";
import type { Instruction } from "../../dockerfile/syntax.js";
import type { BuildRequest, EngineCapabilities, Step, StepFailure } from "../engine.js";
import { diagnoseCopyStep } from "./copy-diagnosis.js";
import { cleaned, diskFull, type CallError } from "./failures.js";
import type { Vertex } from "./graph.js";
import { missingInterpreter } from "./missing-interpreter.js";
import type { PlannedGraph, StateSource } from "./planned-graph.js";
import type { SolvedFailure } from "./solver.js";
import { findOut } from "./step-findings.js";

/** What people need to know of a failed step. */
export async function describeFailure(input: {
  solved: SolvedFailure;
  step: Step;
  /** For FROM: the op of the base image's ONBUILD trigger that failed. */
  trigger: Vertex | undefined;
  /** The op that failed: the step's own, or one that it reads. */
  failedOp: Vertex | undefined;
  planned: PlannedGraph;
  source: StateSource;
  request: BuildRequest;
  capabilities: EngineCapabilities;
  /** The failed vertex's error in the progress stream: all that engines without error details say. */
  streamError: string | undefined;
  signal: AbortSignal | undefined;
}): Promise<StepFailure> {
  const { error } = input.solved;
  const isRun = input.step.instruction.keyword === "RUN" || input.trigger?.op.op?.$case === "exec";
  const words = input.streamError || error.message;
  const exitCode = isRun ? (error.exitCode ?? exitCodeIn(words)) : undefined;
  const copy = exitCode === undefined ? await diagnoseCopyStep(input, words) : undefined;
  const finding = copy
    ? undefined
    : exitCode === undefined
      ? await findOut(input, words)
      : await missingInterpreter(input, exitCode);
  return {
    step: input.step,
    message:
      exitCode === undefined
        ? (finding?.message ?? `${diskFull(words) ? "The engine's disk is full: " : ""}${cleaned(words)}`)
        : `exit code ${String(exitCode)}`,
    exitCode,
    outOfMemory: /out of memory|OOM/i.test(words),
    copy,
    finding,
    trigger: input.trigger && (input.planned.triggerOf(input.trigger.digest) ?? triggerInstruction(input.trigger)),
    dirty: dirtyOf(input.solved.error, input.capabilities),
  };
}

/** The instruction of an op that an ONBUILD trigger made; undefined where the op's name does not hold it. */
function triggerInstruction({ name }: Vertex): Instruction | undefined {
  const text = name.replace(/^(?:\[[^\]]*\]\s*)+/, "");
  try {
    return parseInstruction(text, { file: "ONBUILD" });
  } catch (error) {
    if (error instanceof DockerfileError) return undefined;
    throw error;
  }
}

function dirtyOf(error: CallError, capabilities: EngineCapabilities): StepFailure["dirty"] {
  if (error.solve?.mountIDs.some((id) => id !== "")) return { available: true };
  const reason = !capabilities.dirtyState
    ? "this engine does not keep what a failed step left (Docker Engine 23.0 and later do)"
    : error.vertex === undefined
      ? "the engine's report is longer than can be received, for the instruction is in it several times"
      : "the step failed before it changed anything";
  return { available: false, reason };
}

/** Engine 20.10 sends no details: the code stands only at the end of its sentence. */
function exitCodeIn(message: string): number | undefined {
  const match = /exit code: (\d+)\s*$/.exec(message);
  return match ? Number(match[1]) : undefined;
}
