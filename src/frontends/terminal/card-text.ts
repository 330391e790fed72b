import type { FailureCard } from "../../debugger/card.js";
import { sourceLines } from "./error-text.js";
import { sanitizeLine } from "./sanitize.js";
import type { Style } from "./style.js";
import { textWidth, truncate } from "./width.js";

/** A failure's card as lines of text. */
export function cardLines(card: FailureCard, source: string, style: Style, width: number): string[] {
  const gap = Math.max(2, Math.min(width, 78) - textWidth(card.title) - textWidth(card.location));
  const lines = ["", `${style.bold(style.red(card.title))}${" ".repeat(gap)}${card.location}`];
  lines.push(...sourceLines(source, card.step.instruction.range, style, 1).map((line) => truncate(line, width)));
  for (const line of card.log) lines.push(`  ${style.dim(truncate(sanitizeLine(line), width - 2))}`);
  if (card.logTotal > card.log.length)
    lines.push(style.dim(`  (${String(card.logTotal)} lines in all: logs ${String(card.step.number)})`));
  if (card.exitCode !== undefined) {
    const meaning = card.meaning === undefined ? "" : `: ${card.meaning}`;
    lines.push(`  ${style.red(`exit code ${String(card.exitCode)}`)}${meaning}`);
  }
  if (card.message !== undefined) lines.push(`  ${style.red(sanitizeLine(card.message))}`);
  for (const line of card.copy) lines.push(`  ${sanitizeLine(line)}`);
  for (const line of card.advice) lines.push(`  ${style.yellow(style.symbols.warning)} ${sanitizeLine(line)}`);
  if (card.attempt !== undefined) lines.push(`  ${style.dim(sanitizeLine(card.attempt))}`);
  lines.push("");
  return lines;
}
