import { describe, expect, it } from "vitest";
import { HistoryReader } from "../../../../src/frontends/terminal/shell/history-reader.js";

describe("what a shell tells of its history", () => {
  it("is read as bash tells it, several lines and several entries included", () => {
    const reader = new HistoryReader();
    expect(reader.take("")).toBeUndefined();
    expect(reader.take("    1  \x1els")).toBe("ls");
    expect(reader.take("    1  \x1els")).toBeUndefined();
    expect(reader.take("    1  \x1els\n    2  \x1eif a\nthen\n   3  b\nfi\n    3* \x1ec")).toBe(
      "if a\nthen\n   3  b\nfi\nc",
    );
  });

  it("is read as ash tells it, a full history included", () => {
    const reader = new HistoryReader();
    expect(reader.take("   0 ls\x1e")).toBe("ls");
    expect(reader.take("   0 ls\x1e   1 if a\x1e   2 then b; fi\x1e")).toBe("if a\nthen b; fi");
    expect(reader.take("   1 then b; fi\x1e   2 c\x1e")).toBe("c");
    expect(reader.take("   1 then b; fi\x1e   2 c\x1e")).toBeUndefined();
  });

  it("is read as zsh tells it", () => {
    const reader = new HistoryReader();
    expect(reader.take("1  a\nb")).toBe("a\nb");
    expect(reader.take("1  a\nb")).toBeUndefined();
    expect(reader.take("2  a\nb")).toBe("a\nb");
  });
});
