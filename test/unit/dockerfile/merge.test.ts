import { describe, expect, it } from "vitest";
import { mergeTexts } from "../../../src/dockerfile/merge.js";

const base = "FROM a\nRUN b\n\nRUN c\nRUN d\n";

describe("mergeTexts", () => {
  it.each<[string, string, string, string, boolean]>([
    [
      "changes of other lines",
      "FROM a\nRUN b2\n\nRUN c\nRUN d\n",
      "FROM a\nRUN b\n\nRUN c\nRUN d2\n",
      "FROM a\nRUN b2\n\nRUN c\nRUN d2\n",
      false,
    ],
    [
      "lines that were added above",
      base.replace("RUN c", "RUN c &&\\\n  x"),
      `# new\n${base}`,
      `# new\n${base.replace("RUN c", "RUN c &&\\\n  x")}`,
      false,
    ],
    [
      "lines that were added at the end",
      base.replace("RUN b", "RUN y"),
      `${base}RUN e`,
      `${base.replace("RUN b", "RUN y")}RUN e`,
      false,
    ],
    [
      "lines that are gone",
      base.replace("RUN b", "RUN y"),
      base.replace("RUN d\n", ""),
      base.replace("RUN b", "RUN y").replace("RUN d\n", ""),
      false,
    ],
    ["the same change", base.replace("b", "z"), base.replace("b", "z"), base.replace("b", "z"), false],
    ["the same lines", base.replace("b", "y"), base.replace("b", "z"), base.replace("b", "y"), true],
    [
      "a line that is gone",
      base.replace("RUN b", "RUN y"),
      base.replace("RUN b\n", ""),
      base.replace("RUN b", "RUN y"),
      true,
    ],
    ["an empty file", base.replace("b", "y"), "", base.replace("b", "y"), true],
  ])("%s", (_name, ours, theirs, text, conflicts) => {
    expect(mergeTexts(base, ours, theirs)).toEqual({ text, conflicts });
  });
});
