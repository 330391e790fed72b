import { describe, expect, it } from "vitest";
import { DebugSession } from "../../../../src/debugger/session.js";
import { EngineError } from "../../../../src/errors.js";
import { runJsonFrontEnd, type JsonOptions } from "../../../../src/frontends/json/json-front-end.js";
import { FakeBuild } from "../../../support/fake-engine.js";
import { Screen } from "../../../support/screen.js";
import { scriptOf } from "../../../support/scripts.js";

type Json = Record<string, unknown>;

/** Runs a session; its events without their times, after the first `plan`. */
async function run(
  source: string,
  options: Partial<JsonOptions> & { breakpoints?: readonly string[]; keepAs?: string } = {},
): Promise<Json[]> {
  const build = new FakeBuild(source);
  const session = new DebugSession(build, { keepAs: options.keepAs });
  for (const spec of options.breakpoints ?? []) session.breakpoints.add(spec, build);
  const output = new Screen(false);
  const ended = runJsonFrontEnd(session, {
    output,
    engine: { kind: "fake", version: "1" },
    execCommands: [],
    watch: undefined,
    entry: false,
    script: undefined,
    signal: undefined,
    ...options,
  });
  await ended.catch((error: unknown) => expect(error).toBeInstanceOf(EngineError));
  const events = output.text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Json);
  for (const event of events) {
    expect(event["time"]).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    delete event["time"];
  }
  return events;
}

const failing = "FROM scratch\nRUN print hello; write /a 1\nRUN write /b 2; fail 7\nRUN write /c 3\n";

describe("--progress=json", () => {
  it("tells of a build that is built, by the contract", async () => {
    const events = await run("FROM scratch AS a\nRUN print hi\nENV X=1\n");
    const step = { total: 3, stage: "a", file: "Dockerfile" };
    expect(events).toEqual([
      {
        type: "plan",
        target: "a",
        engine: { kind: "fake", version: "1" },
        steps: [
          {
            ...step,
            number: 1,
            stageStep: 1,
            instruction: "FROM",
            text: "FROM scratch AS a",
            startLine: 1,
            endLine: 1,
          },
          { ...step, number: 2, stageStep: 2, instruction: "RUN", text: "RUN print hi", startLine: 2, endLine: 2 },
          { ...step, number: 3, stageStep: 3, instruction: "ENV", text: "ENV X=1", startLine: 3, endLine: 3 },
        ],
      },
      { type: "step", number: 1, status: "started" },
      { type: "step", number: 1, status: "done", durationMs: 1 },
      { type: "step", number: 2, status: "started" },
      { type: "log", number: 2, stream: "stdout", text: "hi\n" },
      { type: "step", number: 2, status: "done", durationMs: 1 },
      { type: "step", number: 3, status: "started" },
      { type: "step", number: 3, status: "done", durationMs: 1 },
      { type: "ended", status: "built", imageId: "sha256:fake", names: [], exitCode: 0 },
    ]);
  });

  it("tells how a step failed, runs diagnostics there, and ends failed", async () => {
    const events = await run(failing, { execCommands: ["exit 3"], keepAs: "kept" });
    expect(events.slice(6)).toEqual([
      { type: "step", number: 3, status: "started" },
      { type: "step", number: 3, status: "failed", durationMs: 1, exitCode: 7 },
      {
        type: "stopped",
        reason: "failure",
        number: 3,
        at: "before",
        stage: "stage-0",
        line: 3,
        instruction: "RUN",
        text: "RUN write /b 2; fail 7",
        message: "exit code 7",
        exitCode: 7,
      },
      { type: "exec", number: 3, command: "exit 3", exitCode: 3, stdout: "ran exit 3\n", stderr: "" },
      { type: "step", number: 1, status: "done", image: "kept:step-1" },
      { type: "step", number: 2, status: "done", image: "kept:step-2" },
      { type: "ended", status: "failed", failedStep: 3, exitCode: 1 },
    ]);
  });

  it("is driven by commands, and gives what they print and their errors", async () => {
    const commands = ["print A", "env", "nonsense", "retry", "write /b 2", "y", "next"];
    const events = await run(failing, { script: scriptOf(commands), breakpoints: ["end"] });
    const told = events.filter(({ type }) => !["plan", "step", "log"].includes(String(type)));
    expect(told.map(({ type, code, text, number, at, reason }) => [type, code ?? text ?? reason, number, at])).toEqual([
      ["stopped", "RUN write /b 2; fail 7", 3, "before"],
      ["error", "NO_VARIABLE", undefined, undefined],
      ["output", "user      root", undefined, undefined],
      ["output", "directory /", undefined, undefined],
      ["output", "shell     /bin/sh -c", undefined, undefined],
      ["output", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", undefined, undefined],
      ["error", "UNKNOWN_COMMAND", undefined, undefined],
      ["stopped", "RUN write /b 2", 3, "before"],
      ["output", "", undefined, undefined],
      ["output", "--- Dockerfile", undefined, undefined],
      ["output", "+++ Dockerfile", undefined, undefined],
      ["output", "@@ -1,4 +1,4 @@", undefined, undefined],
      ["output", " FROM scratch", undefined, undefined],
      ["output", " RUN print hello; write /a 1", undefined, undefined],
      ["output", "-RUN write /b 2; fail 7", undefined, undefined],
      ["output", "+RUN write /b 2", undefined, undefined],
      ["output", " RUN write /c 3", undefined, undefined],
      // There is no file: the build does not go on by itself.
      ["error", "USAGE", undefined, undefined],
      ["stopped", "RUN write /c 3", 4, "before"],
      ["stopped", "RUN write /c 3", 4, "after"],
      ["ended", undefined, undefined, undefined],
    ]);
    // Edited steps are planned, and told, again.
    expect(events.filter(({ type }) => type === "plan")).toHaveLength(2);
  });

  it("says on which side of a step it stopped", async () => {
    const events = await run("FROM scratch\nRUN write /a 1\n", { breakpoints: ["2", "end"] });
    expect(events.filter(({ type }) => type === "stopped")).toMatchObject([
      { reason: "breakpoint", number: 2, at: "before", note: "breakpoint 1" },
      { reason: "breakpoint", number: 2, at: "after", note: "breakpoint 2" },
    ]);
  });

  it("says what the image has and the file has not", async () => {
    const commands = ["set ENV A=1", "retry 4", "write /c 4", "n", "continue"];
    const events = await run("FROM scratch\nRUN write /a 1\nRUN write /c 3\n", {
      script: scriptOf(commands),
      breakpoints: ["3"],
    });
    expect(events.at(-1)).toMatchObject({ type: "ended", status: "built", set: ['ENV A="1"'], differs: true });
  });

  it("ends with a script that fails", async () => {
    const script = scriptOf(["", "next", "nonsense", "continue"], { strict: true });
    const events = await run(failing, { script, entry: true });
    expect(events.slice(-2)).toMatchObject([
      { type: "error", code: "UNKNOWN_COMMAND" },
      { type: "ended", status: "failed", code: "SCRIPT_FAILED", exitCode: 2, message: /^commands, line 3: nonsense: / },
    ]);
  });

  it("ends cancelled by quit, and failed where the engine is lost", async () => {
    expect((await run(failing, { script: scriptOf(["quit"]), entry: true })).at(-1)).toEqual({
      type: "ended",
      status: "cancelled",
      exitCode: 130,
    });
    expect((await run("FROM scratch\nRUN lose\n")).at(-1)).toEqual({
      type: "ended",
      status: "failed",
      message: "gone",
      code: "ENGINE_LOST",
      exitCode: 3,
    });
  });
});
