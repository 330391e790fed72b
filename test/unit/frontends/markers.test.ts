import { describe, expect, it } from "vitest";
import { MarkerScanner } from "../../../src/frontends/terminal/shell/markers.js";
import { words } from "../../../src/debugger/commands/table.js";

const output =
  "\x1b]6974;ash\x07welcome\x1b[1m\x1b]133;D;3;e:  5  echo %25%0Atwo\x07\x1b]133;A\x07step 1 $ \x1b]0;title\x07\x1b[?2004hend";

describe("MarkerScanner", () => {
  it("takes marks out and leaves everything else, wherever chunks are cut", () => {
    const bytes = Buffer.from(output);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const scanner = new MarkerScanner();
      const parts = [scanner.take(bytes.subarray(0, cut)), scanner.take(bytes.subarray(cut))];
      expect(Buffer.concat(parts.map((part) => part.output)).toString()).toBe(
        "welcome\x1b[1mstep 1 $ \x1b]0;title\x07\x1b[?2004hend",
      );
      expect(parts.flatMap((part) => part.marks)).toEqual([
        { type: "kind", kind: "ash" },
        { type: "ended", exitCode: 3, history: "  5  echo %\ntwo" },
        { type: "prompt" },
        { type: "paste", enabled: true },
      ]);
    }
  });
});

describe("words", () => {
  it("splits a command line, quotes kept together", () => {
    expect(words(`cp "a b" 'c d' e`)).toEqual(["cp", "a b", "c d", "e"]);
  });
});
