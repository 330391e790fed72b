import { UsageError } from "../errors.js";

/** Go's duration units in nanoseconds (time.ParseDuration). */
const units: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

const second = 1_000_000_000n;

/**
 * A point in time in docker's grammar for --since and --until, as the API takes it, `seconds.nanoseconds`: a Go duration
 * before now (`10m`, `1h30m`), a date with or without time and zone (`2026-01-02`, `2026-01-02T15:04:05.5Z`; without a
 * zone the local one), or Unix seconds with up to nine decimals. Throws UsageError, which names `option`.
 */
export function parseTimestamp(text: string, option: string, now: number = Date.now()): string {
  const unix = /^(\d+)(?:\.(\d{1,9}))?$/.exec(text);
  if (unix) return format(BigInt(unix[1] ?? "0") * second + fraction(unix[2]));
  const ago = parseDuration(text);
  if (ago !== undefined) return format(BigInt(now) * 1_000_000n - ago);
  const date = parseDate(text);
  if (date !== undefined) return format(date);
  throw new UsageError(`${option} ${text}: not a time`, {
    hint: "A duration before now (10m, 1h30m), a date (2026-01-02T15:04:05Z) or Unix seconds, as docker takes them.",
  });
}

/** Nanoseconds; undefined where it is no duration. */
function parseDuration(text: string): bigint | undefined {
  const match = /^([+-]?)((?:\d+(?:\.\d*)?(?:ns|us|µs|μs|ms|s|m|h))+)$/.exec(text);
  if (!match) return undefined;
  let sum = 0n;
  for (const [, whole = "0", decimals = "", unit = "s"] of (match[2] ?? "").matchAll(/(\d+)(?:\.(\d*))?([^\d.]+)/g)) {
    const scale = units[unit] ?? 0n;
    sum += BigInt(whole) * scale;
    if (decimals !== "") sum += (BigInt(decimals) * scale) / 10n ** BigInt(decimals.length);
  }
  return match[1] === "-" ? -sum : sum;
}

const dateForm = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d{2}:\d{2})?$/;

function parseDate(text: string): bigint | undefined {
  const match = dateForm.exec(text);
  if (!match) return undefined;
  const [, year = "", month = "", day = "", hour = "00", minute = "00", whole = "00", decimals, zone] = match;
  // Date.parse reads a form with a time and without a zone as local time.
  const milliseconds = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${whole}${zone ?? ""}`);
  if (Number.isNaN(milliseconds)) return undefined;
  return BigInt(milliseconds) * 1_000_000n + fraction(decimals);
}

/** Decimals of a second in nanoseconds. */
function fraction(decimals: string | undefined): bigint {
  return BigInt((decimals ?? "").padEnd(9, "0"));
}

function format(nanoseconds: bigint): string {
  const positive = nanoseconds < 0n ? 0n : nanoseconds;
  return `${String(positive / second)}.${String(positive % second).padStart(9, "0")}`;
}

/** An engine's time (RFC 3339 with up to nine decimals) as `seconds.nanoseconds`, for `since`; undefined for none. */
export function toApiTimestamp(time: string): string | undefined {
  const date = parseDate(time);
  return date === undefined ? undefined : format(date);
}

/** The later of two of `seconds.nanoseconds`; the other one where one is undefined. */
export function laterTimestamp(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return nanoseconds(a) > nanoseconds(b) ? a : b;
}

function nanoseconds(timestamp: string): bigint {
  const [whole = "0", decimals] = timestamp.split(".");
  return BigInt(whole) * second + fraction(decimals);
}
