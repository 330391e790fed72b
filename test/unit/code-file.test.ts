import { describe, expect, it } from "vitest";
import { joinCode, splitCode } from "../../src/code-file.js";

const code = new Map([
  ["main.js", Buffer.from("of main")],
  ["empty.js", Buffer.alloc(0)],
  ["build-ABC.js", Buffer.from([0, 255, 10, 13, 0])],
]);

describe("a code file", () => {
  it("gives back what was put in", () => {
    expect(splitCode(joinCode(code))).toEqual(code);
    expect(splitCode(joinCode(new Map()))).toEqual(new Map());
  });

  it("begins each chunk's code at a multiple of eight", () => {
    const file = joinCode(code);
    for (const bytes of code.values()) if (bytes.length > 0) expect(file.indexOf(bytes) % 8).toBe(0);
  });

  it("is as good as none where it is not there or no such file", () => {
    for (const file of [
      undefined,
      Buffer.alloc(0),
      Buffer.from("abc"),
      Buffer.from("no code file at all"),
      Buffer.alloc(64),
    ])
      expect(splitCode(file).size).toBe(0);
  });

  it("gives only what is whole of a file that is cut short", () => {
    const file = joinCode(code);
    expect([...splitCode(file.subarray(0, file.length - 4)).keys()]).toEqual(["main.js", "empty.js"]);
  });
});
