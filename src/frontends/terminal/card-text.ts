import type { FailureCard } from "../../debugger/card.js";
import { sourceLines } from "./error-text.js";
import { sanitizeLine } from "./sanitize.js";
import type { Style } from "./style.js";
import { wrap } from "../../debugger/format.js";
import { textWidth, truncate, widthOf } from "./width.js";

/** A failure's card as lines of text: on a terminal sentences go on in the next line at a blank. */
export function cardLines(
  card: FailureCard,
  source: string,
  style: Style,
  stream: { readonly columns?: number },
): string[] {
  const width = widthOf(stream);
  const sentence = (text: string, first: string, rest: string, look = (line: string): string => line): string[] => {
    const lines = stream.columns ? wrap(sanitizeLine(text), width - textWidth(first), textWidth) : [sanitizeLine(text)];
    return lines.map((line, index) => (index === 0 ? first : rest) + look(line));
  };
  const title = style.bold(style.red(card.title));
  const gap = Math.min(width, 78) - textWidth(card.title) - textWidth(card.location);
  const lines =
    gap < 2 && stream.columns
      ? ["", title, card.location]
      : ["", `${title}${" ".repeat(Math.max(2, gap))}${card.location}`];
  lines.push(...sourceLines(source, card.step.instruction.range, style, { context: 1, width }));
  for (const line of card.log) lines.push(`  ${style.dim(truncate(sanitizeLine(line), width - 2))}`);
  if (card.logTotal > card.log.length)
    lines.push(
      style.dim(
        `  (${String(card.logTotal)} lines${card.clipped === undefined ? " in all" : ""}: logs ${String(card.step.number)})`,
      ),
    );
  if (card.clipped !== undefined) lines.push(...sentence(card.clipped, "  ", "  ", style.yellow));
  if (card.exitCode !== undefined) {
    const meaning = card.meaning === undefined ? "" : `: ${card.meaning}`;
    lines.push(`  ${style.red(`exit code ${String(card.exitCode)}`)}${meaning}`);
  }
  if (card.message !== undefined) lines.push(...sentence(card.message, "  ", "  ", style.red));
  for (const line of card.cause) lines.push(...sentence(line, "  ", "  "));
  for (const line of card.advice) lines.push(...sentence(line, `  ${style.yellow(style.symbols.warning)} `, "    "));
  if (card.attempt !== undefined) lines.push(...sentence(card.attempt, "  ", "  ", style.dim));
  lines.push("");
  return lines;
}
