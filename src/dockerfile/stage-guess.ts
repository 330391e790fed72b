import { stageName } from "./check.js";
import type { ImageName } from "./image-names.js";
import type { DockerfileErrorCode } from "./problem.js";
import { nearest } from "./suggest.js";
import type { Dockerfile, Stage } from "./syntax.js";

/** What to say of a name that no image has: it may have been meant for a stage. */
export interface StageGuess {
  /** Undefined where nothing but its look speaks for a stage. */
  readonly code: DockerfileErrorCode | undefined;
  /** In one line. */
  readonly message: string;
  /** What may have been meant, in whole sentences. */
  readonly advice: string;
}

/**
 * Which stage (or build context) was meant by a name that the engine could not pull as an image. Undefined where it can only
 * be an image: it has a registry, a folder or a tag in it, or it is a FROM's and like no stage.
 */
export function guessStage(
  dockerfile: Dockerfile,
  { name, stage, instruction }: ImageName,
  contexts: Iterable<string>,
): StageGuess | undefined {
  const wanted = name.toLowerCase();
  if (!stageName.test(wanted)) return undefined;
  const named = dockerfile.stages.filter((one) => one !== stage && one.name !== undefined);
  const above = named.filter(({ index }) => index < stage.index);
  const later = named.filter(({ index }) => index > stage.index);
  const here = later.find((one) => one.name === wanted);
  if (here)
    return {
      code: "LATER_STAGE",
      message: `"${name}" is no stage yet: stage ${here.label} is defined later, on line ${lineOf(here)}`,
      advice: `Only earlier stages can be used: move ${here.label} above ${stage.label}.`,
    };
  const message = `"${name}" names neither an earlier stage of this Dockerfile nor an image that the engine could pull`;
  const find = (stages: readonly Stage[]): Stage | undefined => {
    const like = nearest(
      wanted,
      stages.flatMap((one) => one.name ?? []),
    );
    return stages.find((one) => one.name === like && like !== undefined);
  };
  const nearAbove = find(above);
  if (nearAbove)
    return {
      code: "UNKNOWN_STAGE",
      message,
      advice: `Did you mean stage ${nearAbove.label} (line ${lineOf(nearAbove)})?`,
    };
  const nearContext = nearest(wanted, contexts);
  if (nearContext !== undefined)
    return { code: "UNKNOWN_STAGE", message, advice: `Did you mean the build context ${nearContext}?` };
  const nearLater = find(later);
  if (nearLater)
    return {
      code: "LATER_STAGE",
      message,
      advice: `Did you mean stage ${nearLater.label}? It is defined later, on line ${lineOf(nearLater)}: only earlier stages can be used.`,
    };
  if (instruction === stage.from) return undefined;
  return {
    code: undefined,
    message,
    advice:
      above.length === 0
        ? "No stage above has a name: FROM image AS name gives it one."
        : `The earlier stages: ${above.map(({ label }) => label).join(", ")}.`,
  };
}

function lineOf(stage: Stage): string {
  return String(stage.from.range.start.line);
}
