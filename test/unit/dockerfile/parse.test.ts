import { describe, expect, test } from "vitest";
import { DockerfileError } from "../../../src/errors.js";
import { withoutSyntaxDirective } from "../../../src/dockerfile/edit.js";
import { parseDockerfile } from "../../../src/dockerfile/parse.js";
import type { Dockerfile, Instruction, Range } from "../../../src/dockerfile/syntax.js";

const parse = (source: string): Dockerfile => parseDockerfile(source, { file: "Dockerfile" });
const all = (dockerfile: Dockerfile): Instruction[] => [
  ...dockerfile.globalArgs,
  ...dockerfile.stages.flatMap(({ instructions }) => instructions),
];
const at = (source: string, index: number): Instruction => {
  const instruction = all(parse(source))[index];
  if (instruction === undefined) throw new Error(`no instruction ${String(index)}`);
  return instruction;
};
const span = ({ start, end }: Range): string =>
  `${String(start.line)}:${String(start.column)}-${String(end.line)}:${String(end.column)}`;

function failure(source: string): DockerfileError {
  try {
    parse(source);
  } catch (error) {
    if (error instanceof DockerfileError) return error;
    throw error;
  }
  throw new Error(`parsed: ${source}`);
}

describe("lines", () => {
  // [what, Dockerfile, lines of each instruction as BuildKit's parser.Parse counts them]
  const table: readonly (readonly [string, string, readonly string[]])[] = [
    ["plain", "FROM a\nRUN b\n", ["1-1", "2-2"]],
    ["no line feed at the end", "FROM a\nRUN b", ["1-1", "2-2"]],
    ["CRLF", "FROM a\r\nRUN b \\\r\n  c\r\n", ["1-1", "2-3"]],
    ["BOM", "\ufeffFROM a\n", ["1-1"]],
    ["comments and empty lines in a continuation", "FROM a\nRUN b \\\n# c\n\n  d\nRUN e\n", ["1-1", "2-5", "6-6"]],
    ["a comment at the end of a continuation", "FROM a\nRUN b && \\\n  c \\\n# d\nRUN e\n", ["1-1", "2-5"]],
    ["empty lines up to the end", "FROM a\nRUN b \\\n\n\n", ["1-1", "2-4"]],
    ["blanks behind the escape", "FROM a\nRUN b \\ \t\n c\n", ["1-1", "2-3"]],
    ["two escapes", "FROM a\nRUN b \\\\\nRUN c\n", ["1-1", "2-2", "3-3"]],
    ["an escape alone before the keyword", "FROM a\n\\\nRUN b\n", ["1-1", "2-3"]],
    ["an indented comment", "FROM a\n   # c\n  RUN b\n", ["1-1", "3-3"]],
    ["a comment that ends with an escape", "FROM a\n# c \\\nRUN b\n", ["1-1", "3-3"]],
    ["heredocs", "FROM a\nRUN <<A <<B\n1\nA\n2\nB\nRUN c\n", ["1-1", "2-6", "7-7"]],
    ["a heredoc behind a continuation", "FROM a\nRUN cat \\\n  <<A\n1 \\\nA\nRUN c\n", ["1-1", "2-5", "6-6"]],
    ["a heredoc with CRLF", "FROM a\r\nRUN <<A\r\n1\r\nA\r\n", ["1-1", "2-4"]],
    ["a heredoc in ONBUILD", "FROM a\nONBUILD COPY <<A /b\n1\nA\n", ["1-1", "2-4"]],
  ];
  test.each(table)("%s", (_, source, expected) => {
    const lines = all(parse(source)).map(({ range: { start, end } }) => `${String(start.line)}-${String(end.line)}`);
    expect(lines).toEqual(expected);
  });
});

describe("ranges", () => {
  test("of keyword, flags and arguments through continuations", () => {
    const source = 'FROM a\nCOPY --from=x \\\n  --chown="1:1" b \\\n  # why\n  c /d\n';
    const copy = at(source, 1);
    expect(span(copy.range)).toBe("2:0-5:6");
    expect(span(copy.keywordRange)).toBe("2:0-2:4");
    expect(copy.flags.map(({ name, value, range }) => [name, value, span(range)])).toEqual([
      ["from", "x", "2:5-2:13"],
      ["chown", "1:1", "3:2-3:15"],
    ]);
    expect(copy.args.map(({ text, range }) => [text, span(range)])).toEqual([
      ["b", "3:16-3:17"],
      ["c", "5:2-5:3"],
      ["/d", "5:4-5:6"],
    ]);
    expect(copy.text).toBe('COPY --from=x   --chown="1:1" b   c /d');
    for (const { text, range } of copy.args) expect(source.slice(range.start.offset, range.end.offset)).toBe(text);
  });

  test("of a word that a continuation cuts", () => {
    const run = at("FROM a\nENV b=on\\\ne c=2\n", 1);
    expect(run.args.map(({ text, range }) => [text, span(range)])).toEqual([
      ["b=one", "2:4-3:1"],
      ["c=2", "3:2-3:5"],
    ]);
  });

  test("of JSON elements, with characters outside the first plane", () => {
    const cmd = at('FROM a\nCMD ["😀 \\"x", \\\n  "b"]\n', 1);
    expect(cmd.json).toEqual(['😀 "x', "b"]);
    expect(cmd.args.map(({ range }) => span(range))).toEqual(["2:5-2:13", "3:2-3:5"]);
  });

  // moby/buildkit, frontend/dockerfile/parser/line_parsers.go at v0.13: parseJSON decodes one value and looks no further.
  test.each([
    ['SHELL ["/bin/sh", "-ec"] # "strict"', ["/bin/sh", "-ec"]],
    ['CMD ["a", "]"] b', ["a", "]"]],
    ['ENTRYPOINT ["a"]["b"]', ["a"]],
    ['RUN [ "a" ] && b', ["a"]],
    ['COPY ["a", "/b"] # c', ["a", "/b"]],
    ['ADD ["a", "/b"] c', ["a", "/b"]],
    ['VOLUME ["/a"] # b', ["/a"]],
    ['HEALTHCHECK CMD ["a"] # b', ["a"]],
    ['RUN [ "a" = "b" ]', undefined],
    ['CMD ["a" # b', undefined],
  ])("of JSON form with text behind it: %s", (text, json) => {
    const instruction = at(`FROM a\n${text}\n`, 1);
    expect(instruction.json).toEqual(json);
    const words = instruction.args.slice(instruction.keyword === "HEALTHCHECK" ? 1 : 0);
    if (json) expect(words.map((word) => word.text)).toEqual(json.map((element) => JSON.stringify(element)));
  });

  test("of heredocs and the ONBUILD trigger", () => {
    const instruction = at("FROM a\nONBUILD RUN <<-'X' cat\n\t\tone\n\tX\n", 1);
    expect(instruction.trigger?.keyword).toBe("RUN");
    expect(span(instruction.trigger?.range ?? instruction.range)).toBe("2:8-4:2");
    expect(instruction.heredocs).toMatchObject([{ name: "X", expand: false, chomp: true, fd: 0, content: "one\n" }]);
    expect(span(instruction.heredocs[0]?.range ?? instruction.range)).toBe("3:0-4:0");
    expect(instruction.trigger?.heredocs).toEqual(instruction.heredocs);
  });
});

describe("heredocs", () => {
  const table: readonly (readonly [string, string, readonly string[]])[] = [
    ["quoted operator", "RUN echo '<<A'", []],
    ["JSON form", 'RUN ["sh", "-c", "<<A"]', []],
    ["three angles", "RUN cat <<<word", []],
    ["an unclosed quote on the line", "RUN echo 'x <<A", []],
    ["another instruction", "ENV a=<<A", []],
    ["file descriptor", "RUN cat 3<<A\n1\nA", ["A:3:true"]],
    ["blank before the word", "RUN cat << A\n1\nA", ["A:0:true"]],
    ["double quotes", 'RUN cat <<"A B"\n1\nA B', ["A B:0:false"]],
    ["a word in the middle", "COPY <<a.txt <<b.txt /d/\n1\na.txt\n2\nb.txt", ["a.txt:0:true", "b.txt:0:true"]],
  ];
  test.each(table)("%s", (_, text, expected) => {
    const { heredocs } = at(`FROM a\n${text}\n`, 1);
    expect(heredocs.map(({ name, fd, expand }) => `${name}:${String(fd)}:${String(expand)}`)).toEqual(expected);
  });
});

describe("directives", () => {
  test("are read in any order, with blanks, and honoured behind # syntax", () => {
    const dockerfile = parse("#  Syntax = a/b:1 \r\n# escape=`\r\nFROM a\nRUN b `\n c\n");
    expect(dockerfile.directives.map(({ name, value, range }) => [name, value, span(range)])).toEqual([
      ["syntax", "a/b:1", "1:0-1:18"],
      ["escape", "`", "2:0-2:10"],
    ]);
    expect(dockerfile.escape).toBe("`");
    expect(dockerfile.stages[0]?.instructions.length).toBe(2);
  });

  test.each([
    ["behind a comment", "# hello\n# escape=`\nFROM a\n"],
    ["behind an empty line", "\n# escape=`\nFROM a\n"],
    ["behind an unknown one", "# a=b\n# escape=`\nFROM a\n"],
    ["behind an instruction", "ARG a\n# escape=`\nFROM a\n"],
  ])("mean nothing %s", (_, source) => {
    expect(parse(source).escape).toBe("\\");
    expect(parse(source).directives).toEqual([]);
  });

  test("the syntax directive can be taken away with every line and the others kept", () => {
    const source = "# syntax=a\n# escape=`\nFROM a\nRUN b `\n c\n";
    const text = withoutSyntaxDirective(parse(source));
    expect(text).toBe("# escape=`\n#\nFROM a\nRUN b `\n c\n");
    expect(parse(text).escape).toBe("`");
    expect(withoutSyntaxDirective(parse("FROM a\n"))).toBe("FROM a\n");
  });
});

describe("errors", () => {
  const table: readonly (readonly [string, string, string | undefined, RegExp])[] = [
    ["", "EMPTY_DOCKERFILE", undefined, /no instruction/],
    ["# only\n\n", "EMPTY_DOCKERFILE", undefined, /no instruction/],
    ["ARG a\n", "NO_FROM", undefined, /no FROM/],
    ["RUN a\nFROM b\n", "INSTRUCTION_BEFORE_FROM", "1:0-1:3", /RUN/],
    ["FROM a\nRUNN b\n", "UNKNOWN_INSTRUCTION", "2:0-2:4", /RUNN: did you mean RUN\?/],
    ["FROM a\n&& b\n", "UNKNOWN_INSTRUCTION", "2:0-2:2", /&&/],
    ["FROM a\n\\\n", "UNKNOWN_INSTRUCTION", "2:0-2:1", /continues nothing/],
    ["FROM\n", "MISSING_ARGUMENTS", "1:0-1:4", /FROM/],
    ["FROM a b\n", "TOO_MANY_ARGUMENTS", "1:7-1:8", /three/],
    ["FROM a AS 1b\n", "BAD_STAGE_NAME", "1:10-1:12", /1b/],
    ["FROM a\nCOPY --form=b c d\n", "UNKNOWN_FLAG", "2:5-2:13", /--form: did you mean --from\?/],
    ["FROM a\nCOPY --link --link b c\n", "DUPLICATE_FLAG", "2:12-2:18", /twice/],
    ["FROM a\nCOPY --link=maybe b c\n", "BAD_FLAG", "2:5-2:17", /true or false/],
    ["FROM a\nCOPY --chown b c\n", "BAD_FLAG", "2:5-2:12", /needs a value/],
    ["FROM a\nRUN --network=all b\n", "BAD_FLAG", "2:4-2:17", /"all"/],
    ['FROM a\nRUN --mount=type=bind,\\"x b\n', "BAD_MOUNT", "2:4-2:25", /quote/],
    ["FROM a\nRUN --mount=from=$x b\n", "VARIABLE_IN_FROM", "2:4-2:19", /variables/],
    ["FROM a\nCOPY b\n", "MISSING_ARGUMENTS", "2:0-2:6", /destination/],
    ["FROM a\nCOPY b <<X\nX\n", "BAD_HEREDOC", "2:7-2:10", /destination/],
    ["FROM a\nENV\n", "MISSING_ARGUMENTS", "2:0-2:3", /ENV/],
    ["FROM a\nENV b\n", "BAD_KEY_VALUE", "2:4-2:5", /value/],
    ["FROM a\nENV b=1 c\n", "BAD_KEY_VALUE", "2:8-2:9", /name=value/],
    ["FROM a\nLABEL =b\n", "BAD_KEY_VALUE", "2:6-2:8", /blank/],
    ["FROM a\nARG =b\n", "BAD_KEY_VALUE", "2:4-2:6", /blank/],
    ["FROM a\nRUN <<X\nb\n", "UNTERMINATED_HEREDOC", "2:0-2:7", /X/],
    ["FROM a\nSHELL sh -c\n", "BAD_JSON_FORM", "2:0-2:11", /SHELL/],
    ["FROM a\nCMD [1]\n", "BAD_JSON_FORM", "2:4-2:7", /string/],
    ["FROM a\nHEALTHCHECK CMD\n", "BAD_HEALTHCHECK", "2:0-2:15", /command/],
    ["FROM a\nHEALTHCHECK NONE x\n", "BAD_HEALTHCHECK", "2:17-2:18", /NONE/],
    ["FROM a\nHEALTHCHECK curl x\n", "BAD_HEALTHCHECK", "2:12-2:16", /curl/],
    ["FROM a\nHEALTHCHECK --interval=1 CMD b\n", "BAD_FLAG", "2:12-2:24", /duration/],
    ["FROM a\nONBUILD FROM b\n", "BAD_TRIGGER", "2:8-2:12", /FROM/],
    ["FROM a\nONBUILD ONBUILD RUN b\n", "BAD_TRIGGER", "2:8-2:15", /ONBUILD/],
    ['FROM a\nVOLUME [""]\n', "BAD_VALUE", "2:8-2:10", /empty/],
    ["# escape=x\nFROM a\n", "BAD_DIRECTIVE", "1:0-1:10", /"x"/],
    ["# escape=`\n# escape=`\nFROM a\n", "DUPLICATE_DIRECTIVE", "2:0-2:10", /twice/],
    [`FROM a\nRUN ${"x".repeat(70_000)}\n`, "LINE_TOO_LONG", "2:0-2:0", /65535/],
    [`FROM a\nRUN ${"ü".repeat(40_000)}\n`, "LINE_TOO_LONG", "2:0-2:0", /65535/],
  ];
  test.each(table)("%j is %s", (source, code, range, message) => {
    const error = failure(source);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.file).toBe("Dockerfile");
    expect(error.source).toBe(source);
    const { start, end } = error.range ?? {};
    const found =
      start && end && `${String(start.line)}:${String(start.column)}-${String(end.line)}:${String(end.column)}`;
    expect(found).toBe(range);
  });

  test("what BuildKit takes is none", () => {
    const source = [
      "# syntax=some/frontend",
      "FROM a AS x",
      "FROM b AS X",
      "RUN --future=1 true",
      "RUN",
      "CMD []",
      "CMD ['a', 'b']",
      "ENV old form of it",
      "ONBUILD WHATEVER --x",
      "STOPSIGNAL --x 9",
      "HEALTHCHECK --anything NONE",
      `RUN ${"x".repeat(65_531)}`,
    ].join("\n");
    expect(all(parse(source)).length).toBe(11);
  });
});
