import { DockerfileError } from "../errors.js";
import type { Range } from "./syntax.js";

/** Every code a DockerfileError of this folder can have, with what it means: for docs/errors.md. */
export const dockerfileErrorCodes = {
  EMPTY_DOCKERFILE: "The Dockerfile holds no instruction.",
  NO_FROM: "The Dockerfile has no FROM, so there is no stage to build.",
  INSTRUCTION_BEFORE_FROM: "Only ARG may stand before the first FROM.",
  LINE_TOO_LONG: "A line is longer than the 65535 bytes that BuildKit reads.",
  BAD_DIRECTIVE: "`# escape=` must name a backslash or a backtick.",
  DUPLICATE_DIRECTIVE: "A parser directive may stand only once.",
  UNKNOWN_INSTRUCTION: "A line begins with a word that is no instruction.",
  MISSING_ARGUMENTS: "An instruction has fewer arguments than it needs.",
  TOO_MANY_ARGUMENTS: "An instruction has more arguments than it takes.",
  UNKNOWN_FLAG: "The instruction has no such flag.",
  DUPLICATE_FLAG: "A flag that may be given once is given twice.",
  BAD_FLAG: "A flag's value is missing or not one that it takes.",
  BAD_MOUNT: "The value of --mount cannot be read.",
  BAD_KEY_VALUE: "ENV, LABEL or ARG is not written as name=value.",
  BAD_JSON_FORM: "An array in JSON form holds something that is no string, or JSON form is required.",
  BAD_STAGE_NAME: "A stage's name must begin with a letter and hold only letters, digits, -, _ and dots.",
  BAD_TRIGGER: "ONBUILD cannot hold this instruction.",
  BAD_HEALTHCHECK: "HEALTHCHECK takes NONE, or CMD and a command.",
  BAD_HEREDOC: "A heredoc stands where none can stand, or its word cannot be read.",
  UNTERMINATED_HEREDOC: "The file ends before the heredoc's last line.",
  UNTERMINATED_QUOTE: "A quote is opened and not closed.",
  BAD_SUBSTITUTION: "A ${...} cannot be read.",
  REQUIRED_VARIABLE: "A variable that is required with ${name:?} has no value.",
  BLANK_BASE: "The image name of a FROM expands to nothing, or to a name that lacks a part.",
  BAD_PLATFORM: "The platform of a FROM is none.",
  UNKNOWN_TARGET: "The Dockerfile has no stage of that name.",
  UNKNOWN_STAGE: "A stage is named by a number that no stage has, or by a name that is like a stage's and no image's.",
  LATER_STAGE: "A stage uses one that is defined only further down.",
  CIRCULAR_STAGES: "Stages need each other in a circle.",
  VARIABLE_IN_FROM: "--from and a mount's from take no variables.",
  BAD_VALUE: "The value of an instruction is not one that it takes.",
} as const;

export type DockerfileErrorCode = keyof typeof dockerfileErrorCodes;

/** The text that problems are reported on. */
export interface Origin {
  readonly file: string;
  readonly source: string;
}

/** Makes the DockerfileError of a problem. */
export function problem(
  origin: Origin,
  code: DockerfileErrorCode,
  message: string,
  range: Range | undefined,
  hint?: string,
): DockerfileError {
  return new DockerfileError(message, { code, file: origin.file, source: origin.source, range, hint });
}
