import { StringDecoder } from "node:string_decoder";
import type { Step } from "../engine/engine.js";
import { clippedAt } from "./clipped-log.js";

/** A step's identity across plans: a retry may renumber steps, but stage and place in it stay. */
type StepKey = string;

function stepKey(step: Step): StepKey {
  return `${String(step.stage.index)}/${String(step.stageStep)}`;
}

/** How much of one step's output is remembered. */
export interface LogLimits {
  /** Lines, the newest ones. */
  readonly lines: number;
  /** UTF-16 units over all remembered lines of a step. */
  readonly characters: number;
  /** UTF-16 units of one line; the middle of a longer one is left out. */
  readonly lineCharacters: number;
  /** Steps, those that began to print last, of which this much is remembered. */
  readonly steps: number;
  /** Lines of every other step. */
  readonly olderLines: number;
}

const defaultLimits: LogLimits = {
  lines: 2_000,
  characters: 1 << 20,
  lineCharacters: 8_192,
  steps: 4,
  olderLines: 100,
};

/** One line of a step's output as a terminal would show it at the end, without its line break. Untrusted text. */
export interface LogLine {
  readonly stream: 1 | 2;
  readonly text: string;
}

/** What the steps of a build printed, bounded in lines and bytes whatever they print. */
export class LogBuffer {
  private readonly limits: LogLimits;
  private readonly steps = new Map<StepKey, StepLog>();

  constructor(limits: Partial<LogLimits> = {}) {
    this.limits = { ...defaultLimits, ...limits };
  }

  append(step: Step, stream: 1 | 2, data: Uint8Array): void {
    const key = stepKey(step);
    let log = this.steps.get(key);
    if (!log) {
      this.steps.set(key, (log = new StepLog(this.limits)));
      for (const older of [...this.steps.values()].slice(0, -this.limits.steps)) older.shrink(this.limits.olderLines);
    }
    log.append(stream, data);
  }

  /** Forgets a step's output: it runs again. */
  clear(step: Step): void {
    this.steps.delete(stepKey(step));
  }

  /** The remembered lines, oldest first, an unfinished one included; at most the last `count`. */
  lines(step: Step, count = Number.POSITIVE_INFINITY): LogLine[] {
    return this.steps.get(stepKey(step))?.lines(count) ?? [];
  }

  /** How many lines the step printed, forgotten ones included. */
  total(step: Step): number {
    return this.steps.get(stepKey(step))?.total ?? 0;
  }

  /** The limit at which the engine left out output of the step; undefined where it did not. */
  clipped(step: Step): string | undefined {
    return this.steps.get(stepKey(step))?.clipped;
  }
}

class StepLog {
  private readonly limits: LogLimits;
  private readonly partial: Record<1 | 2, PartialLine>;
  private kept: LogLine[] = [];
  /** Index in `kept` of the oldest line still remembered: shifting an array line by line is slow. */
  private start = 0;
  private characters = 0;
  private ended = 0;
  /** See LogBuffer.clipped. */
  clipped: string | undefined;

  constructor(limits: LogLimits) {
    this.limits = limits;
    this.partial = { 1: new PartialLine(limits.lineCharacters), 2: new PartialLine(limits.lineCharacters) };
  }

  get total(): number {
    return this.ended + ([1, 2] as const).filter((stream) => !this.partial[stream].isEmpty).length;
  }

  append(stream: 1 | 2, data: Uint8Array): void {
    const partial = this.partial[stream];
    const text = partial.decode(data);
    let from = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", from)) {
      partial.add(text, from, end);
      this.keep({ stream, text: partial.take() });
      from = end + 1;
    }
    partial.add(text, from, text.length);
  }

  lines(count: number): LogLine[] {
    const open = ([1, 2] as const)
      .filter((stream) => !this.partial[stream].isEmpty)
      .map((stream) => ({ stream, text: this.partial[stream].shown() }));
    const from = Math.max(this.start, this.kept.length + open.length - count);
    return [...this.kept.slice(from), ...open].slice(-count);
  }

  /** Forgets all but the last lines. */
  shrink(lines: number): void {
    if (this.kept.length - this.start <= lines) return;
    // Pieces of a text keep all of it: what is to stay small is copied.
    this.kept = this.kept.slice(-lines).map(({ stream, text }) => ({
      stream,
      text: Buffer.from(text, "utf16le").toString("utf16le"),
    }));
    this.start = 0;
    this.characters = this.kept.reduce((sum, { text }) => sum + text.length, 0);
  }

  private keep(line: LogLine): void {
    this.ended += 1;
    this.clipped ??= clippedAt(line.text);
    this.kept.push(line);
    this.characters += line.text.length;
    while (
      this.kept.length - this.start > this.limits.lines ||
      (this.characters > this.limits.characters && this.kept.length - this.start > 1)
    ) {
      this.characters -= this.kept[this.start]?.text.length ?? 0;
      this.start += 1;
    }
    if (this.start > this.limits.lines) {
      this.kept = this.kept.slice(this.start);
      this.start = 0;
    }
  }
}

/** The unfinished line of one stream: its head and its tail, what lies between is counted only. */
class PartialLine {
  private readonly decoder = new StringDecoder("utf8");
  private readonly half: number;
  private head = "";
  private tail = "";
  private left = 0;
  /** A carriage return came last: it clears the line only when something other than a line feed follows. */
  private returned = false;

  constructor(limit: number) {
    this.half = Math.max(1, Math.floor(limit / 2));
  }

  get isEmpty(): boolean {
    return this.head === "" && !this.returned;
  }

  decode(data: Uint8Array): string {
    return this.decoder.write(data);
  }

  /** Adds text[from, end), which holds no line feed. */
  add(text: string, from: number, end: number): void {
    if (from === end) return;
    // Only what follows the last carriage return stays visible, unless that return ends the text: then it may yet be a CRLF.
    const isReturnLast = text.charCodeAt(end - 1) === 13;
    let stop = end;
    while (stop > from && text.charCodeAt(stop - 1) === 13) stop -= 1;
    if (stop > from) {
      const back = text.lastIndexOf("\r", stop - 1);
      if (back >= from) {
        this.clear();
        this.append(text.slice(back + 1, stop));
      } else {
        if (this.returned) this.clear();
        this.append(text.slice(from, stop));
      }
      this.returned = false;
    }
    this.returned ||= isReturnLast;
  }

  take(): string {
    const text = this.shown();
    this.clear();
    this.returned = false;
    return text;
  }

  shown(): string {
    return this.left > 0 ? `${this.head} …${String(this.left)} characters… ${this.tail}` : this.head + this.tail;
  }

  private append(text: string): void {
    const room = this.half - this.head.length;
    if (room > 0) this.head += text.slice(0, room);
    const rest = room > 0 ? text.slice(room) : text;
    if (rest === "") return;
    const tail = this.tail + rest.slice(-this.half);
    this.left += Math.max(0, rest.length - this.half) + Math.max(0, tail.length - this.half);
    this.tail = tail.slice(-this.half);
  }

  private clear(): void {
    this.head = "";
    this.tail = "";
    this.left = 0;
  }
}
