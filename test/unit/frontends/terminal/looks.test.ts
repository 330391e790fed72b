import { describe, expect, it } from "vitest";
import { DetachKeys, parseDetachKeys } from "../../../../src/frontends/terminal/detach-keys.js";
import { binarySize, decimalSize } from "../../../../src/frontends/terminal/docker-units.js";
import { tableLines } from "../../../../src/frontends/terminal/table.js";
import { detectStyle } from "../../../../src/frontends/terminal/style.js";
import { sourceLines } from "../../../../src/frontends/terminal/error-text.js";
import { textWidth, wrapText, wrapValue } from "../../../../src/frontends/terminal/width.js";

describe("detach keys", () => {
  it("are docker's form", () => {
    expect([...parseDetachKeys("ctrl-p,ctrl-q")]).toEqual([0x10, 0x11]);
    expect([...parseDetachKeys("ctrl-@,a,ctrl-],ctrl-\\")]).toEqual([0, 0x61, 0x1d, 0x1c]);
    expect(() => parseDetachKeys("ctrl-1")).toThrow("is no key");
  });

  it("are found over several reads; what only began like them is passed on", () => {
    const keys = new DetachKeys(parseDetachKeys("ctrl-p,ctrl-q"));
    expect(keys.take(Buffer.from("a\x10"))).toEqual({ pass: Buffer.from("a"), detached: false });
    expect(keys.take(Buffer.from("b\x10\x10"))).toEqual({ pass: Buffer.from("\x10b\x10"), detached: false });
    expect(keys.take(Buffer.from("\x11c"))).toEqual({ pass: Buffer.alloc(0), detached: true });
  });
});

describe("docker's units", () => {
  it.each([
    [0, "0B", "0B"],
    [1023, "1023B", "1.02kB"],
    [1024, "1KiB", "1.02kB"],
    [8912896, "8.5MiB", "8.91MB"],
    [25276026880, "23.54GiB", "25.3GB"],
  ])("%d", (bytes, binary, decimal) => {
    expect([binarySize(bytes), decimalSize(bytes)]).toEqual([binary, decimal]);
  });
});

describe("a table", () => {
  it("has columns, and takes no orders from its cells", () => {
    expect(
      tableLines(
        ["PID", "COMMAND"],
        [
          ["1", "sh\x1b]0;title\x07 -c\n"],
          ["4711", "日本"],
        ],
        { right: [0] },
      ),
    ).toEqual([" PID  COMMAND", "   1  sh -c", "4711  日本"]);
  });

  it("is cut to the terminal's width", () => {
    expect(tableLines([], [["a", "a long text"]], { width: 8 })).toEqual(["a  a lo…"]);
  });
});

describe("an excerpt of a Dockerfile", () => {
  it.each([31, 32, 33, 34, 200])("is no wider than the terminal, with a line of %d columns", (length) => {
    const source = `${"FROM a\n".repeat(9)}RUN ${"x".repeat(length - 4)}\n`;
    const range = { start: { line: 10, column: 0 }, end: { line: 10, column: length } };
    const lines = sourceLines(source, range, detectStyle({}, {}), { context: 1, width: 40 });
    expect(Math.max(...lines.map(textWidth))).toBeLessThanOrEqual(40);
  });
});

describe("a name and its value", () => {
  it("goes on below the value", () => {
    expect(wrapValue("  capabilities  CHOWN KILL SETUID MKNOD", 34)).toEqual([
      "  capabilities  CHOWN KILL SETUID",
      "                MKNOD",
    ]);
    expect(wrapValue("  a  b", 30)).toEqual(["  a  b"]);
  });

  it("is cut where there is no room for that", () => {
    expect(wrapValue("  capabilities  CHOWN KILL SETUID", 25)).toEqual(["  capabilities  CHOWN KI…"]);
    expect(wrapValue("no value at all", 10)).toEqual(["no value …"]);
  });

  it("wraps a text below its values and its first words, and cuts nothing", () => {
    expect(
      wrapText("  \x1b[1mCMD\x1b[0m  a program that is not there at all\n    and a hint of some words\nshort\n", {
        columns: 26,
      }),
    ).toBe(
      "  \x1b[1mCMD\x1b[0m  a program that is\n       not there at all\n    and a hint of some\n    words\nshort\n",
    );
    expect(wrapText("a /very/long/path/that/is/one/word", { columns: 20 })).toBe("a\n/very/long/path/that/is/one/word");
    expect(wrapText("one  two", {})).toBe("one  two");
  });
});
