import type { DockerfileError } from "../errors.js";
import { problem, type Origin } from "./problem.js";
import {
  arrayEnd,
  readJsonForm,
  splitFirst,
  splitInstruction,
  splitList,
  splitWords,
  type FlagSlice,
  type Slice,
} from "./split.js";
import { nearest } from "./suggest.js";
import type { Flag, Instruction, Keyword, Range, Word } from "./syntax.js";
import { isSpace, skipSpaces, type JoinedLine } from "./text.js";

/** A physical line with those that continue it. */
export interface LogicalLine {
  readonly origin: Origin;
  readonly escape: "\\" | "`";
  readonly joined: JoinedLine;
  /** From its first character to the end of its last physical line. */
  readonly whole: Range;
  /** The first physical line, all of it. */
  readonly firstLine: Range;
}

const keywords: readonly Keyword[] = [
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

/**
 * Parses text `from`..`to` of a logical line; undefined where it begins with no keyword. Heredoc bodies are not read yet.
 * Throws DockerfileError.
 */
export function parseLogicalLine(line: LogicalLine, from: number, to: number): Instruction | undefined {
  const { joined, whole } = line;
  const split = splitInstruction(joined.text, from, to, line.escape);
  const keyword = byName.get(joined.text.slice(split.keyword.start, split.keyword.end).toUpperCase());
  if (keyword === undefined) return undefined;
  const { rest } = split;
  const isJson = jsonStart(keyword, joined.text, rest);
  const json = isJson === undefined ? undefined : readJson(line, keyword, { start: isJson, end: rest.end });
  const words = json === undefined ? splitArguments(line, keyword, rest) : jsonWords(joined.text, keyword, rest);
  const trigger =
    keyword === "ONBUILD" && rest.end > rest.start ? parseLogicalLine(line, rest.start, rest.end) : undefined;
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
function jsonStart(keyword: Keyword, text: string, rest: Slice): number | undefined {
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

function readJson(line: LogicalLine, keyword: Keyword, slice: Slice): readonly string[] | undefined {
  const { joined } = line;
  if (joined.text[slice.start] !== "[") return undefined;
  const json = readJsonForm(joined.text.slice(slice.start, slice.end));
  if (json !== "mixed") return json;
  throw problem(
    line.origin,
    "BAD_JSON_FORM",
    `the array of ${keyword} holds something that is no string`,
    joined.range(slice.start, slice.end),
    "Put every element in double quotes.",
  );
}

function jsonWords(text: string, keyword: Keyword, rest: Slice): Slice[] {
  const words: Slice[] = [];
  let at = rest.start;
  if (keyword === "HEALTHCHECK") {
    while (at < rest.end && !isSpace(text.charCodeAt(at))) at++;
    words.push({ start: rest.start, end: at });
  }
  const end = Math.min(rest.end, arrayEnd(text, at));
  for (at = text.indexOf('"', at); at !== -1 && at < end; at = text.indexOf('"', at)) {
    const start = at++;
    while (at < end && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
    words.push({ start, end: ++at });
  }
  return words;
}

/** Arguments in shell form. */
function splitArguments(line: LogicalLine, keyword: Keyword, rest: Slice): Slice[] {
  const { text } = line.joined;
  if (rest.end === rest.start) return [];
  switch (keyword) {
    case "ADD":
    case "COPY":
    case "EXPOSE":
    case "FROM":
    case "VOLUME":
      return splitList(text, rest.start, rest.end);
    case "ARG":
      return splitWords(text, rest.start, rest.end, line.escape);
    case "ENV":
    case "LABEL":
      return splitPairs(line, keyword, rest);
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

function splitPairs(line: LogicalLine, keyword: Keyword, rest: Slice): Slice[] {
  const { joined } = line;
  const { text } = joined;
  const words = splitWords(text, rest.start, rest.end, line.escape);
  const hasEquals = ({ start, end }: Slice): boolean => text.slice(start, end).includes("=");
  const [first] = words;
  if (first === undefined) return [];
  const bad = (message: string, slice: Slice) =>
    problem(
      line.origin,
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

/** The mistake of a logical line that begins with no keyword. */
export function unknownInstruction(line: LogicalLine, from: number, to: number): DockerfileError {
  const { joined, escape } = line;
  const { keyword } = splitInstruction(joined.text, from, to, escape);
  const name = joined.text.slice(keyword.start, keyword.end);
  if (name === "")
    return problem(line.origin, "UNKNOWN_INSTRUCTION", "a continuation that continues nothing", line.firstLine);
  if (/[\x00-\x08\x0e-\x1f\x7f-\x9f\ufffd]/.test(name))
    return problem(
      line.origin,
      "UNKNOWN_INSTRUCTION",
      "this is no text, but binary data",
      joined.range(keyword.start, keyword.start + 1),
      "Is it the Dockerfile? `-f` names another one; one in UTF-16 must be saved as UTF-8.",
    );
  const like = nearest(name, keywords);
  return problem(
    line.origin,
    "UNKNOWN_INSTRUCTION",
    `there is no instruction ${excerptOf(joined.text, keyword)}${like === undefined ? "" : `: did you mean ${like}?`}`,
    joined.range(keyword.start, keyword.end),
    like === undefined ? `If the line belongs to the instruction above, end that one with ${escape}.` : undefined,
  );
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
