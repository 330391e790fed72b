import { describe, expect, it } from "vitest";
import { matchSpec, parseSpec } from "../../../src/debugger/spec.js";
import { UsageError } from "../../../src/errors.js";
import { FakeBuild } from "../../support/fake-engine.js";

const build = new FakeBuild(
  [
    "# first",
    "FROM scratch AS deps",
    "RUN write /a 1",
    "FROM scratch AS unneeded",
    "RUN write /x 1",
    "FROM deps AS build",
    "RUN write /b 1 \\",
    "  && more",
    "RUN npm ci",
    "FROM scratch",
    "COPY --from=build /b /b",
    'CMD ["/b"]',
  ].join("\n"),
);

const match = (text: string): readonly number[] => matchSpec(parseSpec(text), build);

describe("SPEC", () => {
  it.each([
    ["1", [1]],
    ["8", [8]],
    [":2", [1]],
    [":8", [4]],
    ["Dockerfile:7", [4]],
    ["deps", [1]],
    ["DEPS", [1]],
    ["build/3", [5]],
    ["stage-3", [6]],
    ["stage-3/2", [7]],
    ["RUN", [2, 4, 5]],
    ["copy", [7]],
    ["FROM", [1, 3, 6]],
    ["/npm ci/", [5]],
    ["/NPM/i", [5]],
    ["/more/", [4]],
    ["end", [9]],
  ])("%s", (text, steps) => {
    expect(match(text)).toEqual(steps);
  });

  it.each([
    ["9", /no step 9/, /1 to 8/],
    ["0", /no step 0/, /1 to 8/],
    [":1", /belongs to no step/, /:2, FROM scratch AS deps/],
    [":5", /does not need stage unneeded/, /Lines of instructions are 2, 3, 6/],
    ["Other:7", /the Dockerfile is Dockerfile/, /:7/],
    ["bild", /did you mean build/, /Stages are deps, build, stage-3/],
    ["unneeded", /does not need stage unneeded/, /It needs deps, build, stage-3/],
    ["build/9", /has no step 9/, /build\/1 to build\/3/],
    ["/yarn/", /no instruction matches/, /RUN npm ci/],
    ["VOLUME", /no stage and no instruction/, /Instructions are FROM, RUN, COPY, CMD/],
  ])("%s matches nothing, and says what would", (text, message, hint) => {
    const error = thrown(() => match(text));
    expect(error).toMatchObject({ code: "NO_MATCH" });
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
  });

  it.each(["", "  ", "if $X", "RUN if", "/open", "/(/", "build/x", "a b", "7 8"])("%j cannot be read", (text) => {
    expect(thrown(() => parseSpec(text))).toMatchObject({ code: "BAD_SPEC", exitCode: 2 });
  });

  it("has a condition behind if", () => {
    expect(parseSpec("RUN if $NODE_ENV == production")).toMatchObject({
      text: "RUN",
      condition: "$NODE_ENV == production",
    });
    expect(parseSpec("/a if b/ if cached")).toMatchObject({ text: "/a if b/", condition: "cached" });
    expect(parseSpec("/a\\/b/")).toMatchObject({ text: "/a\\/b/", condition: undefined });
  });
});

function thrown(run: () => unknown): UsageError {
  try {
    run();
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
