import { describe, expect, it } from "vitest";
import { parseCondition, parseSize, type ConditionFacts } from "../../../src/debugger/condition.js";
import { UsageError } from "../../../src/errors.js";

const values = new Map([
  ["NODE_ENV", "production"],
  ["VERSION", "1.24.3"],
  ["EMPTY", ""],
]);

/** Facts that tell what was asked of them. */
function facts(asked: string[] = []): ConditionFacts {
  return {
    escape: "\\",
    variables: async () => ({ get: (name) => values.get(name) }),
    cached: async () => {
      asked.push("cached");
      return true;
    },
    changed: async (path) => {
      asked.push(`changed ${path}`);
      return path === "/etc/passwd";
    },
    exists: async (path) => path === "/app/dist",
    size: async () => 60e6,
  };
}

describe("a breakpoint's condition", () => {
  it.each([
    ["$NODE_ENV == production", true],
    ["$NODE_ENV==production", true],
    ["${NODE_ENV} != 'production'", false],
    ['$NODE_ENV == "dev"', false],
    ["$VERSION =~ ^1[.]24", true],
    ['$VERSION =~ "^2"', false],
    ["${VERSION%.*} == 1.24", true],
    ["${NONE:-x} == x", true],
    ["$EMPTY", false],
    ["$NONE", false],
    ["!$NONE", true],
    ["$NODE_ENV", true],
    ["cached", true],
    ["!cached", false],
    ["changed(/etc/passwd)", true],
    ["changed(/etc/group)", false],
    ["exists(/app/dist)", true],
    ["exists( '/app/src' )", false],
    ["size > 50MB", true],
    ["size>=60MB", true],
    ["size < 1GiB && cached", true],
    ["size == 0", false],
    ["!cached || size > 1MB", true],
    ["!(cached && size > 1MB)", false],
    ["$EMPTY == ''", true],
  ])("%s is %s", async (text, result) => {
    expect(await parseCondition(text)(facts())).toBe(result);
  });

  it("asks for no more than it needs", async () => {
    const asked: string[] = [];
    await parseCondition("$NONE && changed(/x) || cached")(facts(asked));
    expect(asked).toEqual(["cached"]);
  });

  it.each([
    ["", "is empty"],
    ["production", "is no condition"],
    ["$A ==", "ends too early"],
    ["$A = b", "cannot be read"],
    ["size", "size is compared"],
    ["size > big", "is no size"],
    ["changed(/x", ") is missing"],
    ["(cached", ") is missing"],
    ["cached cached", "not expected"],
    ["$A =~ (", "not expected"],
    ['$A =~ "("', "regular expression"],
    ["'open", "cannot be read"],
  ])("%j %s", (text, message) => {
    expect(() => parseCondition(text)).toThrow(UsageError);
    expect(() => parseCondition(text)).toThrow(message);
  });

  it.each([
    ["1024", 1024],
    ["50MB", 50e6],
    ["1.5GiB", 1.5 * 2 ** 30],
    ["3kb", 3000],
    ["x", undefined],
    ["5 MB", undefined],
    ["5XB", undefined],
  ])("size %s", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });
});
