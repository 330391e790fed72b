import { InstructionReader } from "./instruction-reader.js";
import { problem, type Origin } from "./problem.js";
import type { Dockerfile, Instruction, Stage } from "./syntax.js";

/**
 * Parses a Dockerfile as BuildKit's parser and instructions packages do: what passes here passes there, and every
 * instruction has the lines that BuildKit reports. Takes time in proportion to the text. Throws DockerfileError, never
 * anything else.
 */
export function parseDockerfile(source: string, options: { file: string }): Dockerfile {
  const origin: Origin = { file: options.file, source };
  const reader = new InstructionReader(origin);
  const globalArgs: Instruction[] = [];
  const stages: { from: Instruction; instructions: Instruction[] }[] = [];
  for (let instruction = reader.next(); instruction !== undefined; instruction = reader.next()) {
    const stage = stages.at(-1);
    if (instruction.keyword === "FROM") stages.push({ from: instruction, instructions: [instruction] });
    else if (stage !== undefined) stage.instructions.push(instruction);
    else if (instruction.keyword === "ARG") globalArgs.push(instruction);
    else {
      throw problem(
        origin,
        "INSTRUCTION_BEFORE_FROM",
        `${instruction.keyword} stands before the first FROM`,
        instruction.keywordRange,
        "Begin the stage with FROM; only ARG may stand before it.",
      );
    }
  }
  if (stages.length === 0) {
    const empty = globalArgs.length === 0;
    throw problem(
      origin,
      empty ? "EMPTY_DOCKERFILE" : "NO_FROM",
      empty ? `${options.file} holds no instruction` : `${options.file} has no FROM, so there is no stage to build`,
      undefined,
      "A Dockerfile needs at least one stage: FROM image, then its instructions.",
    );
  }
  return {
    file: options.file,
    source,
    escape: reader.escape,
    directives: reader.directives,
    globalArgs,
    stages: stages.map(({ from, instructions }, index) => makeStage(index, from, instructions)),
  };
}

/**
 * Parses the text of one instruction, such as an image's ONBUILD trigger. Throws DockerfileError when it does not hold
 * exactly one.
 */
export function parseInstruction(text: string, options: { file: string }): Instruction {
  const origin: Origin = { file: options.file, source: text };
  const reader = new InstructionReader(origin);
  const instruction = reader.next();
  if (instruction === undefined) throw problem(origin, "EMPTY_DOCKERFILE", "there is no instruction", undefined);
  const another = reader.next();
  if (another === undefined) return instruction;
  throw problem(
    origin,
    "TOO_MANY_ARGUMENTS",
    "there is more than one instruction",
    another.range,
    "End a line that goes on in the next one with a backslash.",
  );
}

function makeStage(index: number, from: Instruction, instructions: readonly Instruction[]): Stage {
  const name = from.args[2]?.text.toLowerCase();
  return { index, name, label: name ?? `stage-${String(index)}`, from, instructions };
}
