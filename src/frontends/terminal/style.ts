import picocolors from "picocolors";

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

/** `0.1s`, `59.9s`, `1m 04s`, `2h 03m`. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${String(Math.floor(whole / 60))}m ${String(whole % 60).padStart(2, "0")}s`;
  return `${String(Math.floor(whole / 3600))}h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")}m`;
}

/** Bytes as docker prints them: powers of 1000, three significant digits. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit] ?? "B"}`;
}

/** `1 file`, `1,204 files`. */
export function formatCount(count: number, noun: string): string {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}
