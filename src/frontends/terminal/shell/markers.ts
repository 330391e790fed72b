import type { ShellKind } from "./launcher.js";

/** What a shell said of itself between its output. */
export type ShellMark =
  | { readonly type: "kind"; readonly kind: ShellKind }
  /** A prompt for the next line of a command begins. */
  | { readonly type: "more" }
  /** A prompt begins. */
  | { readonly type: "prompt" }
  /** A prompt is complete: the shell reads a line. */
  | { readonly type: "input" }
  /** A command ended. `history`: the newest of the shell's history, as HistoryReader reads it; empty where the shell does not tell. */
  | { readonly type: "ended"; readonly exitCode: number; readonly history: string }
  /** The shell takes several lines as one paste. */
  | { readonly type: "paste"; readonly enabled: boolean };

const escape = 0x1b;
const bell = 0x07;
const backslash = 0x5c;
/** A marker that grows beyond this is none: it is passed on. */
const longest = 64 * 1024;

/**
 * Takes dfdebug's markers (OSC 133 and 6974) out of a shell's output; everything else, sequences cut by chunk borders
 * included, goes on unchanged and in order.
 */
export class MarkerScanner {
  private held: Buffer = Buffer.alloc(0);

  /** The output to show, and the marks that stood in it, in order. */
  take(chunk: Buffer): { output: Buffer; marks: ShellMark[] } {
    const bytes = this.held.length > 0 ? Buffer.concat([this.held, chunk]) : chunk;
    this.held = Buffer.alloc(0);
    const parts: Buffer[] = [];
    const marks: ShellMark[] = [];
    let from = 0;
    for (let at = bytes.indexOf(escape); at >= 0; at = bytes.indexOf(escape, at + 1)) {
      const start = introducer(bytes, at);
      if (start === "partial") {
        parts.push(bytes.subarray(from, at));
        this.held = bytes.subarray(at);
        return { output: Buffer.concat(parts), marks };
      }
      if (start === "paste") {
        marks.push({ type: "paste", enabled: bytes[at + 7] === 0x68 });
        continue;
      }
      if (start === undefined) continue;
      const end = sequenceEnd(bytes, at + start.length);
      if (end === "none" || (end === "partial" && bytes.length - at > longest)) continue;
      parts.push(bytes.subarray(from, at));
      if (end === "partial") {
        this.held = bytes.subarray(at);
        return { output: Buffer.concat(parts), marks };
      }
      const mark = readMark(start, bytes.toString("utf8", at + start.length, end.body));
      if (mark) marks.push(mark);
      from = end.next;
      at = end.next - 1;
    }
    parts.push(bytes.subarray(from));
    return { output: parts.length === 1 ? (parts[0] ?? bytes) : Buffer.concat(parts), marks };
  }

  /** What was held back when the output ended. */
  rest(): Buffer {
    const rest = this.held;
    this.held = Buffer.alloc(0);
    return rest;
  }
}

const kinds: readonly ShellKind[] = ["bash", "zsh", "ksh", "ash", "dash", "sh"];
const introducers = ["\x1b]133;", "\x1b]6974;"] as const;
type Introducer = (typeof introducers)[number] | "partial" | "paste";
const paste = "\x1b[?2004" as const;

/** Which of our introducers begins at `at`; "partial" when the bytes end before that is known. */
function introducer(bytes: Buffer, at: number): Introducer | undefined {
  for (const text of [...introducers, paste] as const) {
    const part = bytes.toString("latin1", at, at + text.length);
    if (part === text) {
      if (text !== paste) return text;
      return bytes.length > at + text.length ? "paste" : "partial";
    }
    if (part.length < text.length && text.startsWith(part)) return "partial";
  }
  return undefined;
}

/** Where the sequence's text ends (BEL or ESC \\), and what follows; "none" where something else came between. */
function sequenceEnd(bytes: Buffer, from: number): { body: number; next: number } | "partial" | "none" {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === bell) return { body: at, next: at + 1 };
    if (byte !== escape) continue;
    if (at + 1 === bytes.length) return "partial";
    return bytes[at + 1] === backslash ? { body: at, next: at + 2 } : "none";
  }
  return "partial";
}

function readMark(start: string, body: string): ShellMark | undefined {
  if (start === "\x1b]6974;") return { type: "kind", kind: kinds.find((kind) => kind === body) ?? "sh" };
  if (body === "A") return { type: "prompt" };
  if (body === "A;k=s") return { type: "more" };
  if (body === "B") return { type: "input" };
  // The history line is encoded (e) where the shell can do that, else raw (r).
  const ended = /^D;(\d+)(?:;([er]):(.*))?$/s.exec(body);
  if (!ended) return undefined;
  const [, code, form, history = ""] = ended;
  return { type: "ended", exitCode: Number(code), history: form === "e" ? decode(history) : history };
}

function decode(text: string): string {
  return text.replaceAll(/%(0A|1B|07|25)/g, (_match, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}
