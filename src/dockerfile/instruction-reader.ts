import { checkInstruction, expansionProblem } from "./check.js";
import { DirectiveReader, findFrontendDirectives } from "./directives.js";
import { chompTabs, heredocStarts } from "./heredoc.js";
import { parseLogicalLine, unknownInstruction } from "./logical-line.js";
import { problem, type Origin } from "./problem.js";
import type { Directive, Heredoc, Instruction, Range } from "./syntax.js";
import { dropTrailingSpaces, JoinedLine, Lines, skipSpaces } from "./text.js";

/** bufio.MaxScanTokenSize, which BuildKit reads lines with, less the line feed. */
const maximumLineBytes = 65_535;

/**
 * Reads a Dockerfile's instructions one after another, with their directives, continuations and heredocs. Every method
 * throws DockerfileError.
 */
export class InstructionReader {
  private readonly origin: Origin;
  private readonly source: string;
  private readonly lines: Lines;
  private readonly directiveReader: DirectiveReader;
  private readonly frontendDirectives: readonly Directive[];
  /** The line that was read last. */
  private line = 0;

  constructor(origin: Origin) {
    this.origin = origin;
    this.source = origin.source;
    this.lines = new Lines(origin.source);
    this.directiveReader = new DirectiveReader(origin);
    this.frontendDirectives = findFrontendDirectives(origin.source, this.lines);
  }

  get escape(): "\\" | "`" {
    return this.directiveReader.escape;
  }

  get directives(): readonly Directive[] {
    const { escapeDirective } = this.directiveReader;
    const all = [...this.frontendDirectives, ...(escapeDirective === undefined ? [] : [escapeDirective])];
    return all.sort((left, right) => left.range.start.offset - right.range.start.offset);
  }

  /** The next instruction, or undefined at the end of the file. */
  next(): Instruction | undefined {
    for (;;) {
      if (!this.readLine()) return undefined;
      const first = this.line;
      const fileStart = first === 1 && this.source.startsWith("\ufeff") ? 1 : 0;
      const end = this.lines.contentEnd(first);
      const start = skipSpaces(this.source, Math.max(this.lines.start(first), fileStart), end);
      this.directiveReader.read(this.source.slice(start, end), this.lines.range(start, end));
      if (start === end || this.source[start] === "#") continue;
      return this.instruction(first, start, this.join(start, end));
    }
  }

  private readLine(): boolean {
    if (this.line >= this.lines.count) return false;
    const line = ++this.line;
    const start = this.lines.start(line);
    let length = this.lines.end(line) - start;
    if (this.source[start + length - 1] === "\n") length--;
    if (length * 3 <= maximumLineBytes) return true;
    if (length <= maximumLineBytes && Buffer.byteLength(this.source.slice(start, start + length)) <= maximumLineBytes) {
      return true;
    }
    throw problem(
      this.origin,
      "LINE_TOO_LONG",
      `line ${String(line)} is longer than ${String(maximumLineBytes)} bytes`,
      this.lines.range(start, start),
      "BuildKit reads no longer lines: break it with continuations, or COPY the data from a file.",
    );
  }

  /** Joins the line that begins at `start` with those that continue it. */
  private join(start: number, end: number): JoinedLine {
    let { end: pieceEnd, continues } = this.withoutContinuation(start, end);
    const pieces = [{ start, end: pieceEnd }];
    while (continues && this.readLine()) {
      const lineStart = this.lines.start(this.line);
      const lineEnd = this.lines.contentEnd(this.line);
      const text = skipSpaces(this.source, lineStart, lineEnd);
      if (text === lineEnd || this.source[text] === "#") continue;
      ({ end: pieceEnd, continues } = this.withoutContinuation(lineStart, lineEnd));
      pieces.push({ start: lineStart, end: pieceEnd });
    }
    return new JoinedLine(this.lines, this.source, pieces);
  }

  /** An escape character at the end, blanks and tabs behind it included, continues the line; two of them do not. */
  private withoutContinuation(start: number, end: number): { end: number; continues: boolean } {
    let last = end - 1;
    while (last >= start && (this.source[last] === " " || this.source[last] === "\t")) last--;
    const { escape } = this.directiveReader;
    const continues =
      last >= start && this.source[last] === escape && (last === start || this.source[last - 1] !== escape);
    return { end: continues ? last : end, continues };
  }

  private instruction(firstLine: number, start: number, joined: JoinedLine): Instruction {
    const textStart = skipSpaces(joined.text, 0);
    const textEnd = dropTrailingSpaces(joined.text, textStart, joined.text.length);
    const whole = this.lines.range(start, this.lines.contentEnd(this.line));
    const line = {
      origin: this.origin,
      escape: this.escape,
      joined,
      whole,
      firstLine: this.lines.range(this.lines.start(firstLine), this.lines.contentEnd(firstLine)),
    };
    const draft = parseLogicalLine(line, textStart, textEnd);
    if (draft === undefined) throw unknownInstruction(line, textStart, textEnd);
    const inner = draft.trigger ?? draft;
    const opens = (inner.keyword === "RUN" || inner.keyword === "COPY" || inner.keyword === "ADD") && !inner.json;
    const heredocs = opens ? this.heredocs(joined.text, whole) : [];
    const range: Range = { start: whole.start, end: this.lines.position(this.lines.contentEnd(this.line)) };
    const complete = (instruction: Instruction, from: Range["start"]): Instruction => ({
      ...instruction,
      heredocs,
      range: { start: from, end: range.end },
      source: this.source.slice(from.offset, range.end.offset),
    });
    const instruction: Instruction = {
      ...complete(draft, range.start),
      trigger: draft.trigger && complete(draft.trigger, draft.trigger.range.start),
    };
    checkInstruction(
      this.origin,
      instruction,
      this.frontendDirectives.some(({ name }) => name === "syntax"),
    );
    return instruction;
  }

  /** Reads the bodies of the heredocs that a line opens. */
  private heredocs(line: string, whole: Range): Heredoc[] {
    let starts;
    try {
      starts = heredocStarts(line);
    } catch (error) {
      throw expansionProblem(this.origin, error, whole);
    }
    return starts.map((start): Heredoc => {
      const bodyStart = this.lines.start(this.line + 1);
      while (this.readLine()) {
        const lineStart = this.lines.start(this.line);
        let from = lineStart;
        if (start.chomp) while (this.source[from] === "\t") from++;
        const end = this.lines.contentEnd(this.line);
        if (end - Math.min(from, end) !== start.name.length || !this.source.startsWith(start.name, from)) continue;
        const body = this.source.slice(bodyStart, lineStart);
        return {
          ...start,
          content: start.chomp ? chompTabs(body) : body,
          range: this.lines.range(bodyStart, lineStart),
        };
      }
      throw problem(
        this.origin,
        "UNTERMINATED_HEREDOC",
        `the heredoc ${start.name} is not closed`,
        whole,
        `End it with a line that holds ${start.name} and nothing else, blanks included.`,
      );
    });
  }
}
