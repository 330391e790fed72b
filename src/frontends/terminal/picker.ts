import type { WriteStream } from "node:tty";
import type { RawTerminal } from "./raw-terminal.js";
import { sanitizeLine } from "./sanitize.js";
import type { Style } from "./style.js";
import { padEnd, textWidth, truncate } from "./width.js";

export interface PickerOptions {
  readonly terminal: RawTerminal;
  readonly output: WriteStream;
  readonly style: Style;
  readonly title: string;
  /** A row a choice, a text a column; none is trusted. What is typed is looked for in all of them. */
  readonly rows: readonly (readonly string[])[];
}

/** An arrow, or one character of what was typed. */
const keyPattern = /\x1b[[O][A-D]|[\s\S]/gu;

/** Lets the user choose a row with the arrows or by typing a part of it. Undefined where they leave without (Esc, Ctrl-C). */
export async function pick(options: PickerOptions): Promise<number | undefined> {
  const { terminal } = options;
  let typed = "";
  let at = 0;
  let drawn = 0;
  const texts = options.rows.map((row) => row.map((cell) => sanitizeLine(cell)));
  const matching = (): number[] =>
    texts.flatMap((row, index) => (row.join(" ").toLowerCase().includes(typed.toLowerCase()) ? [index] : []));
  const draw = (): void => {
    const lines = screen(options, texts, matching(), at, typed);
    options.output.write(`${erase(drawn)}${lines.join("\r\n")}`);
    drawn = lines.length;
  };
  return new Promise((resolve) => {
    let isDone = false;
    const finish = (choice: number | undefined): void => {
      isDone = true;
      options.output.write(erase(drawn));
      void raw[Symbol.asyncDispose]().then(() => resolve(choice));
    };
    const press = (key: string): void => {
      const found = matching();
      if (key === "\r" || key === "\n") {
        if (found.length > 0) finish(found[at]);
      } else if (key === "\x03" || key === "\x04" || key === "\x1b") finish(undefined);
      else if (/\x1b.A/.test(key) || key === "\x10") at = Math.max(0, at - 1);
      else if (/\x1b.B/.test(key) || key === "\x0e" || key === "\t") at = Math.min(found.length - 1, at + 1);
      else if (key === "\x7f" || key === "\b") [typed, at] = [typed.slice(0, -1), 0];
      else if (key >= " ") [typed, at] = [typed + key, 0];
      if (!isDone) draw();
    };
    const raw = terminal.enter(
      (bytes) => {
        const keys = bytes.toString("utf8").match(keyPattern) ?? [];
        keys.forEach((key, index) => {
          if (isDone) terminal.unread(Buffer.from(keys.slice(index, index + 1).join("")));
          else press(key);
        });
      },
      () => finish(undefined),
    );
    draw();
  });
}

function erase(lines: number): string {
  return lines === 0 ? "" : `\r${lines > 1 ? `\x1b[${String(lines - 1)}A` : ""}\x1b[J`;
}

function screen(
  options: PickerOptions,
  texts: readonly (readonly string[])[],
  found: readonly number[],
  at: number,
  typed: string,
): string[] {
  const { style, title, terminal } = options;
  const { columns, rows } = terminal.size;
  const widths = (texts[0] ?? []).map((_, column) => Math.max(...texts.map((row) => textWidth(row[column] ?? ""))));
  const room = Math.max(1, rows - 2);
  const first = Math.min(Math.max(0, at - Math.floor(room / 2)), Math.max(0, found.length - room));
  const lines = found.slice(first, first + room).map((index, offset) => {
    const text = (texts[index] ?? []).map((cell, column) => padEnd(cell, widths[column] ?? 0)).join("  ");
    const isChosen = first + offset === at;
    const line = truncate(
      `${isChosen ? style.symbols.here : " "} ${text.trimEnd()}`,
      columns - 1,
      style.symbols.ellipsis,
    );
    return isChosen ? style.bold(line) : line;
  });
  if (lines.length === 0) lines.push("  (none of that name)");
  return [heading(title, typed, columns - 1, style.symbols.ellipsis), ...lines];
}

/** What is typed stays in sight, its end at least: the title makes way. */
function heading(title: string, typed: string, width: number, ellipsis: string): string {
  let shown = typed;
  while (shown !== "" && textWidth(shown) > width - 2) shown = [...shown].slice(1).join("");
  return `${truncate(title, Math.max(1, width - 1 - textWidth(shown)), ellipsis)} ${shown}`;
}
