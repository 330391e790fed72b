import { describe, expect, it } from "vitest";
import { imageNames } from "../../../src/dockerfile/image-names.js";
import { parseDockerfile } from "../../../src/dockerfile/parse.js";
import { guessStage } from "../../../src/dockerfile/stage-guess.js";

/** What is said of the names that could not be pulled as images, in file order. */
function guesses(lines: readonly string[], contexts: readonly string[] = [], buildArgs: Record<string, string> = {}) {
  const dockerfile = parseDockerfile(lines.join("\n"), { file: "Dockerfile" });
  const names = imageNames(dockerfile, { buildArgs: new Map(Object.entries(buildArgs)), contexts });
  return names.map((use) => {
    const { start, end } = use.range;
    const guess = guessStage(dockerfile, use, contexts);
    return {
      name: use.name,
      at: `${String(start.line)} ${dockerfile.source.slice(start.offset, end.offset)}`,
      ...(guess && { said: [guess.code ?? "", guess.message, guess.advice].join(" | ") }),
    };
  });
}

describe("a name that no image has", () => {
  it("is looked for among the stages above, at its own place in the instruction", () => {
    const found = guesses([
      "FROM busybox AS builder",
      "FROM busybox AS other",
      "COPY --from=BUILDER /x /x",
      "COPY --from=0 /x /x",
      "COPY --from=bulider /x /x",
      "RUN --mount=type=bind,from=bilder,target=/m \\",
      "    cat /m/x",
      "FROM buildr",
    ]);
    expect(found.map(({ name, at }) => [name, at])).toEqual([
      ["busybox", "1 busybox"],
      ["busybox", "2 busybox"],
      ["bulider", "5 from=bulider"],
      ["bilder", "6 from=bilder"],
      ["buildr", "8 buildr"],
    ]);
    for (const { name, said } of found.slice(2))
      expect(said).toBe(
        `UNKNOWN_STAGE | "${name}" names neither an earlier stage of this Dockerfile nor an image that the engine could pull | Did you mean stage builder (line 1)?`,
      );
    expect(found[0]?.said).toBeUndefined();
  });

  it("may be a stage that is defined later", () => {
    const lines = ["FROM late AS a", "COPY --from=lat /x /x", "FROM busybox AS late"];
    const [exact, near] = guesses(lines);
    expect(exact?.said).toBe(
      'LATER_STAGE | "late" is no stage yet: stage late is defined later, on line 3 | Only earlier stages can be used: move late above a.',
    );
    expect(near?.said).toContain(
      "Did you mean stage late? It is defined later, on line 3: only earlier stages can be used.",
    );
  });

  it("may be a build context", () => {
    const [, near] = guesses(["FROM busybox", "COPY --from=share /x /x", "COPY --from=Shared /x /x"], ["shared"]);
    expect(near).toMatchObject({ name: "share", at: "2 from=share" });
    expect(near?.said).toContain("Did you mean the build context shared?");
  });

  it("is an image where it cannot be a stage, or a FROM's name is like none", () => {
    const lines = ["FROM nginx AS nginx", "FROM node:20 AS build", "COPY --from=ghcr.io/a/b /x /x", "FROM debian"];
    expect(guesses(lines).map(({ said }) => said)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it("that is like no stage is told the stages there are", () => {
    const [, , far] = guesses(["FROM busybox AS one", "FROM busybox AS two", "COPY --from=something /x /x"]);
    expect(far?.said).toMatch(/^ \| "something" names neither .* \| The earlier stages: one\.$/);
    const [, alone] = guesses(["FROM busybox", "COPY --from=something /x /x"]);
    expect(alone?.said).toContain("No stage above has a name");
  });

  it("has its variables expanded", () => {
    const lines = ["ARG BASE=bulider", "FROM busybox AS builder", "FROM $BASE"];
    expect(guesses(lines)[1]).toMatchObject({ name: "bulider", at: "3 $BASE" });
    expect(guesses(lines, [], { BASE: "builder" })).toHaveLength(1);
  });

  it("is no image's where a build context has it by another of its names", () => {
    const lines = [
      "FROM busybox:latest",
      "COPY --from=docker.io/library/app:1 / /",
      "RUN --mount=from=app,target=/m true",
    ];
    expect(guesses(lines, ["busybox", "app:1"]).map(({ name }) => name)).toEqual(["app"]);
  });
});
