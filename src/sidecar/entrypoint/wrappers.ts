/** A program that starts another one, named behind its own options. */
export interface Wrapped {
  /** Where in the argv the command begins that it starts; the argv's length where none is given. */
  readonly at: number;
  /** Where its user stands (gosu, su-exec). */
  readonly userAt: number | undefined;
  /** What it sets, `NAME=value` each (env). */
  readonly env: readonly string[];
}

interface Shape {
  /** Options of one letter: without, and with a value. */
  readonly flags: string;
  readonly valued: string;
  /** Long options, likewise. */
  readonly long?: readonly string[];
  readonly longValued?: readonly string[];
  /** Words that it takes before the command. */
  readonly operands?: number;
  /** The one operand is the user whom the command runs as. */
  readonly isForUser?: boolean;
}

const tini: Shape = { flags: "svwgl", valued: "pe" };
const asUser: Shape = { flags: "", valued: "", operands: 1, isForUser: true };

/** The options of each, by its own manual; all of them stop at the first word that is no option. */
const shapes: Readonly<Record<string, Shape>> = {
  tini,
  "tini-static": tini,
  "docker-init": tini,
  "dumb-init": {
    flags: "cv",
    valued: "r",
    long: ["single-child", "verbose"],
    longValued: ["rewrite"],
  },
  catatonit: { flags: "gPL", valued: "" },
  gosu: asUser,
  "su-exec": asUser,
  "s6-setuidgid": asUser,
  setuidgid: asUser,
  env: { flags: "v", valued: "u", long: ["debug"], longValued: ["unset"] },
  nohup: { flags: "", valued: "" },
  setsid: { flags: "cfw", valued: "", long: ["ctty", "fork", "wait"] },
  nice: { flags: "", valued: "n", longValued: ["adjustment"] },
  ionice: { flags: "t", valued: "cn", long: ["ignore"], longValued: ["class", "classdata"] },
  stdbuf: { flags: "", valued: "ioe", longValued: ["input", "output", "error"] },
  timeout: {
    flags: "v",
    valued: "ks",
    long: ["foreground", "preserve-status", "verbose"],
    longValued: ["kill-after", "signal"],
    operands: 1,
  },
};

/** Undefined for what is no such program, or is given an option that is not known here. */
export function unwrap(argv: readonly string[]): Wrapped | undefined {
  const name = argv[0]?.split("/").at(-1) ?? "";
  const shape = Object.hasOwn(shapes, name) ? shapes[name] : undefined;
  const options = shape && skipOptions(argv, shape);
  if (!shape || options === undefined) return undefined;
  let at = options;
  const env: string[] = [];
  if (name === "env") for (; /^[^=]+=/.test(argv[at] ?? ""); at++) env.push(argv[at] ?? "");
  const userAt = shape.isForUser === true && at < argv.length ? at : undefined;
  at = Math.min(at + (shape.operands ?? 0), argv.length);
  return { at, userAt, env };
}

function skipOptions(argv: readonly string[], shape: Shape): number | undefined {
  let at = 1;
  for (; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (word === "--") return at + 1;
    if (!word.startsWith("-") || word === "-") break;
    if (word.startsWith("--")) {
      const [name = "", value] = word.slice(2).split("=", 2);
      if (value === undefined && shape.long?.includes(name)) continue;
      if (!shape.longValued?.includes(name)) return undefined;
      if (value === undefined) at++;
      continue;
    }
    for (let letter = 1; letter < word.length; letter++) {
      if (shape.flags.includes(word[letter] ?? "")) continue;
      if (!shape.valued.includes(word[letter] ?? "")) return undefined;
      // The rest of the word is its value, or the next one.
      if (letter === word.length - 1) at++;
      break;
    }
  }
  return Math.min(at, argv.length);
}
