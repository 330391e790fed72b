import type { Step } from "../../engine/engine.js";
import { sanitizeLine } from "./sanitize.js";
import { padEnd, truncate } from "./width.js";

/** `4/9`, the number padded to the total's width. */
export function stepNumber(step: Step): string {
  const total = String(step.total);
  return `${String(step.number).padStart(total.length)}/${total}`;
}

/** `[deps 4/4]`. */
export function stageLabel(step: Step): string {
  return `[${step.stage.label} ${String(step.stageStep)}/${String(step.stageTotal)}]`;
}

/** `4/9 [deps 4/4] RUN npm ci`, cut or padded to `width` columns. */
export function stepTitle(step: Step, width: number): string {
  const text = sanitizeLine(step.instruction.text).replaceAll(/\s+/g, " ");
  return padEnd(truncate(`${stepNumber(step)} ${stageLabel(step)} ${text}`, width), width);
}
