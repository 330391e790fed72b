import { describe, expect, it } from "vitest";
import { needsBraces, onOneLine, simpleCommands } from "../../../src/dockerfile/shell-commands.js";
import { strictOptions, typedText, withoutStrictText } from "../../../src/dockerfile/strict-shell.js";
import { parseInstruction } from "../../../src/dockerfile/parse.js";

describe("commands of a shell text", () => {
  it.each<[string, string[]]>([
    ["a && b | c; d", ["a", "b", "c", "d"]],
    ["if [ -f x ]; then touch y; else rm z; fi", ["[ -f x ]", "touch y", "rm z", ""]],
    ["for f in a b; do touch $f; done; ls", ["for f in a b", "touch $f", "", "ls"]],
    ["while ! test -e x\ndo\n  sleep 1\ndone", ["test -e x", "", "sleep 1", ""]],
    ["(cd x && make) 2>&1 | tee log", ["cd x", "make", "2>&1", "tee log"]],
    ["{ a; b; }", ["a", "b", ""]],
    ["echo 'a; b' \"c && $(d; e)\" f\\;g $(h | i)", ["echo 'a; b' \"c && $(d; e)\" f\\;g $(h | i)"]],
    ["a # b; c\nd", ["a", "d"]],
  ])("%s", (text, expected) => {
    expect(simpleCommands(text)?.map((one) => one.text)).toEqual(expected);
  });

  it.each(["cat <<E\na\nE", "case x in a) b;; esac", "echo 'a", "echo 'a\nb'", "echo $(a"])(
    "gives up on %j",
    (text) => {
      expect(simpleCommands(text)).toBeUndefined();
    },
  );

  it.each<[string, string]>([
    ["if true; then\n  touch /x\nfi\nmkdir /y\n", "if true; then touch /x; fi; mkdir /y"],
    ["for f in a b\ndo\n\ttouch $f\ndone", "for f in a b; do touch $f; done"],
    ["a &&\n  b |\n c \\\n  d", "a && b | c   d"],
    ["# first\na # second\n\nb", "a; b"],
    ["{\n  a\n  b\n}", "{ a; b; }"],
    ["a;\nb;", "a; b"],
    ["a <<< b", "a <<< b"],
    ["words=(a b) && print /no/*(N) $words[2]", "words=(a b) && print /no/*(N) $words[2]"],
    ["(\n  cd x\n  make\n)", "( cd x; make; )"],
  ])("%j on one line", (text, expected) => {
    expect(onOneLine(text)).toBe(expected);
  });

  it.each(["sleep 1 &", "", "words=(a\nb)", "cat <<E\na\nE"])("%j is not put on one line", (text) => {
    expect(onOneLine(text)).toBeUndefined();
  });

  it.each<[string, boolean]>([
    ["a", false],
    ["a && b | c", false],
    ["if a; then b; fi", false],
    ["if a; then b; fi && c", false],
    ["if a; then b; fi; c", true],
    ["a; b", true],
    ["a || b", true],
  ])("%s in braces: %j", (text, expected) => {
    expect(needsBraces(text)).toBe(expected);
  });
});

describe("what is typed where SHELL is strict", () => {
  const strict = ["/bin/bash", "-euo", "pipefail", "-c"];
  const run = (text: string) => parseInstruction(`RUN ${text}`, { file: "Dockerfile" });

  it.each<[string[], string]>([
    [strict, "eu"],
    [["/bin/sh", "-e", "-c"], "e"],
    [["/bin/bash", "-o", "errexit", "-o", "nounset", "-c"], "eu"],
    [["/bin/bash", "-o", "pipefail", "-c"], ""],
    [["/bin/sh", "-c"], ""],
    [["powershell", "-ExecutionPolicy", "Bypass", "-Command"], ""],
  ])("%j has %j", (shell, expected) => {
    expect(strictOptions(shell)).toBe(expected);
  });

  it.each<[string, string]>([
    ["a; b", "(set -e; a; b)"],
    ["a $X", "(set -u; a $X)"],
    ["a $X; b", "(set -eu; a $X; b)"],
    ["a && b || c", "a && b || c"],
    ["a 2>&1 | b", "a 2>&1 | b"],
    ["echo '$X'", "echo '$X'"],
    ['["a", "b; c"]', "a 'b; c'"],
    ["a; b # c", "a; b # c"],
  ])("RUN %s is typed as %s, and known again", (text, expected) => {
    const { joined } = typedText(run(text), strict);
    expect(joined).toBe(expected);
    expect(withoutStrictText(expected)).toBe(text.startsWith("[") ? expected : text);
  });

  it("takes several lines and heredocs into the subshell", () => {
    const heredoc = run("cat <<E > x; cat x\na\nE");
    const { whole } = typedText(heredoc, strict);
    expect(whole).toBe("(set -e\ncat <<E > x; cat x\na\nE\n)");
    expect(withoutStrictText(whole)).toBe("cat <<E > x; cat x\na\nE");
    const bare = run("<<E\na\nb\nE");
    expect(typedText(bare, strict).whole).toBe("/bin/bash -euo pipefail <<'E'\na\nb\nE");
  });
});
