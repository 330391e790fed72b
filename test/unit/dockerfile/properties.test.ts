import { DockerfileParser } from "dockerfile-ast";
import { describe, expect, test } from "vitest";
import { caret, excerpt } from "../../../src/dockerfile/excerpt.js";
import { parseDockerfile } from "../../../src/dockerfile/parse.js";
import { planBuild } from "../../../src/dockerfile/plan.js";
import type { Dockerfile, Instruction } from "../../../src/dockerfile/syntax.js";
import { DockerfileError } from "../../../src/errors.js";

/** A small seeded generator (mulberry32): every run sees the same Dockerfiles. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return Math.floor((((value ^ (value >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const pieces = [
  "RUN a",
  "RUN a \\\n  b",
  "RUN a && \\\n# comment\n\n  b \\ \n c",
  'RUN ["a", \\\n "b"]',
  "RUN <<E cat <<-'F'\nx\nE\n\ty\n\tF",
  "COPY --from=busybox --chown=1 a \\\n b /c/",
  "COPY <<x.txt /x\nüñ😀\nx.txt",
  "ENV a=1 \\\n  b='x y'",
  "ENV old  form",
  'LABEL a.b="c" d=e',
  "ARG x=1 y",
  "ONBUILD RUN a \\\n b",
  "HEALTHCHECK --interval=3s CMD a b",
  "WORKDIR /a b",
  "EXPOSE 80 81/udp",
  "VOLUME /a /b",
  "USER x",
  "# comment \\",
  "",
  "   ",
];

function generate(seed: number): string {
  const next = random(seed);
  const eol = next(3) === 0 ? "\r\n" : "\n";
  const lines = ["FROM busybox AS s0"];
  for (let count = next(20); count > 0; count--) {
    lines.push("\t".repeat(next(2)) + (pieces[next(pieces.length)] ?? ""));
    if (next(6) === 0) lines.push(`FROM s${String(0)} AS s${String(count)}x`);
  }
  return lines.join("\n").replaceAll("\n", eol) + (next(2) === 0 ? eol : "");
}

const instructionsOf = (dockerfile: Dockerfile): Instruction[] => [
  ...dockerfile.globalArgs,
  ...dockerfile.stages.flatMap(({ instructions }) => instructions),
];

const seeds = Array.from({ length: 400 }, (_, index) => index + 1);

describe("random Dockerfiles", () => {
  test("instructions and what stands between them make the source, and every range shows its text", () => {
    for (const seed of seeds) {
      const source = generate(seed);
      let end = 0;
      let text = "";
      for (const instruction of instructionsOf(parseDockerfile(source, { file: "f" }))) {
        const { range } = instruction;
        const between = source.slice(end, range.start.offset);
        for (const line of between.split("\n")) expect(line.trim()).toMatch(/^(#.*)?$/);
        text += between + instruction.source;
        end = range.end.offset;
        for (const each of [range, instruction.keywordRange, ...instruction.args.map((arg) => arg.range)]) {
          for (const { line, column, offset } of [each.start, each.end]) {
            const before = source.slice(0, offset);
            expect(before.split("\n").length).toBe(line);
            expect(offset - (before.lastIndexOf("\n") + 1)).toBe(column);
          }
        }
        for (const arg of instruction.args) {
          const written = source.slice(arg.range.start.offset, arg.range.end.offset);
          if (!written.includes("\n")) expect(written).toBe(arg.text);
        }
      }
      expect(text + source.slice(end)).toBe(source);
    }
  });

  test("dockerfile-ast finds the same instructions on the same first lines", () => {
    for (const seed of seeds) {
      const source = generate(seed);
      if (source.includes("<<")) continue;
      const ours = instructionsOf(parseDockerfile(source, { file: "f" })).map(
        (instruction) => `${instruction.keyword} ${String(instruction.range.start.line)}`,
      );
      const theirs = DockerfileParser.parse(source)
        .getInstructions()
        .map((instruction) => `${instruction.getKeyword()} ${String(instruction.getRange().start.line + 1)}`);
      expect(ours).toEqual(theirs);
    }
  });

  test("every plan's steps need only earlier ones", () => {
    for (const seed of seeds) {
      const { steps } = planBuild(parseDockerfile(generate(seed), { file: "f" }), { buildArgs: new Map() });
      steps.forEach((step, index) => {
        expect(step.number).toBe(index + 1);
        for (const needed of step.dependsOn) expect(needed).toBeLessThan(step.number);
      });
    }
  });
});

describe("nonsense", () => {
  test("is refused with a DockerfileError or parsed, never anything else", () => {
    const alphabet = [
      "FROM ",
      "RUN ",
      "COPY ",
      "ENV ",
      "ONBUILD ",
      "<<",
      "-",
      "E",
      "\n",
      "\n",
      "\r",
      "\\",
      "`",
      "'",
      '"',
    ];
    const more = [
      "$",
      "{",
      "}",
      "[",
      "]",
      ",",
      "=",
      "#",
      " ",
      "\t",
      "\0",
      "\ufeff",
      "\ud800",
      "😀",
      "escape",
      "--from",
      "a",
    ];
    const characters = [...alphabet, ...more];
    let parsed = 0;
    for (let seed = 1; seed <= 6000; seed++) {
      const next = random(seed);
      const prefix = next(2) === 0 ? "FROM a\n" : "";
      const source =
        prefix + Array.from({ length: next(60) }, () => characters[next(characters.length)] ?? "").join("");
      try {
        planBuild(parseDockerfile(source, { file: "f" }), { buildArgs: new Map() });
        parsed++;
      } catch (error) {
        if (!(error instanceof DockerfileError)) throw error;
      }
    }
    expect(parsed).toBeGreaterThan(100);
  });

  test("takes linear work", () => {
    // A quadratic parser would need minutes for each of these, and the test's time limit is 20 seconds for all.
    const size = 300_000;
    const adversaries = [
      "x".repeat(10 * size),
      `FROM a\nRUN ${"a \\\n".repeat(size)}`,
      `FROM a\nRUN x \\\n${"\n".repeat(size)}`,
      `FROM a\nRUN x \\\n${"#\n".repeat(size)}`,
      `FROM a\nENV ${"a=b \\\n".repeat(size / 4)}`,
      `FROM a\nCOPY ${"a \\\n".repeat(size / 4)} /b`,
      `FROM a\nRUN <<E\n${"x\n".repeat(size)}`,
      `FROM a\nRUN ${"<<".repeat(30_000)}`,
      `FROM a\nRUN <<${" ".repeat(60_000)}<`,
      `FROM a\nRUN ${"${a:-".repeat(12_000)} <<E`,
      `FROM a\nRUN ${"'".repeat(60_001)}`,
      `FROM a\nCMD ["a", ${'"b", \\\n'.repeat(size / 8)} "c"]`,
      `FROM a\nCOPY --exclude=${"\\".repeat(60_000)} a b`,
      `#escape=${" ".repeat(60_000)}x\nFROM a`,
      `FROM a\n${"RUN b\n".repeat(size / 10)}`,
      "\n".repeat(5 * size),
    ];
    for (const source of adversaries) {
      try {
        parseDockerfile(source, { file: "f" });
      } catch (error) {
        if (!(error instanceof DockerfileError)) throw error;
      }
    }
  });
});

describe("excerpt and caret", () => {
  const source = "FROM a\n\tRUN 漢字 && bad\nCMD x\n";
  const start = source.indexOf("bad") - source.indexOf("\t");
  const range = { start: { line: 2, column: start }, end: { line: 2, column: start + 3 } };

  test("mark the range, tabs and wide characters counted as they are shown", () => {
    expect(excerpt(source, range, { context: 1 })).toEqual([
      { line: 1, text: "FROM a", marked: false },
      { line: 2, text: "    RUN 漢字 && bad", marked: true },
      { line: 3, text: "CMD x", marked: false },
    ]);
    expect(caret(source, range)).toEqual({
      line: 2,
      text: "    RUN 漢字 && bad",
      carets: `${" ".repeat(16)}^^^`,
    });
  });

  test("cut long lines around the range, and let no control character through", () => {
    const long = `RUN ${"x".repeat(50_000)}bad\x1b[2J${"y".repeat(5000)}`;
    const column = long.indexOf("bad");
    const shown = caret(long, { start: { line: 1, column }, end: { line: 1, column: column + 3 } }, { width: 60 });
    expect(shown.text.length).toBeLessThanOrEqual(60);
    expect(shown.text).toContain("bad\ufffd[2J");
    expect(shown.text.slice(shown.carets.indexOf("^"), shown.carets.length)).toBe("bad");
  });

  test("show the ends of a long range, and survive a range beyond the file", () => {
    const lines = Array.from({ length: 100 }, (_, index) => `L${String(index + 1)}`).join("\n");
    const numbers = excerpt(lines, { start: { line: 10, column: 0 }, end: { line: 90, column: 2 } }).map(
      ({ line }) => line,
    );
    expect([numbers.length, numbers[0], numbers.at(-1)]).toEqual([24, 8, 92]);
    expect(excerpt("a\n", { start: { line: 9, column: 0 }, end: { line: 9, column: 1 } })).toEqual([]);
    expect(caret("", { start: { line: 1, column: 0 }, end: { line: 1, column: 0 } }).carets).toBe("^");
  });
});
