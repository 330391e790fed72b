import { checkInstruction, expansionProblem } from "./check.js";
import { DirectiveReader, findFrontendDirectives } from "./directives.js";
import { chompTabs, heredocStarts } from "./heredoc.js";
import { problem, type Origin } from "./problem.js";
import {
  readJsonForm,
  splitFirst,
  splitInstruction,
  splitList,
  splitWords,
  type FlagSlice,
  type Slice,
} from "./split.js";
import { nearest } from "./suggest.js";
import type { Directive, Dockerfile, Flag, Heredoc, Instruction, Keyword, Range, Stage, Word } from "./syntax.js";
import { dropTrailingSpaces, isSpace, JoinedLine, Lines, skipSpaces, trimSpaces } from "./text.js";

/** Every instruction there is. */
export const keywords: readonly Keyword[] = [
  "ADD",
  "ARG",
  "CMD",
  "COPY",
  "ENTRYPOINT",
  "ENV",
  "EXPOSE",
  "FROM",
  "HEALTHCHECK",
  "LABEL",
  "MAINTAINER",
  "ONBUILD",
  "RUN",
  "SHELL",
  "STOPSIGNAL",
  "USER",
  "VOLUME",
  "WORKDIR",
];

const byName: ReadonlyMap<string, Keyword> = new Map(keywords.map((keyword) => [keyword, keyword]));

/** bufio.MaxScanTokenSize, which BuildKit reads lines with, less the line feed. */
const maximumLineBytes = 65_535;

/**
 * Parses a Dockerfile as BuildKit's parser and instructions packages do: what passes here passes there, and every
 * instruction has the lines that BuildKit reports. Takes time in proportion to the text. Throws DockerfileError, never
 * anything else.
 */
export function parseDockerfile(source: string, options: { file: string }): Dockerfile {
  const origin: Origin = { file: options.file, source };
  const reader = new InstructionReader(origin);
  const globalArgs: Instruction[] = [];
  const stages: { from: Instruction; instructions: Instruction[] }[] = [];
  for (let instruction = reader.next(); instruction !== undefined; instruction = reader.next()) {
    const stage = stages.at(-1);
    if (instruction.keyword === "FROM") stages.push({ from: instruction, instructions: [instruction] });
    else if (stage !== undefined) stage.instructions.push(instruction);
    else if (instruction.keyword === "ARG") globalArgs.push(instruction);
    else {
      throw problem(
        origin,
        "INSTRUCTION_BEFORE_FROM",
        `${instruction.keyword} stands before the first FROM`,
        instruction.keywordRange,
        "Begin the stage with FROM; only ARG may stand before it.",
      );
    }
  }
  if (stages.length === 0) {
    const empty = globalArgs.length === 0;
    throw problem(
      origin,
      empty ? "EMPTY_DOCKERFILE" : "NO_FROM",
      empty ? `${options.file} holds no instruction` : `${options.file} has no FROM, so there is no stage to build`,
      undefined,
      "A Dockerfile needs at least one stage: FROM image, then its instructions.",
    );
  }
  return {
    file: options.file,
    source,
    escape: reader.escape,
    directives: reader.directives,
    globalArgs,
    stages: stages.map(({ from, instructions }, index) => makeStage(index, from, instructions)),
  };
}

/**
 * Parses the text of one instruction, such as an image's ONBUILD trigger. Throws DockerfileError when it does not hold
 * exactly one.
 */
export function parseInstruction(text: string, options: { file: string }): Instruction {
  const origin: Origin = { file: options.file, source: text };
  const reader = new InstructionReader(origin);
  const instruction = reader.next();
  if (instruction === undefined) throw problem(origin, "EMPTY_DOCKERFILE", "there is no instruction", undefined);
  const another = reader.next();
  if (another === undefined) return instruction;
  throw problem(
    origin,
    "TOO_MANY_ARGUMENTS",
    "there is more than one instruction",
    another.range,
    "End a line that goes on in the next one with a backslash.",
  );
}

/** The lines that BuildKit reports for an instruction, first and last, from 1. */
export function instructionLines(instruction: Instruction): { readonly start: number; readonly end: number } {
  return { start: instruction.range.start.line, end: instruction.range.end.line };
}

function makeStage(index: number, from: Instruction, instructions: readonly Instruction[]): Stage {
  const name = from.args[2]?.text.toLowerCase();
  return { index, name, label: name ?? `stage-${String(index)}`, from, instructions };
}

class InstructionReader {
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
    const draft = this.parse(joined, textStart, textEnd, whole);
    if (draft === undefined) throw this.unknownInstruction(joined, textStart, textEnd, firstLine);
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

  /** Parses text `from`..`to` of a joined line; undefined where it begins with no keyword. Heredoc bodies are not read yet. */
  private parse(joined: JoinedLine, from: number, to: number, whole: Range): Instruction | undefined {
    const split = splitInstruction(joined.text, from, to, this.escape);
    const keyword = byName.get(joined.text.slice(split.keyword.start, split.keyword.end).toUpperCase());
    if (keyword === undefined) return undefined;
    const { rest } = split;
    const isJson = this.jsonStart(keyword, joined.text, rest);
    const json = isJson === undefined ? undefined : this.json(joined, keyword, { start: isJson, end: rest.end });
    const words = json === undefined ? this.split(joined, keyword, rest) : this.jsonWords(joined.text, keyword, rest);
    const trigger =
      keyword === "ONBUILD" && rest.end > rest.start ? this.parse(joined, rest.start, rest.end, whole) : undefined;
    const start = joined.range(from, from).start;
    return {
      keyword,
      keywordRange: joined.range(split.keyword.start, split.keyword.end),
      range: { start, end: whole.end },
      flags: split.flags.map((flag) => readFlag(joined, flag)),
      args: words.map((slice): Word => ({
        text: joined.text.slice(slice.start, slice.end),
        range: joined.range(slice.start, slice.end),
      })),
      json,
      heredocs: [],
      text: joined.text.slice(from, to),
      source: "",
      trigger,
    };
  }

  /** Where JSON form may begin: behind the type for HEALTHCHECK. Undefined for instructions that have no such form. */
  private jsonStart(keyword: Keyword, text: string, rest: Slice): number | undefined {
    switch (keyword) {
      case "ADD":
      case "CMD":
      case "COPY":
      case "ENTRYPOINT":
      case "RUN":
      case "SHELL":
      case "VOLUME":
        return rest.start;
      case "HEALTHCHECK": {
        let end = rest.start;
        while (end < rest.end && !isSpace(text.charCodeAt(end))) end++;
        return skipSpaces(text, end, rest.end);
      }
      default:
        return undefined;
    }
  }

  private json(joined: JoinedLine, keyword: Keyword, slice: Slice): readonly string[] | undefined {
    if (joined.text[slice.start] !== "[") return undefined;
    const json = readJsonForm(joined.text.slice(slice.start, slice.end));
    if (json !== "mixed") return json;
    throw problem(
      this.origin,
      "BAD_JSON_FORM",
      `the array of ${keyword} holds something that is no string`,
      joined.range(slice.start, slice.end),
      "Put every element in double quotes.",
    );
  }

  private jsonWords(text: string, keyword: Keyword, rest: Slice): Slice[] {
    const words: Slice[] = [];
    let at = rest.start;
    if (keyword === "HEALTHCHECK") {
      while (at < rest.end && !isSpace(text.charCodeAt(at))) at++;
      words.push({ start: rest.start, end: at });
    }
    for (at = text.indexOf('"', at); at !== -1 && at < rest.end; at = text.indexOf('"', at)) {
      const start = at++;
      while (at < rest.end && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
      words.push({ start, end: ++at });
    }
    return words;
  }

  /** Arguments in shell form. */
  private split(joined: JoinedLine, keyword: Keyword, rest: Slice): Slice[] {
    const { text } = joined;
    if (rest.end === rest.start) return [];
    switch (keyword) {
      case "ADD":
      case "COPY":
      case "EXPOSE":
      case "FROM":
      case "VOLUME":
        return splitList(text, rest.start, rest.end);
      case "ARG":
        return splitWords(text, rest.start, rest.end, this.escape);
      case "ENV":
      case "LABEL":
        return this.splitPairs(joined, keyword, rest);
      case "HEALTHCHECK": {
        let end = rest.start;
        while (end < rest.end && !isSpace(text.charCodeAt(end))) end++;
        const next = skipSpaces(text, end, rest.end);
        const type = { start: rest.start, end };
        return next === rest.end ? [type] : [type, { start: next, end: rest.end }];
      }
      default:
        return [rest];
    }
  }

  private splitPairs(joined: JoinedLine, keyword: Keyword, rest: Slice): Slice[] {
    const { text } = joined;
    const words = splitWords(text, rest.start, rest.end, this.escape);
    const hasEquals = ({ start, end }: Slice): boolean => text.slice(start, end).includes("=");
    const [first] = words;
    if (first === undefined) return [];
    const bad = (message: string, slice: Slice) =>
      problem(
        this.origin,
        "BAD_KEY_VALUE",
        message,
        joined.range(slice.start, slice.end),
        `Write ${keyword} name=value, with quotes around a value that holds blanks.`,
      );
    if (!hasEquals(first)) {
      const [name, value] = splitFirst(text, rest.start, rest.end);
      if (value === undefined) throw bad(`${keyword} ${text.slice(name.start, name.end)} has no value`, name);
      return [name, value];
    }
    for (const word of words) {
      if (!hasEquals(word)) throw bad(`"${excerptOf(text, word)}" is not of the form name=value`, word);
    }
    return words;
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

  private unknownInstruction(joined: JoinedLine, from: number, to: number, firstLine: number): Error {
    const { keyword } = splitInstruction(joined.text, from, to, this.escape);
    const name = joined.text.slice(keyword.start, keyword.end);
    const range =
      name === "" ? this.lines.range(this.lines.start(firstLine), this.lines.contentEnd(firstLine)) : undefined;
    const like = nearest(name, keywords);
    return problem(
      this.origin,
      "UNKNOWN_INSTRUCTION",
      name === ""
        ? "a continuation that continues nothing"
        : `there is no instruction ${excerptOf(joined.text, keyword)}${like === undefined ? "" : `: did you mean ${like}?`}`,
      range ?? joined.range(keyword.start, keyword.end),
      like === undefined && name !== ""
        ? `If the line belongs to the instruction above, end that one with ${this.escape}.`
        : undefined,
    );
  }
}

/** A word for a message: its beginning where it is long. */
function excerptOf(text: string, { start, end }: Slice): string {
  return end - start > 40 ? `${text.slice(start, start + 40)}…` : text.slice(start, end);
}

function readFlag(joined: JoinedLine, flag: FlagSlice): Flag {
  const equals = flag.text.indexOf("=");
  return {
    name: flag.text.slice(2, equals === -1 ? undefined : equals),
    value: equals === -1 ? undefined : flag.text.slice(equals + 1),
    range: joined.range(flag.start, flag.end),
  };
}

/**
 * The mistake in an instruction whose arguments look like JSON form and are none, so that BuildKit runs them in a
 * shell: a sentence for people, undefined where nothing looks wrong.
 */
export function jsonFormMistake(instruction: Instruction): string | undefined {
  const text = instruction.args.at(-1)?.text ?? "";
  const whole = trimSpaces(instruction.args.map((arg) => arg.text).join(" "));
  if (instruction.json !== undefined || !/^\[\s*['"“‘]/.test(whole) || !text.endsWith("]")) return undefined;
  const form = whole.includes("'") ? "JSON takes double quotes only" : "check its quotes and commas";
  return `${instruction.keyword} looks like JSON form, but is no JSON array (${form}), so it is taken as shell form.`;
}
