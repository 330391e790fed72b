import { sanitizeLine } from "./sanitize.js";
import { padEnd, textWidth, truncate } from "./width.js";

export interface TableOptions {
  /** Columns that stand at the right of their place: numbers. */
  readonly right?: readonly number[] | undefined;
  /** Undefined: lines are as long as they are. */
  readonly width?: number | undefined;
}

/**
 * Rows beneath each other, untrusted cells made harmless. `titles` may be empty: no line for them then. A last column on the
 * left side is not filled up.
 */
export function tableLines(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  options: TableOptions = {},
): string[] {
  const { right = [], width } = options;
  const cells = (titles.length > 0 ? [titles, ...rows] : rows).map((row) => row.map((cell) => sanitizeLine(cell)));
  const count = Math.max(0, ...cells.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, column) =>
    Math.max(...cells.map((row) => textWidth(row[column] ?? ""))),
  );
  return cells.map((row) => {
    const line = widths
      .map((columns, column) => {
        const cell = row[column] ?? "";
        return right.includes(column) ? " ".repeat(columns - textWidth(cell)) + cell : padEnd(cell, columns);
      })
      .join("  ")
      .trimEnd();
    return width === undefined ? line : truncate(line, width);
  });
}
