/*
 * What a build prints is untrusted: it may come from any image or package script. Cursor movement, window titles,
 * clipboard writes (OSC 52), device control strings, mode switches and C1 controls never reach the user's terminal;
 * colours do where colours are on. Control functions are recognised as ECMA-48 defines them.
 */

export interface SanitizeOptions {
  /** Keep harmless colours (SGR). Without it nothing but text is left. */
  readonly colour: boolean;
  /** A line is cut after this many UTF-16 units. */
  readonly maxLine?: number;
}

const defaultMaxLine = 16 * 1024;
/** A control sequence longer than this is no colour; its end is still looked for. */
const maxParameters = 64;
/** Colours that stay on over lines are repeated at the next line's start up to this length. */
const maxActive = 128;

type State = "text" | "escape" | "intermediate" | "sequence" | "string";

/** C0 and C1 controls, DEL, line and paragraph separators, and the overrides that make text read other than it is (CVE-2021-42574). */
const special = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/**
 * Bytes in, harmless lines out. UTF-8 and control sequences may be cut anywhere between chunks. A carriage return starts
 * the line over (progress bars leave their last state); a backspace removes what it stands behind. Time and memory are
 * linear in the input whatever it is.
 */
export class LineSanitizer {
  private readonly decoder = new TextDecoder("utf-8");
  private readonly colour: boolean;
  private readonly maxLine: number;
  private state: State = "text";
  private parameters = "";
  private parts: string[] = [];
  private length = 0;
  private cut = 0;
  /** A carriage return came; what follows decides whether the line ends or starts over. */
  private returned = false;
  /** Colours that are on. */
  private active = "";
  /** Colours that were on where the line began. */
  private lineActive = "";

  constructor(options: SanitizeOptions) {
    this.colour = options.colour;
    this.maxLine = options.maxLine ?? defaultMaxLine;
  }

  /** Takes a chunk, returns the lines it completed. */
  push(chunk: Uint8Array | string): string[] {
    return this.scan(typeof chunk === "string" ? chunk : this.decoder.decode(chunk, { stream: true }));
  }

  /** The line that has begun and not ended, as it looks now. */
  get partial(): string {
    return this.assemble();
  }

  /** The last line where it had no end. */
  end(): string[] {
    const lines = this.scan(this.decoder.decode());
    this.state = "text";
    if (this.length > 0 || this.cut > 0) lines.push(this.finishLine());
    return lines;
  }

  private scan(text: string): string[] {
    const lines: string[] = [];
    let at = 0;
    while (at < text.length) {
      if (this.state === "text") {
        special.lastIndex = at;
        const found = special.exec(text)?.index ?? text.length;
        if (found > at) this.add(text, at, found);
        if (found < text.length) this.control(text.charCodeAt(found), lines);
        at = found + 1;
      } else {
        this.continueSequence(text.charCodeAt(at), lines);
        at += 1;
      }
    }
    return lines;
  }

  private add(text: string, start: number, end: number): void {
    if (this.returned) this.startOver();
    const room = this.maxLine - this.length;
    const take = Math.min(end - start, room);
    if (take > 0) {
      this.parts.push(text.slice(start, start + take));
      this.length += take;
    }
    this.cut += end - start - Math.max(take, 0);
  }

  private control(code: number, lines: string[]): void {
    switch (code) {
      case 0x0a:
        lines.push(this.finishLine());
        break;
      case 0x0d:
        this.returned = true;
        break;
      case 0x08:
        this.backspace();
        break;
      case 0x09:
        this.add("\t", 0, 1);
        break;
      case 0x1b:
        this.state = "escape";
        break;
      case 0x9b:
        this.startSequence();
        break;
      case 0x90: // DCS
      case 0x98: // SOS
      case 0x9d: // OSC
      case 0x9e: // PM
      case 0x9f: // APC
        this.state = "string";
        break;
      default:
        break;
    }
  }

  private continueSequence(code: number, lines: string[]): void {
    // A line's end, CAN and SUB end any sequence: an unterminated one must not swallow the rest of the build's output.
    if (code === 0x0a || code === 0x18 || code === 0x1a) {
      this.state = "text";
      if (code === 0x0a) lines.push(this.finishLine());
      return;
    }
    if (code === 0x1b) {
      this.state = "escape";
      return;
    }
    switch (this.state) {
      case "escape":
        if (code === 0x5b) this.startSequence();
        else if (code === 0x50 || code === 0x58 || code === 0x5d || code === 0x5e || code === 0x5f)
          this.state = "string";
        else if (code >= 0x20 && code <= 0x2f) this.state = "intermediate";
        else this.state = "text";
        break;
      case "intermediate":
        if (code < 0x20 || code > 0x2f) this.state = "text";
        break;
      case "sequence":
        if (code >= 0x20 && code <= 0x3f) {
          if (this.parameters.length <= maxParameters) this.parameters += String.fromCharCode(code);
        } else {
          this.state = "text";
          this.endSequence(code);
        }
        break;
      case "string":
        if (code === 0x07 || code === 0x9c) this.state = "text";
        break;
      case "text":
        break;
    }
  }

  private startSequence(): void {
    this.state = "sequence";
    this.parameters = "";
  }

  private endSequence(final: number): void {
    const { parameters } = this;
    if (final === 0x6d) this.select(parameters);
    // Erase the line, cursor to column 1: how progress bars redraw themselves.
    else if (final === 0x4b && (parameters === "1" || parameters === "2")) this.startOver();
    else if (final === 0x47 && (parameters === "" || parameters === "1")) this.returned = true;
  }

  private select(parameters: string): void {
    if (!this.colour || parameters.length > maxParameters || !/^[\d;:]*$/.test(parameters)) return;
    const kept = harmlessSgr(parameters);
    if (kept === undefined) return;
    const sequence = `\x1b[${kept}m`;
    const resets = /^(?:0*(?:;0*)*)$/.test(kept);
    if (resets) this.active = "";
    else if (this.active.length + sequence.length <= maxActive) this.active += sequence;
    if (this.returned) {
      // Colour before the text that starts the line over belongs to the new line.
      this.startOver();
      return;
    }
    if (this.length + sequence.length > this.maxLine) return;
    this.parts.push(sequence);
    this.length += sequence.length;
  }

  private startOver(): void {
    this.returned = false;
    this.parts = [];
    this.length = 0;
    this.cut = 0;
    this.lineActive = this.active;
  }

  /** Only text that came last is taken back: looking further would make the work quadratic for hostile input. */
  private backspace(): void {
    if (this.returned || this.cut > 0) return;
    const last = this.parts.at(-1);
    if (!last || last.startsWith("\x1b")) return;
    const end = last.length - (/[\udc00-\udfff]$/.test(last.slice(-1)) && last.length > 1 ? 2 : 1);
    // Long runs are cut into short ones first, so that each further backspace copies little.
    this.parts.pop();
    if (end > 256) this.parts.push(last.slice(0, end - 128), last.slice(end - 128, end));
    else if (end > 0) this.parts.push(last.slice(0, end));
    this.length -= last.length - end;
  }

  private assemble(): string {
    if (this.parts.length === 0 && this.cut === 0) return "";
    const text = this.lineActive + this.parts.join("");
    const more = this.cut > 0 ? ` … [${String(this.cut)} more characters]` : "";
    return text + (text.includes("\x1b") ? "\x1b[0m" : "") + more;
  }

  private finishLine(): string {
    const line = this.assemble();
    this.startOver();
    return line;
  }
}

/** SGR without what hides text or makes it blink; undefined where nothing is left. */
function harmlessSgr(parameters: string): string | undefined {
  const values = parameters.split(";");
  const kept: string[] = [];
  for (let at = 0; at < values.length; at++) {
    const value = values[at] ?? "";
    const code = Number(value.split(":", 1)[0]);
    if ((code === 38 || code === 48 || code === 58) && !value.includes(":")) {
      const arguments_ = values[at + 1] === "5" ? 2 : values[at + 1] === "2" ? 4 : values.length;
      kept.push(...values.slice(at, at + 1 + arguments_));
      at += arguments_;
    } else if (code !== 5 && code !== 6 && code !== 8) kept.push(value);
  }
  return kept.length === 0 ? undefined : kept.join(";");
}

/** One line of untrusted text made harmless; line ends become spaces. */
export function sanitizeLine(text: string, options: SanitizeOptions = { colour: false }): string {
  const sanitizer = new LineSanitizer(options);
  return [...sanitizer.push(text), ...sanitizer.end()].join(" ");
}

/** Untrusted text of several lines made harmless. */
export function sanitizeLines(text: string | Uint8Array, options: SanitizeOptions = { colour: false }): string[] {
  const sanitizer = new LineSanitizer(options);
  return [...sanitizer.push(text), ...sanitizer.end()];
}
