import picocolors from "picocolors";

export { formatBytes, formatCount, formatDuration } from "../../debugger/format.js";

type Paint = (text: string) => string;

/** How text looks on one stream: colours where they are wanted, and the symbols its locale can show. */
export interface Style {
  readonly colour: boolean;
  readonly unicode: boolean;
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly cyan: Paint;
  readonly symbols: Symbols;
}

export interface Symbols {
  readonly done: string;
  readonly failed: string;
  readonly interrupted: string;
  readonly warning: string;
  readonly here: string;
  readonly bar: string;
  readonly ellipsis: string;
  readonly spinner: readonly string[];
}

const unicodeSymbols: Symbols = {
  done: "✔",
  failed: "✘",
  interrupted: "■",
  warning: "!",
  here: "▸",
  bar: "│",
  ellipsis: "…",
  spinner: ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
};

const asciiSymbols: Symbols = {
  done: "+",
  failed: "x",
  interrupted: "#",
  warning: "!",
  here: ">",
  bar: "|",
  ellipsis: "~",
  spinner: ["|", "/", "-", "\\"],
};

export type Environment = Readonly<Record<string, string | undefined>>;

/** A style with everything chosen by the caller. */
export function makeStyle(options: { colour: boolean; unicode: boolean }): Style {
  const paint = picocolors.createColors(options.colour);
  return {
    ...options,
    bold: paint.bold,
    dim: paint.dim,
    red: paint.red,
    green: paint.green,
    yellow: paint.yellow,
    cyan: paint.cyan,
    symbols: options.unicode ? unicodeSymbols : asciiSymbols,
  };
}

/** The style of a stream by what the user's environment says of it. */
export function detectStyle(stream: { readonly isTTY?: boolean }, env: Environment): Style {
  return makeStyle({ colour: wantsColour(stream.isTTY === true, env), unicode: showsUnicode(env) });
}

/**
 * NO_COLOR (no-color.org: any value but an empty one) comes first, then FORCE_COLOR and CLICOLOR_FORCE
 * (bixense.com/clicolors), then what the stream is.
 */
function wantsColour(isTerminal: boolean, env: Environment): boolean {
  if (env["NO_COLOR"]) return false;
  const force = env["FORCE_COLOR"] ?? env["CLICOLOR_FORCE"];
  if (force !== undefined) return force !== "0" && force !== "false";
  return isTerminal && env["TERM"] !== "dumb" && env["CLICOLOR"] !== "0";
}

/** An unset locale is no statement: containers and CI have none, and their terminals show UTF-8. */
function showsUnicode(env: Environment): boolean {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"];
  return !locale || /utf-?8/i.test(locale);
}

/** Whether a display that redraws itself can work there. */
export function canRedraw(stream: { readonly isTTY?: boolean }, env: Environment): boolean {
  return stream.isTTY === true && env["TERM"] !== "dumb";
}
