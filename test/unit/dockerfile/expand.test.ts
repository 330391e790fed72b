import { describe, expect, test } from "vitest";
import { expand, ExpansionError } from "../../../src/dockerfile/expand.js";

const variables = new Map([
  ["home", "/usr/local/lib"],
  ["empty", ""],
  ["file", "a.tar.gz"],
  ["two", "x  y"],
  ["ümlaut", "yes"],
  ["star", "a*b*c"],
]);
const text = (word: string, escape: "\\" | "`" = "\\"): string => expand(word, variables, { escape }).text;

describe("words", () => {
  const table: readonly (readonly [string, string])[] = [
    ["plain", "plain"],
    ["$home/x", "/usr/local/lib/x"],
    ["${home}x", "/usr/local/libx"],
    ["$homex", ""],
    ["$ümlaut", "yes"],
    ["$", "$"],
    ["a$", "a$"],
    ["$%", "$%"],
    ["$1x", "x"],
    ["$?x", "x"],
    ["\\$home", "$home"],
    ["\\a\\\\", "a\\"],
    ["end\\", "end"],
    ["'$home \\'", "$home \\"],
    ['"$home \\" \\a"', '/usr/local/lib " \\a'],
    ["\"it's\" 'q\"q'", "it's q\"q"],
    ["${empty:-w}", "w"],
    ["${empty-w}", ""],
    ["${none:-w}", "w"],
    ["${none-w}", "w"],
    ["${none-}", ""],
    ["${home:+w}", "w"],
    ["${empty:+w}", ""],
    ["${empty+w}", "w"],
    ["${none+w}", ""],
    ["${home:?no}", "/usr/local/lib"],
    ["${empty?no}", ""],
    ["${none:-$home}", "/usr/local/lib"],
    ["${none:-${empty:-${home}}}", "/usr/local/lib"],
    ["${none:-'a } b'}", "a } b"],
    ["${home#*/}", "usr/local/lib"],
    ["${home##*/}", "lib"],
    ["${home%/*}", "/usr/local"],
    ["${home%%/*}", ""],
    ["${file#a?}", "tar.gz"],
    ["${file%.gz}", "a.tar"],
    ["${file%%.*}", "a"],
    ["${file#b}", "a.tar.gz"],
    ["${star#*\\*}", "b*c"],
    ["${star##*\\*}", "c"],
    ["${home/l/L}", "/usr/Local/lib"],
    ["${home//l/L}", "/usr/LocaL/Lib"],
    ["${home//\\//-}", "-usr-local-lib"],
    ["${home/o*l/X}", "/usr/lXib"],
    ["${home/none/X}", "/usr/local/lib"],
    ["${file//?/x}", "xxxxxxxx"],
    ["${none/a/b}", ""],
    ["${file//./$none}", "atargz"],
  ];
  test.each(table)("%s gives %s", (word, expected) => {
    expect(text(word)).toBe(expected);
  });

  test("the backtick escapes where it is the escape character", () => {
    expect(text("`$home c:\\$empty", "`")).toBe("$home c:\\");
  });

  test("names that are used and not set are told apart", () => {
    const { used, unset } = expand("$home ${none:-$other}", variables, { escape: "\\" });
    expect([...used]).toEqual(["home"]);
    expect([...unset].sort()).toEqual(["none", "other"]);
  });

  test("unset variables, quotes and escapes can be kept", () => {
    const options = { escape: "\\", keepUnset: true, rawQuotes: true, rawEscapes: true } as const;
    expect(expand("$none ${none:-$x} '$home' \"$home\" \\a", variables, options).text).toBe(
      "$none ${none:-$x} '$home' \"/usr/local/lib\" \\a",
    );
    expect(expand("it's $home", variables, { escape: "\\", ignoreQuotes: true }).text).toBe("it's /usr/local/lib");
  });
});

describe("splitting", () => {
  const table: readonly (readonly [string, readonly string[]])[] = [
    ["a  b\tc", ["a", "b", "c"]],
    ["$two", ["x", "y"]],
    ['"$two"', ["x  y"]],
    ["a$two'b c'", ["ax", "yb c"]],
    ["a\\ b c", ["a b", "c"]],
    ["", []],
    ["$empty", []],
    ["x<< EOF y", ["x<< EOF", "y"]],
  ];
  test.each(table)("%s", (word, expected) => {
    expect(expand(word, variables, { escape: "\\" }).words).toEqual(expected);
  });
});

describe("errors", () => {
  const table: readonly (readonly [string, string])[] = [
    ["'open", "UNTERMINATED_QUOTE"],
    ['"open', "UNTERMINATED_QUOTE"],
    ["${", "BAD_SUBSTITUTION"],
    ["${}", "BAD_SUBSTITUTION"],
    ["${:x}", "BAD_SUBSTITUTION"],
    ["${home", "BAD_SUBSTITUTION"],
    ["${home:", "BAD_SUBSTITUTION"],
    ["${home:-x", "BAD_SUBSTITUTION"],
    ["${home!x}", "BAD_SUBSTITUTION"],
    ["${home:#x}", "BAD_SUBSTITUTION"],
    ["${home/x}", "BAD_SUBSTITUTION"],
    ["${home#\\x}", "BAD_SUBSTITUTION"],
    ["${none:?}", "REQUIRED_VARIABLE"],
    ["${empty:?why}", "REQUIRED_VARIABLE"],
    ["${a:-".repeat(20_000), "BAD_SUBSTITUTION"],
  ];
  test.each(table)("%s", (word, code) => {
    let found: unknown;
    try {
      text(word);
    } catch (error) {
      found = error;
    }
    expect(found).toBeInstanceOf(ExpansionError);
    expect((found as ExpansionError).code).toBe(code);
  });
});
