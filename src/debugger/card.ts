import type { Instruction } from "../dockerfile/syntax.js";
import type { CopyDiagnosis, Step, StepFailure } from "../engine/engine.js";
import { adviceFor } from "./advice.js";
import { clippedText } from "./clipped-log.js";
import { exitCodeMeaning } from "./exit-codes.js";
import type { LogBuffer } from "./log-buffer.js";
import type { UnsetHint } from "./unset-variables.js";

/** A failed step, ready to be shown: what, where, why as far as it is known, and what to do. Untrusted text in `log` and `message`. */
export interface FailureCard {
  readonly step: Step;
  /** `Step 4/9 failed`. */
  readonly title: string;
  /** `Dockerfile:7, stage deps`. */
  readonly location: string;
  readonly exitCode: number | undefined;
  /** What the code usually means. */
  readonly meaning: string | undefined;
  /** In one line; undefined where the exit code says it all. */
  readonly message: string | undefined;
  /** What was not found, or which trigger failed. */
  readonly cause: readonly string[];
  /** The last lines of output. */
  readonly log: readonly string[];
  /** Lines of output in all. */
  readonly logTotal: number;
  /** That the engine left out a part of the output. */
  readonly clipped: string | undefined;
  readonly advice: readonly string[];
  /** That it was an attempt, and what the step is without it. */
  readonly attempt: string | undefined;
}

/** How many lines of output a card shows. */
const logLines = 10;

/**
 * Makes the card of a failure. `instead`: the instruction that the failed one took the place of, where a retry tried it;
 * `unset`: what is to be said of variables that are not set.
 */
export function failureCard(
  failure: StepFailure,
  file: string,
  options: {
    readonly logs: LogBuffer;
    readonly instead: Instruction | undefined;
    readonly unset?: UnsetHint | undefined;
  },
): FailureCard {
  const { logs, instead, unset } = options;
  const { step, exitCode, copy, finding } = failure;
  const clipped = logs.clipped(step);
  const recent = logs.lines(step, 400).map(({ text }) => text);
  return {
    step,
    title: `Step ${String(step.number)}/${String(step.total)} failed`,
    location: `${file}:${String(step.instruction.range.start.line)}, stage ${step.stage.label}${instead ? ", retry" : ""}`,
    exitCode,
    meaning: exitCode === undefined ? undefined : failure.outOfMemory ? "out of memory" : exitCodeMeaning(exitCode),
    message: exitCode === undefined && !copy ? failure.message : undefined,
    cause: [
      ...(copy ? copyLines(copy) : (finding?.cause ?? [])),
      ...(failure.trigger ? triggerLines(step, failure.trigger, file) : []),
    ],
    log: telling(recent),
    logTotal: logs.total(step),
    clipped: clipped === undefined ? undefined : clippedText(clipped, true),
    advice: copy
      ? []
      : finding
        ? finding.advice
        : withUnset(adviceFor(step, exitCode === undefined ? [...recent, failure.message] : recent, exitCode), unset),
    attempt: instead && attemptText(instead),
  };
}

/** What is certain of a variable comes first, for it explains what the step printed. */
function withUnset(advice: readonly string[], unset: UnsetHint | undefined): readonly string[] {
  if (!unset) return advice;
  return unset.isCertain ? [unset.text, ...advice] : [...advice, unset.text];
}

/** What becomes of an instruction that a retry tried in vain. */
export function attemptText(instead: Instruction): string {
  const text = instead.text.replaceAll(/\s+/g, " ");
  const shown = text.length > 60 ? `${text.slice(0, 59)}…` : text;
  return `An attempt: retry changes it further, next and continue run the step as it was: ${shown}`;
}

/** The lines that are most likely to say why: the last ones, without what tools say after every failure. */
function telling(lines: readonly string[]): string[] {
  const kept = lines.filter((line) => line.trim() !== "" && !noise.test(line));
  const first = kept.findIndex((line) => blame.test(line));
  // Where the cause stands further up than the last lines, it is shown with what follows it.
  if (first >= 0 && kept.length - first > logLines) return kept.slice(first, first + logLines);
  return kept.slice(-logLines);
}

const noise = /^npm (?:notice|error A complete log|error *$)|^\s*$/;
const blame = /\b(?:error|E:|fatal|FAILED|failed|cannot|not found|denied)\b/i;

/** Where a trigger comes from that failed, in sentences. */
function triggerLines(step: Step, trigger: Instruction, file: string): string[] {
  const base = step.instruction.args[0]?.text ?? "the base image";
  const failed = `An ONBUILD trigger of ${base} failed: ${trigger.text}`;
  // The parent is a stage of this file.
  if (step.dependsOn.length > 0) return [failed, `It stands in ${file}:${String(trigger.range.start.line)}.`];
  return [failed, "It stands in that image's Dockerfile, not in this one: change it there, or FROM another image."];
}

/** Why a COPY, an ADD or a mount found nothing, in sentences. */
function copyLines(copy: CopyDiagnosis): string[] {
  const { insideContext } = copy;
  const lines = [`${copy.pattern} was not found in the ${copy.where}.`];
  if (insideContext !== undefined)
    lines.push(
      `No .. leads out of the context: ${insideContext} was looked for in it.`,
      "Build the folder above, with -f for the Dockerfile, or copy it into the context.",
    );
  if (copy.excludedBy) {
    const { file, line, pattern } = copy.excludedBy;
    lines.push(`It exists, but ${file}:${String(line)} leaves it out: ${pattern}`);
    lines.push(`Remove that line, or add !${(insideContext ?? copy.pattern).replace(/^(\.?\/)+/, "")} below it.`);
  }
  if (copy.isThereNow) lines.push("It is there now, and nothing leaves it out: reload reads the context again.");
  if (copy.near.length > 0) lines.push(`Did you mean ${copy.near.join(" or ")}?`);
  return lines;
}
