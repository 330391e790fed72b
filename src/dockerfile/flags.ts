import { mountFields } from "./mount.js";
import { problem, type Origin } from "./problem.js";
import { nearest } from "./suggest.js";
import type { Flag, Keyword } from "./syntax.js";

type FlagKind = "text" | "list" | "boolean";

/** The flags that BuildKit's instructions package knows. */
const known: Readonly<Partial<Record<Keyword, Readonly<Record<string, FlagKind>>>>> = {
  ADD: {
    chown: "text",
    chmod: "text",
    link: "boolean",
    "keep-git-dir": "boolean",
    checksum: "text",
    unpack: "boolean",
    exclude: "list",
  },
  COPY: { chown: "text", from: "text", chmod: "text", link: "boolean", exclude: "list", parents: "boolean" },
  FROM: { platform: "text" },
  HEALTHCHECK: { interval: "text", timeout: "text", "start-period": "text", "start-interval": "text", retries: "text" },
  RUN: { mount: "list", network: "text", security: "text", device: "list" },
};

/** Instructions whose flags BuildKit never looks at. */
const unchecked: ReadonlySet<Keyword> = new Set<Keyword>(["ARG", "STOPSIGNAL"]);

const networks = ["default", "none", "host"];
const securities = ["sandbox", "insecure"];

/** Every flag of an instruction, for completion and messages. */
export function flagNames(keyword: Keyword): readonly string[] {
  return Object.keys(known[keyword] ?? {});
}

/** Reads a duration as Go's time.ParseDuration does; nanoseconds, or undefined where it is none. */
export function parseDuration(text: string): number | undefined {
  const units: Readonly<Record<string, number>> = {
    ns: 1,
    us: 1e3,
    µs: 1e3,
    μs: 1e3,
    ms: 1e6,
    s: 1e9,
    m: 6e10,
    h: 3.6e12,
  };
  const match = /^([+-]?)(.*)$/s.exec(text);
  const rest = match?.[2] ?? "";
  if (rest === "0") return 0;
  let total = 0;
  let at = 0;
  const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;
  while (at < rest.length) {
    part.lastIndex = at;
    const found = part.exec(rest);
    if (found === null) return undefined;
    total += Number(found[1]) * (units[found[2] ?? ""] ?? 0);
    at = part.lastIndex;
  }
  if (rest === "") return undefined;
  return Math.trunc(match?.[1] === "-" ? -total : total);
}

/**
 * Checks flags as BuildKit does. `lenient` lets unknown ones pass: a `# syntax=` line names a frontend that may know
 * more of them. Throws DockerfileError.
 */
export function checkFlags(origin: Origin, keyword: Keyword, flags: readonly Flag[], lenient: boolean): void {
  if (unchecked.has(keyword)) return;
  const kinds = known[keyword] ?? {};
  const seen = new Set<string>();
  for (const flag of flags) {
    const kind = Object.hasOwn(kinds, flag.name) ? kinds[flag.name] : undefined;
    if (kind === undefined) {
      if (lenient) continue;
      const names = Object.keys(kinds);
      const like = nearest(flag.name, names);
      throw problem(
        origin,
        "UNKNOWN_FLAG",
        `${keyword} has no flag --${flag.name}${like === undefined ? "" : `: did you mean --${like}?`}`,
        flag.range,
        names.length === 0
          ? `${keyword} takes no flags.`
          : `${keyword} takes ${names.map((name) => `--${name}`).join(", ")}.`,
      );
    }
    if (kind !== "list" && seen.has(flag.name)) {
      throw problem(origin, "DUPLICATE_FLAG", `--${flag.name} is given twice`, flag.range, "Keep one of them.");
    }
    seen.add(flag.name);
    checkValue(origin, flag, kind);
  }
}

function checkValue(origin: Origin, flag: Flag, kind: FlagKind): void {
  const bad = (message: string, hint: string) => problem(origin, "BAD_FLAG", message, flag.range, hint);
  if (kind === "boolean") {
    if (flag.value !== undefined && !["true", "false"].includes(flag.value.toLowerCase())) {
      throw bad(`--${flag.name} takes true or false, not "${flag.value}"`, `Write --${flag.name} alone for true.`);
    }
    return;
  }
  if (flag.value === undefined) throw bad(`--${flag.name} needs a value`, `Write --${flag.name}=VALUE.`);
  switch (flag.name) {
    case "network":
      oneOf(flag.value, networks);
      break;
    case "security":
      oneOf(flag.value, securities);
      break;
    case "mount":
      checkMount(origin, flag, flag.value);
      break;
    case "interval":
    case "timeout":
    case "start-period":
    case "start-interval": {
      if (flag.value === "") break;
      const duration = parseDuration(flag.value);
      if (duration === undefined)
        throw bad(`--${flag.name}=${flag.value} is no duration`, "Write it like 30s or 1m30s.");
      if (duration !== 0 && duration < 1e6) throw bad(`--${flag.name} must be at least 1ms`, "Write it like 30s.");
      break;
    }
    case "retries":
      if (flag.value !== "" && (!/^\+?\d+$/.test(flag.value) || Number(flag.value) > 0x7fffffff)) {
        throw bad(`--retries=${flag.value} is no number of retries`, "Write a whole number from 0 on.");
      }
      break;
    default:
  }

  function oneOf(value: string, values: readonly string[]): void {
    if (values.includes(value)) return;
    throw bad(`--${flag.name} cannot be "${value}"`, `It is one of ${values.join(", ")}.`);
  }
}

function checkMount(origin: Origin, flag: Flag, value: string): void {
  const fields = mountFields(value);
  if (fields === undefined) {
    throw problem(
      origin,
      "BAD_MOUNT",
      `--mount=${value} cannot be read: a quote (") is in the wrong place`,
      flag.range,
      'Quote a whole field, as in --mount=type=bind,"source=a,b",target=/x.',
    );
  }
  const from = fields.find((field) => field.key === "from")?.value;
  const dollar = from?.indexOf("$") ?? -1;
  if (from !== undefined && dollar !== -1 && dollar !== from.length - 1) {
    throw problem(
      origin,
      "VARIABLE_IN_FROM",
      `a mount's from takes no variables: ${from}`,
      flag.range,
      `Name a stage for it (FROM ${from} AS name) and mount from that.`,
    );
  }
}
