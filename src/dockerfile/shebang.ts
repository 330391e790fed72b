/** A script's first line. */
export interface Shebang {
  readonly interpreter: string;
  /** What follows it: the kernel gives it to the interpreter as one word. "" where there is none. */
  readonly argument: string;
  /** The line ends with a carriage return, which the kernel takes for a part of the last word. */
  readonly isCrlf: boolean;
}

/** The kernel reads no more of a file than this for it (BINPRM_BUF_SIZE). */
const lineLimit = 256;

/** Undefined where the file begins with no `#!`, or with one that names nothing. The rules are the kernel's (fs/binfmt_script.c). */
export function readShebang(head: Buffer): Shebang | undefined {
  if (head.toString("latin1", 0, 2) !== "#!") return undefined;
  const line = head.toString("utf8", 2, Math.min(head.length, lineLimit)).split("\n", 1)[0] ?? "";
  const isCrlf = line.endsWith("\r");
  const [, interpreter = "", argument = ""] =
    /^[ \t]*([^ \t]*)[ \t]*(.*?)[ \t]*$/s.exec(line.replace(/\r+$/, "")) ?? [];
  return interpreter === "" ? undefined : { interpreter, argument, isCrlf };
}

/** A byte order mark before `#!`: the kernel sees no script. */
export function hasMarkedShebang(head: Buffer): boolean {
  return head.toString("latin1", 0, 5) === "\xef\xbb\xbf#!";
}

/** What `#!/usr/bin/env NAME` or `env -S NAME ...` looks for in PATH; undefined for other interpreters and env's options. */
export function envProgram({ interpreter, argument }: Shebang): string | undefined {
  if (!/(^|\/)env$/.test(interpreter)) return undefined;
  const words = argument.replace(/^-S[ \t]*/, "").split(/[ \t]+/);
  // Without -S the whole rest is one word, and never found where it has blanks.
  const name = argument.startsWith("-S") ? words.find((word) => !word.includes("=")) : argument;
  return name === undefined || name === "" || name.startsWith("-") ? undefined : name;
}
