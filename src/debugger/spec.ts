import { normalize } from "node:path/posix";
import { nearest } from "../dockerfile/suggest.js";
import type { Dockerfile } from "../dockerfile/syntax.js";
import type { Step } from "../engine/engine.js";
import { UsageError } from "../errors.js";

/** A place in a build as people write it (DESIGN.md section 6), read but not yet looked up. */
export type Spec =
  | { readonly kind: "number"; readonly number: number }
  | { readonly kind: "line"; readonly file: string | undefined; readonly line: number }
  | { readonly kind: "stage-step"; readonly stage: string; readonly stageStep: number }
  /** A stage, an instruction's keyword, or `end`: which one is known from the Dockerfile. */
  | { readonly kind: "word"; readonly word: string }
  | { readonly kind: "text"; readonly pattern: RegExp };

export interface ParsedSpec {
  /** The place alone, as written. */
  readonly text: string;
  readonly spec: Spec;
  /** What stands behind `if`. */
  readonly condition: string | undefined;
}

/** What a SPEC is looked up in. */
export interface SpecPlan {
  readonly dockerfile: Dockerfile;
  readonly steps: readonly Step[];
}

/** Reads `SPEC [if COND]`. Throws UsageError. */
export function parseSpec(written: string): ParsedSpec {
  const text = written.trim();
  // An absolute path with a line behind it, as editors copy it, is no pattern: a pattern ends with a slash.
  if (text.startsWith("/") && !/^\/\S*:\d+(?:\s+if\s.*)?$/s.test(text)) return parsePattern(text);
  const [, place = "", condition] = /^(.*?)(?:(?:^|\s+)if(?:\s+(.*))?)?$/s.exec(text) ?? [];
  if (place === "") throw badSpec(written, "names no place");
  if (condition === undefined && /\sif\s*$/.test(text)) throw badSpec(written, "has no condition behind if");
  return { text: place, spec: parsePlace(place, written), condition };
}

function parsePlace(place: string, written: string): Spec {
  if (/^\d+$/.test(place)) return { kind: "number", number: Number(place) };
  const line = /^(.*):(\d+)$/.exec(place);
  if (line) return { kind: "line", file: line[1] === "" ? undefined : line[1], line: Number(line[2]) };
  const inStage = /^([^\s/]+)\/(\d+)$/.exec(place);
  if (inStage) return { kind: "stage-step", stage: inStage[1] ?? "", stageStep: Number(inStage[2]) };
  if (/^[\w.-]+$/.test(place)) return { kind: "word", word: place };
  throw badSpec(written, "cannot be read");
}

/** `/regular expression/flags`; a slash inside is written `\/`. */
function parsePattern(text: string): ParsedSpec {
  const match = /^\/((?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\[])+)\/([a-z]*)(?:\s+if\s+(.*))?$/s.exec(text);
  const inner = /^\/(.+)\/[a-z]*$/s.exec(text)?.[1];
  if (!match && inner !== undefined) throw badPattern(text, patternError(inner));
  if (!match) throw badSpec(text, "is no pattern: it ends with a slash, and may have if CONDITION behind it");
  const [, source = "", flags = "", condition] = match;
  try {
    const pattern = new RegExp(source, flags);
    return { text: `/${source}/${flags}`, spec: { kind: "text", pattern }, condition };
  } catch (error) {
    throw badPattern(text, error);
  }
}

/** What is wrong with a regular expression; undefined where nothing is. */
function patternError(source: string): unknown {
  try {
    new RegExp(source);
    return undefined;
  } catch (error) {
    return error;
  }
}

function badPattern(text: string, error: unknown): UsageError {
  return new UsageError(`${text}: not a regular expression`, {
    code: "BAD_SPEC",
    hint: error instanceof Error ? `${error.message}.` : "A slash inside is written \\/.",
    cause: error,
  });
}

/**
 * The positions that a SPEC names: step numbers, and one more than the last for `end`. Never empty: throws UsageError
 * NO_MATCH, which says what would match.
 */
export function matchSpec({ text, spec }: Pick<ParsedSpec, "text" | "spec">, plan: SpecPlan): readonly number[] {
  const { steps } = plan;
  const matching = (test: (step: Step) => boolean): number[] => steps.filter(test).map(({ number }) => number);
  switch (spec.kind) {
    case "number":
      if (spec.number >= 1 && spec.number <= steps.length) return [spec.number];
      throw noMatch(text, `there is no step ${String(spec.number)}`, `Steps are 1 to ${String(steps.length)}.`);
    case "line":
      return matchLine(text, spec, plan);
    case "stage-step":
      return matchStageStep(text, spec, plan);
    case "word":
      return matchWord(text, spec.word, plan);
    case "text": {
      const found = matching(({ instruction }) => {
        spec.pattern.lastIndex = 0;
        return spec.pattern.test(instruction.text) || spec.pattern.test(instruction.source);
      });
      if (found.length > 0) return found;
      throw noMatch(text, "no instruction matches", listed("The instructions are", steps.map(shortText)));
    }
  }
}

/** What SPECs there are, for completion: stages, keywords, lines and numbers. */
export function specCandidates(plan: SpecPlan): readonly string[] {
  const { steps } = plan;
  return [
    ...stageNames(steps),
    ...keywordsOf(steps),
    ...steps.map((step) => `${step.stage.label}/${String(step.stageStep)}`),
    ...steps.map(({ number }) => String(number)),
    ...steps.map(({ instruction }) => `:${String(instruction.range.start.line)}`),
    "end",
  ];
}

function matchLine(text: string, spec: Extract<Spec, { kind: "line" }>, plan: SpecPlan): number[] {
  const { dockerfile, steps } = plan;
  if (spec.file !== undefined && !namesFile(spec.file, dockerfile.file))
    throw noMatch(text, `the Dockerfile is ${dockerfile.file}`, `Write :${String(spec.line)} for its lines.`);
  const covers = (range: { start: { line: number }; end: { line: number } }): boolean =>
    range.start.line <= spec.line && spec.line <= range.end.line;
  const found = steps.filter(({ instruction }) => covers(instruction.range)).map(({ number }) => number);
  if (found.length > 0) return found;
  const unneeded = dockerfile.stages.find(({ instructions }) => instructions.some(({ range }) => covers(range)));
  const lines = listed(
    "Lines of instructions are",
    steps.map(({ instruction }) => String(instruction.range.start.line)),
  );
  if (unneeded) throw noMatch(text, `this build does not need stage ${unneeded.label}`, lines);
  const next = steps.find(({ instruction }) => instruction.range.start.line > spec.line);
  throw noMatch(
    text,
    `line ${String(spec.line)} belongs to no step`,
    next
      ? `The next instruction is :${String(next.instruction.range.start.line)}, ${shortText(next)}. ${lines}`
      : lines,
  );
}

/** Whether a path names the Dockerfile: the last parts of the longer one are the shorter one. */
function namesFile(written: string, file: string): boolean {
  const [one, other] = [normalize(written), normalize(file)];
  return one === other || one.endsWith(`/${other}`) || other.endsWith(`/${one}`);
}

function matchStageStep(text: string, spec: Extract<Spec, { kind: "stage-step" }>, { steps }: SpecPlan): number[] {
  const stageSteps = stepsOfStage(spec.stage, steps);
  const [first] = stageSteps;
  if (!first) throw unknownStage(text, spec.stage, steps);
  const found = stageSteps.find(({ stageStep }) => stageStep === spec.stageStep);
  if (found) return [found.number];
  const { label } = first.stage;
  throw noMatch(
    text,
    `stage ${label} has no step ${String(spec.stageStep)}`,
    `Its steps are ${label}/1 to ${label}/${String(first.stageTotal)}.`,
  );
}

function matchWord(text: string, word: string, plan: SpecPlan): number[] {
  const { steps, dockerfile } = plan;
  if (word === "end") return [steps.length + 1];
  const ofKeyword = steps.filter(({ instruction }) => instruction.keyword === word.toUpperCase());
  const isUpper = word === word.toUpperCase();
  if (isUpper && ofKeyword.length > 0) return ofKeyword.map(({ number }) => number);
  const [first] = stepsOfStage(word, steps);
  if (first) return [first.number];
  if (ofKeyword.length > 0) return ofKeyword.map(({ number }) => number);
  const unneeded = dockerfile.stages.find(({ label }) => label === word.toLowerCase());
  if (unneeded)
    throw noMatch(text, `this build does not need stage ${unneeded.label}`, listed("It needs", stageNames(steps)));
  throw unknownStage(text, word, steps);
}

function unknownStage(text: string, word: string, steps: readonly Step[]): UsageError {
  const stages = stageNames(steps);
  const keywords = keywordsOf(steps);
  const near = nearest(word.toLowerCase(), [...stages, ...keywords.map((name) => name.toLowerCase()), "end"]);
  const like = keywords.find((name) => name.toLowerCase() === near) ?? near;
  return noMatch(
    text,
    `there is no stage and no instruction of that name${like === undefined ? "" : `: did you mean ${like}?`}`,
    `${listed("Stages are", stages)} ${listed("Instructions are", keywordsOf(steps))}`,
  );
}

function stepsOfStage(name: string, steps: readonly Step[]): readonly Step[] {
  return steps.filter(({ stage }) => stage.label === name.toLowerCase());
}

function stageNames(steps: readonly Step[]): string[] {
  return [...new Set(steps.map(({ stage }) => stage.label))];
}

function keywordsOf(steps: readonly Step[]): string[] {
  return [...new Set(steps.map(({ instruction }) => instruction.keyword))];
}

function shortText({ instruction }: Step): string {
  const text = instruction.text.replaceAll(/\s+/g, " ");
  return text.length > 50 ? `${text.slice(0, 49)}…` : text;
}

function listed(lead: string, names: readonly string[]): string {
  const most = 12;
  const more = names.length > most ? ` and ${String(names.length - most)} more` : "";
  return `${lead} ${names.slice(0, most).join(", ")}${more}.`;
}

function badSpec(written: string, why: string): UsageError {
  return new UsageError(`${written.trim() === "" ? "An empty SPEC" : written} ${why}`, {
    code: "BAD_SPEC",
    hint: "A place is 7 (a step), :12 (a line), build (a stage), build/3, RUN, /npm ci/ or end, and may have if CONDITION behind it.",
  });
}

function noMatch(text: string, why: string, hint: string): UsageError {
  return new UsageError(`${text} matches nothing: ${why}`, { code: "NO_MATCH", hint });
}
