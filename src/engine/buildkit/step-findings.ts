import { imageNames } from "../../dockerfile/image-names.js";
import { guessStage } from "../../dockerfile/stage-guess.js";
import type { BuildRequest, Step, StepFinding } from "../engine.js";
import { imageIdentifier } from "./environment.js";
import { cleaned } from "./failures.js";
import type { Vertex } from "./graph.js";
import { missingAccount } from "./missing-account.js";
import { fileInTheWay } from "./file-in-the-way.js";
import type { PlannedGraph, StateSource } from "./planned-graph.js";
import { pullReason } from "./plan-error.js";

/** What a failed step is looked at with. */
export interface FailedStep {
  readonly step: Step;
  /** The op that failed: the step's own, or one that it reads. */
  readonly failedOp: Vertex | undefined;
  readonly planned: PlannedGraph;
  readonly source: StateSource;
  readonly request: BuildRequest;
  readonly signal: AbortSignal | undefined;
}

/** Looks into a failure of which the engine says only `words`; undefined where they say it all. */
export async function findOut(failed: FailedStep, words: string): Promise<StepFinding | undefined> {
  const { failedOp } = failed;
  const source = failedOp?.op.op?.$case === "source" ? failedOp.op.op.value.identifier : undefined;
  if (source?.startsWith("docker-image://")) return notAnImage(failed, source, words);
  if (source && /^https?:/.test(source)) return notFetched(source, words);
  return (await missingAccount(failed, words)) ?? (await fileInTheWay(failed, words));
}

/** Engine 20.10 asks for the images of COPY --from and of mounts only when their step runs. */
function notAnImage(
  { step, planned, request }: FailedStep,
  identifier: string,
  words: string,
): StepFinding | undefined {
  const contexts = [...request.buildContexts.keys()];
  const { dockerfile } = planned.plan;
  const use = imageNames(dockerfile, { ...request, contexts }).find(
    ({ name, instruction }) => instruction === step.instruction && imageIdentifier(name) === identifier,
  );
  const guess = use && guessStage(dockerfile, use, contexts);
  return guess && { message: guess.message, cause: [pullReason(words, use.name)], advice: [guess.advice] };
}

/** An ADD of a URL. */
function notFetched(url: string, words: string): StepFinding {
  const [, actual] = /digest mismatch (\w+:\w+)/.exec(words) ?? [];
  if (actual !== undefined)
    return {
      message: `${url} is not what --checksum says`,
      cause: [`Its digest is ${actual}.`],
      advice: ["Somebody has changed it: where that was meant, write the new digest into --checksum."],
    };
  const reason = cleaned(words);
  const prefix = `Get "${url}": `;
  return {
    message: `${url} could not be fetched`,
    cause: [reason.startsWith(prefix) ? reason.slice(prefix.length) : reason],
    advice: ["The engine fetches it, not dfdebug: check the address, and the engine's network and proxy."],
  };
}
