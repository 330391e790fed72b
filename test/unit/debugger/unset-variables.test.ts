import { describe, expect, it } from "vitest";
import { unsetHint } from "../../../src/debugger/unset-variables.js";
import type { StepFailure } from "../../../src/engine/engine.js";
import { FakeBuild } from "../../support/fake-engine.js";

/** What is said of the RUN that fails in a Dockerfile: the last one of the stage `main`. */
async function hint(source: string): Promise<string | undefined> {
  const build = new FakeBuild(source);
  const step = build.steps.findLast(({ instruction }) => instruction.keyword === "RUN");
  if (!step) throw new Error("no step");
  return (await unsetHint(build, { step, exitCode: 1 } as StepFailure))?.text;
}

describe("a hint at variables that are not set", () => {
  it.each<[string, string, string | undefined]>([
    [
      "a slip of the pen",
      "FROM scratch\nENV APP_VERSION=1\nRUN cp app.jar /opt/$APP_VERSON/",
      "APP_VERSON is not set here; did you mean APP_VERSION?",
    ],
    [
      "an ARG before the first FROM",
      "ARG VERSION=1\nFROM scratch\nRUN curl x/$VERSION",
      "VERSION is not set here: its ARG stands before the first FROM. ARG VERSION in this stage brings it in.",
    ],
    [
      "an ARG of the platform, also where it is compared",
      'FROM scratch\nRUN [ "$TARGETARCH" = arm64 ]',
      "TARGETARCH is not set here: ARG TARGETARCH in this stage brings it in.",
    ],
    [
      "a variable of another stage",
      "FROM scratch AS deps\nENV HOST_NAME=x\nRUN a\nFROM scratch\nCOPY --from=deps /a /a\nRUN ping $HOST_NAME",
      "HOST_NAME is not set here: it is set in stage deps, at Dockerfile:2, and stages do not share variables.",
    ],
    [
      "a variable that is set later",
      "FROM scratch\nRUN echo $LATE\nENV LATE=1",
      "LATE is not set here: it is set only behind this step, at Dockerfile:3.",
    ],
    [
      "variables that nobody knows",
      "FROM scratch\nRUN a $ONE $TWENTY",
      "ONE, TWENTY are not set here: no ENV, no ARG and nothing in this RUN sets them.",
    ],
    ["variables that are set", "ARG A=1\nFROM scratch\nARG A\nARG B\nENV C=1\nRUN x $A $B $C $HOME", undefined],
    ["a condition", 'FROM scratch\nRUN [ -n "$DEBUG" ] && make', undefined],
    ["a secret", "FROM scratch\nRUN --mount=type=secret,id=t,env=TOKEN curl $TOKEN", undefined],
    ["exec form", 'FROM scratch\nRUN ["echo", "$X"]', undefined],
    ["another program's heredoc", "FROM scratch\nRUN <<EOF\n#!/usr/bin/perl\nprint $x;\nEOF", undefined],
    [
      "a heredoc that is the script",
      "FROM scratch\nRUN <<EOF\nx=1\necho $x $y\nEOF",
      "y is not set here: no ENV, no ARG and nothing in this RUN sets it.",
    ],
    ["no shell", 'FROM scratch\nSHELL ["/usr/bin/pwsh", "-c"]\nRUN $x = 1', undefined],
  ])("%s", async (_name, source, expected) => {
    expect(await hint(`${source}\n`)).toBe(expected);
  });
});
