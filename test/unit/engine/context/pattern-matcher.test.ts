import { describe, expect, test } from "vitest";
import { PatternMatcher } from "../../../../src/engine/context/pattern-matcher.js";

/** The last word on each path, asked for folder by folder as a walk does, and at once; both must agree. */
function isExcluded(patterns: readonly string[], path: string): boolean {
  const matcher = new PatternMatcher(patterns);
  let parent: Uint8Array | undefined;
  let verdict = false;
  const names = path.split("/");
  for (let depth = 1; depth <= names.length; depth++) {
    const flags = new Uint8Array(matcher.patterns.length);
    verdict = matcher.evaluate(names.slice(0, depth).join("/"), parent, flags);
    parent = flags;
  }
  expect(matcher.matches(path)).toBe(verdict);
  return verdict;
}

describe("patterns", () => {
  test.each([
    ["node_modules", "node_modules/left-pad/index.js", true],
    ["node_modules", "web/node_modules", false],
    ["**/node_modules", "web/node_modules/a", true],
    ["*.log", "debug.log", true],
    ["*.log", "logs/debug.log", false],
    ["*/*.log", "logs/debug.log", true],
    ["**/*.log", "debug.log", true],
    ["**/*.log", "a/b/debug.log", true],
    ["**.log", "a/debug.log", true],
    ["a/**", "a", false],
    ["a/**", "a/b/c", true],
    ["a**", "abc/d", true],
    ["a/**/z", "a/z", true],
    ["a/**/z", "a/b/c/z", true],
    ["temp?", "temp1", true],
    ["temp?", "temp", false],
    ["temp?", "temp/", true],
    ["[a-c]x", "bx", true],
    ["[^a-c]x", "bx", false],
    ["v[0-9].[0-9]", "v1.2", true],
    ["v[0-9].[0-9]", "v1x2", false],
    ["a\\*b", "a*b", true],
    ["a\\*b", "axb", false],
    ["[]]", "]", true],
    ["a+(b).txt", "a+(b).txt", true],
    ["a+(b)*", "a+(b).txt", true],
    ["données/*", "données/é.txt", true],
    ["?.txt", "😀.txt", true],
    ["./a/../b/", "b/c", true],
    [" spaced ", "spaced", true],
    // moby leaves a bar as it is, and so it makes alternatives of the whole pattern.
    ["a|b*", "a", true],
  ])("%j on %j: %j", (pattern, path, expected) => {
    const clean = path.endsWith("/") ? path.slice(0, -1) : path;
    expect(isExcluded([pattern], clean)).toBe(path.endsWith("/") ? !expected : expected);
  });

  test.each([["!"], ["a\\"], ["["], ["*["], ["[z-a]*"], ["\\y*"]])("%j is refused", (pattern) => {
    expect(() => new PatternMatcher([pattern])).toThrowError(/is invalid/);
  });

  test("the last match decides, also below an excluded folder", () => {
    const patterns = ["docs", "!docs/README.md", "docs/README.md/never"];
    expect(isExcluded(patterns, "docs/guide.md")).toBe(true);
    expect(isExcluded(patterns, "docs/README.md")).toBe(false);
    expect(isExcluded(["*", "!src", "src/secret"], "src/a/b")).toBe(false);
    expect(isExcluded(["*", "!src", "src/secret"], "src/secret/key")).toBe(true);
    expect(isExcluded(["!a", "a"], "a/b")).toBe(true);
  });

  test("blank patterns are left out", () => {
    expect(new PatternMatcher(["", "  ", "a"]).patterns).toHaveLength(1);
  });
});

describe("what a walk may skip", () => {
  test.each([
    [["node_modules", "!*.md"], "node_modules", false],
    [["node_modules", "!**/*.md"], "node_modules", true],
    [["node_modules", "!node_modules/keep"], "node_modules", true],
    [["node_modules", "!node_modules/keep"], "node_modules/other", false],
    [["node_modules", "!node_modules/*/keep"], "node_modules/other", true],
    [["node_modules", "!n*/[ab]/keep"], "node_modules/other", true],
    [["node_modules"], "node_modules", false],
  ])("%j: exceptions inside %j: %j", (patterns, folder, expected) => {
    expect(new PatternMatcher(patterns).mayTakeBackInside(folder)).toBe(expected);
  });

  test.each([
    [["src/a.txt"], "src", true],
    [["src/a.txt"], "lib", false],
    [["src/a.txt"], "src/deep", false],
    [["*/a.txt"], "lib", true],
    [["*/a.txt"], "lib/deep", false],
    [["**/a.txt"], "lib/deep", true],
    [["^lib/*"], "lib", true],
  ])("%j: matches inside %j: %j", (patterns, folder, expected) => {
    expect(new PatternMatcher(patterns).mayMatchInside(folder)).toBe(expected);
  });
});
