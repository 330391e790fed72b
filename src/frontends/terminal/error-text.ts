import { caret, excerpt } from "../../dockerfile/excerpt.js";
import { wrap } from "../../debugger/format.js";
import { DfdebugError, DockerfileError, errorMessage } from "../../errors.js";
import { sanitizeLine, sanitizeLines } from "./sanitize.js";
import { textWidth, widthOf } from "./width.js";
import { detectStyle, type Environment, type Style } from "./style.js";

/** An error for people: what failed and on what, where in the Dockerfile, and what to do next. Ends with a line feed. */
export function renderError(
  error: unknown,
  target: { stream: { readonly isTTY?: boolean; readonly columns?: number }; env: Environment },
): string {
  const style = detectStyle(target.stream, target.env);
  if (!(error instanceof DfdebugError)) return unexpected(error, style, target.env);
  const lines: string[] = [];
  const width = widthOf(target.stream);
  if (error instanceof DockerfileError) lines.push(...dockerfileLines(error, style, width, target.stream));
  else {
    const [first = "", ...rest] = sentence(`Error: ${sanitizeLine(error.message)}`, width - 2, target.stream);
    lines.push(
      first.replace(/^Error:/, (word) => style.red(word)),
      ...rest.map((line) => `  ${line}`),
    );
  }
  for (const hint of error.hint === undefined ? [] : sanitizeLines(error.hint))
    lines.push(...sentence(hint, width - 2, target.stream).map((line) => `  ${line}`));
  return `${lines.join("\n")}\n`;
}

/** On a terminal a text that is wider goes on in the next line at a blank; elsewhere it stays one line. */
function sentence(text: string, width: number, stream: { readonly columns?: number }): string[] {
  return stream.columns && textWidth(text) > width ? wrap(text, width, textWidth) : [text];
}

function dockerfileLines(
  error: DockerfileError,
  style: Style,
  width: number,
  stream: { readonly columns?: number },
): string[] {
  const { range, source, file } = error;
  const place = range ? `${file}:${String(range.start.line)}:${String(range.start.column + 1)}` : file;
  const head = `${sanitizeLine(place)}: error: `;
  // The head is no sentence: what stands behind it is broken.
  const room = Math.max(20, width - textWidth(head));
  const [first = "", ...rest] = sentence(sanitizeLine(error.message), room, stream);
  const lines = [
    `${style.bold(sanitizeLine(place))}: ${style.red("error:")} ${first}`,
    ...(rest.length === 0 ? [] : sentence(rest.join(" "), width - 2, stream).map((line) => `  ${line}`)),
  ];
  if (range && source !== undefined && range.start.line > 0)
    lines.push(...sourceLines(source, range, style, { context: 1, width, points: true }));
  return lines;
}

interface SourceLineOptions {
  /** Lines before and behind the range. */
  readonly context: number;
  /** Columns of the terminal. */
  readonly width: number;
  /** Below a range of one line, carets; of a long line the part that they are in is shown. */
  readonly points?: boolean;
}

/** Lines of a Dockerfile around a range, the range marked. */
export function sourceLines(
  source: string,
  range: { start: { line: number; column: number }; end: { line: number; column: number } },
  style: Style,
  options: SourceLineOptions,
): string[] {
  const width = Math.max(8, options.width - String(range.end.line + options.context).length - 6);
  const shown = excerpt(source, range, { context: options.context, width });
  const wholeLine = range.start.column === 0 && range.end.column === 0;
  const isPointed = options.points === true && !wholeLine && range.start.line === range.end.line;
  const pointed = isPointed ? caret(source, range, { width }) : undefined;
  const digits = String(shown.at(-1)?.line ?? 1).length;
  const bar = style.dim(style.symbols.bar);
  return shown.flatMap(({ line, text, marked }) => {
    const gutter = ` ${marked ? style.red(style.symbols.here) : " "} ${String(line).padStart(digits)} ${bar}`;
    if (!marked || !pointed) return [`${gutter} ${marked ? style.bold(text) : text}`.trimEnd()];
    const carets = `${" ".repeat(digits + 4)}${bar} ${style.red(pointed.carets)}`;
    return [`${gutter} ${style.bold(pointed.text)}`.trimEnd(), carets];
  });
}

/** A fault of dfdebug itself: no stack trace for people, but a way to get one. */
function unexpected(error: unknown, style: Style, env: Environment): string {
  const stack = env["DFDEBUG_LOG"] && error instanceof Error ? `${error.stack ?? ""}\n` : "";
  return `${style.red("Error:")} dfdebug itself failed: ${sanitizeLine(errorMessage(error))}\n  This should not happen: please report it, with the output of DFDEBUG_LOG=stderr.\n${stack}`;
}
