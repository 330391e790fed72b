/** A point in the Dockerfile's text. Lines count from 1 (as BuildKit's do), columns (UTF-16 units) and offsets from 0. */
export interface Position {
  readonly line: number;
  readonly column: number;
  readonly offset: number;
}

/** A half-open area of the Dockerfile's text. */
export interface Range {
  readonly start: Position;
  readonly end: Position;
}

export type Keyword =
  | "ADD"
  | "ARG"
  | "CMD"
  | "COPY"
  | "ENTRYPOINT"
  | "ENV"
  | "EXPOSE"
  | "FROM"
  | "HEALTHCHECK"
  | "LABEL"
  | "MAINTAINER"
  | "ONBUILD"
  | "RUN"
  | "SHELL"
  | "STOPSIGNAL"
  | "USER"
  | "VOLUME"
  | "WORKDIR";

/** `# syntax=...`, `# escape=...`, `# check=...` at the top of the file. Names are lower-case. */
export interface Directive {
  readonly name: "syntax" | "escape" | "check";
  readonly value: string;
  readonly range: Range;
}

/** A flag of an instruction: `--mount=type=cache,target=/x`, `--link`. The name is without dashes. */
export interface Flag {
  readonly name: string;
  readonly value: string | undefined;
  readonly range: Range;
}

/** One argument as written: variables not expanded, quotes kept. */
export interface Word {
  readonly text: string;
  readonly range: Range;
}

/** A heredoc of RUN, COPY or ADD. */
export interface Heredoc {
  /** The word that ends it, without quotes. */
  readonly name: string;
  /** Variables inside are expanded (the word was not quoted). */
  readonly expand: boolean;
  /** `<<-`: leading tabs are removed. */
  readonly chomp: boolean;
  /** The file descriptor before `<<`, 0 where none is written. */
  readonly fd: number;
  /** The body with its last newline, leading tabs already removed where `chomp` is set. */
  readonly content: string;
  /** The body's lines, without the terminator. */
  readonly range: Range;
}

/** One instruction with everything that can be known without running it. */
export interface Instruction {
  readonly keyword: Keyword;
  readonly keywordRange: Range;
  /** From the keyword to the end of the last line, heredoc terminators included. Its lines are the lines that BuildKit reports. */
  readonly range: Range;
  readonly flags: readonly Flag[];
  /** What follows keyword and flags, split as this keyword splits it (RUN in shell form is one word). */
  readonly args: readonly Word[];
  /** The values where the instruction is written in JSON (exec) form. */
  readonly json: readonly string[] | undefined;
  readonly heredocs: readonly Heredoc[];
  /** The logical line as BuildKit joins it: keyword included, continuations, comments and empty lines removed, heredoc bodies left out. */
  readonly text: string;
  /** The original text of `range`. */
  readonly source: string;
  /** The instruction inside an ONBUILD. */
  readonly trigger: Instruction | undefined;
}

/** FROM to the next FROM. */
export interface Stage {
  readonly index: number;
  /** Name after AS, lower-case; undefined where none is given. */
  readonly name: string | undefined;
  /** What people read: the name, or `stage-<index>` as docker build prints it. */
  readonly label: string;
  readonly from: Instruction;
  /** FROM included. */
  readonly instructions: readonly Instruction[];
}

/** A parsed Dockerfile. Immutable; an edit makes another one. */
export interface Dockerfile {
  /** The name as the user wrote it, for messages. */
  readonly file: string;
  readonly source: string;
  readonly escape: "\\" | "`";
  readonly directives: readonly Directive[];
  /** ARG instructions before the first FROM. */
  readonly globalArgs: readonly Instruction[];
  readonly stages: readonly Stage[];
}

/** An instruction of a stage that a target needs, numbered in file order. */
export interface PlannedStep {
  /** From 1. */
  readonly number: number;
  readonly total: number;
  readonly stage: Stage;
  /** From 1, within its stage, counting every instruction, FROM included. */
  readonly stageStep: number;
  readonly stageTotal: number;
  readonly instruction: Instruction;
  /** Numbers of the steps whose state this one reads: the previous one of its stage, and the last ones of the stages it names. */
  readonly dependsOn: readonly number[];
}

/** What a stage begins with, its FROM's variables expanded. */
export type StageBase =
  | { readonly kind: "stage"; readonly stage: Stage }
  | { readonly kind: "image"; readonly name: string }
  | { readonly kind: "scratch" }
  /** `--build-context` of the stage's own name: the stage's instructions do not run. */
  | { readonly kind: "context"; readonly name: string };

/** A stage that the target needs. */
export interface PlannedStage {
  readonly stage: Stage;
  readonly base: StageBase;
  /** FROM --platform, expanded; undefined: the target platform, or the base stage's. */
  readonly platform: string | undefined;
}

export interface Plan {
  readonly dockerfile: Dockerfile;
  readonly target: Stage;
  readonly steps: readonly PlannedStep[];
  /** The stages that the steps belong to, in file order. */
  readonly stages: readonly PlannedStage[];
  /** Platform arguments and the ARGs before the first FROM that have a value. */
  readonly globals: ReadonlyMap<string, string>;
}
