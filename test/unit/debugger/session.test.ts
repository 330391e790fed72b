import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DebugSession } from "../../../src/debugger/session.js";
import type { SessionEvent } from "../../../src/debugger/state.js";
import { CancelledError, DockerfileError, EngineError, SessionStateError, UsageError } from "../../../src/errors.js";
import { FakeBuild } from "../../support/fake-engine.js";

const failing = "FROM scratch\nRUN write /a 1\nRUN print hello; fail 7\nRUN write /b 2\n";

describe("DebugSession", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-session-"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it("ends built", async () => {
    const build = new FakeBuild("FROM scratch\nRUN write /a 1\n");
    await using session = new DebugSession(build);
    const events: SessionEvent[] = [];
    session.subscribe((event) => events.push(event));
    expect(session.state).toEqual({ kind: "idle" });
    expect(await session.start()).toMatchObject({ kind: "ended", result: { status: "built" } });
    expect(build.finished).toBe(1);
    expect(events.at(-1)).toMatchObject({ type: "ended", result: { status: "built" } });
  });

  it("stops at a failure, keeps its output, and terminates as failed", async () => {
    const build = new FakeBuild(failing);
    await using session = new DebugSession(build);
    const stopped = await session.start();
    expect(stopped).toMatchObject({
      kind: "stopped",
      reason: "failure",
      step: { number: 3 },
      failure: { exitCode: 7 },
    });
    expect(stopped.kind === "stopped" && session.logs.lines(stopped.step).map(({ text }) => text)).toEqual(["hello"]);
    expect(build.finished).toBe(0);
    expect(await session.terminate()).toMatchObject({ status: "failed", failure: { exitCode: 7 } });
    expect(await session.terminate()).toMatchObject({ status: "failed" });
  });

  it("retries a step as a real one, never runs a built step twice, and goes on", async () => {
    const build = new FakeBuild(failing);
    await using session = new DebugSession(build);
    await session.start();
    expect(await session.retry("RUN write /fixed yes")).toMatchObject({
      kind: "stopped",
      reason: "step",
      step: { number: 3 },
    });
    expect(session.pendingFix?.diff).toContain("+RUN write /fixed yes");
    expect(await session.continue()).toMatchObject({ kind: "ended", result: { status: "built" } });
    expect(build.ran).toEqual([
      "FROM scratch",
      "RUN write /a 1",
      "RUN print hello; fail 7",
      "RUN write /fixed yes",
      "RUN write /b 2",
    ]);
  });

  it("stops again when a retry fails, and changes nothing when it does not parse", async () => {
    await using session = new DebugSession(new FakeBuild(failing));
    const before = await session.start();
    await expect(session.retry("RUNN x")).rejects.toBeInstanceOf(DockerfileError);
    expect(session.state).toBe(before);
    expect(await session.retry("RUN fail 9")).toMatchObject({ reason: "failure", failure: { exitCode: 9 } });
    expect(session.state).toMatchObject({ kind: "stopped", failure: { exitCode: 9 } });
  });

  it("keeps a failed retry as an attempt: to be looked at and retried, and gone when the session goes on", async () => {
    const build = new FakeBuild(failing);
    await using session = new DebugSession(build);
    await session.start();
    expect(await session.retry("RUN write /x 1; fail 9")).toMatchObject({ reason: "failure", note: "retry" });
    expect(session.pendingFix).toBeUndefined();
    expect(session.attempt).toMatchObject({
      step: { number: 3, instruction: { text: "RUN write /x 1; fail 9" } },
      instead: { text: "RUN print hello; fail 7" },
    });
    expect(build.dockerfile.source).toContain("fail 9");
    expect(session.wantedSource).toBe(failing);
    // Another attempt takes the place of the first, and one that works is a change against the file.
    expect(await session.retry("RUN write /y 2")).toMatchObject({ reason: "step", note: "retry" });
    expect(session.attempt).toBeUndefined();
    expect(session.pendingFix?.source).toBe(failing.replace("RUN print hello; fail 7", "RUN write /y 2"));
  });

  it.each<[string, (session: DebugSession) => Promise<unknown>, object]>([
    ["next", (session) => session.next(), { reason: "failure", failure: { exitCode: 7 } }],
    ["continue", (session) => session.continue(), { reason: "failure", failure: { exitCode: 7 } }],
    ["stepIn", (session) => session.stepIn(), { reason: "failure", failure: { exitCode: 7 } }],
    ["stepOut", (session) => session.stepOut(), { reason: "failure", failure: { exitCode: 7 } }],
    ["stepBack", (session) => session.stepBack(), { reason: "step", step: { number: 2 } }],
    ["until", (session) => session.until("1"), { reason: "step", step: { number: 1 } }],
    ["restart", (session) => session.restart(), { reason: "entry", step: { number: 1 } }],
    ["set", (session) => session.set({ kind: "ENV", name: "A", value: "1" }), { reason: "step", step: { number: 4 } }],
    ["edit", (session) => session.edit(`${failing}RUN write /c 3\n`), { reason: "failure", failure: { exitCode: 7 } }],
    ["terminate", (session) => session.terminate(), { kind: "ended" }],
  ])("leaves a failed retry behind with %s", async (_name, leave, expected) => {
    const build = new FakeBuild(failing);
    await using session = new DebugSession(build);
    await session.start();
    // Several instructions in the place of one.
    await session.retry("RUN fail 9\nRUN write /x 1");
    await leave(session);
    expect(session.state).toMatchObject(expected);
    expect(session.fileDifference?.source ?? failing).not.toContain("fail 9");
    if (session.state.kind === "stopped") expect(build.dockerfile.source).not.toContain("fail 9");
  });

  it("keeps a change that worked under an attempt that did not", async () => {
    await using session = new DebugSession(new FakeBuild(`${failing}RUN fail 8\n`));
    await session.start();
    await session.retry("RUN write /fixed yes");
    await session.continue();
    await session.retry("RUN fail 9");
    expect(session.pendingFix?.diff).toContain("+RUN write /fixed yes");
    expect(session.pendingFix?.diff).not.toContain("fail 9");
    expect(await session.next()).toMatchObject({ reason: "failure", failure: { exitCode: 8 } });
    expect(session.pendingFix?.diff).toContain("+RUN write /fixed yes");
  });

  it("rejects commands that make no sense in the state, and stays as it was", async () => {
    await using session = new DebugSession(new FakeBuild(failing));
    for (const command of [() => session.continue(), () => session.retry("RUN true"), () => session.writeFix()])
      await expect(command()).rejects.toBeInstanceOf(SessionStateError);
    expect(session.state).toEqual({ kind: "idle" });
    await session.start();
    await expect(session.start()).rejects.toBeInstanceOf(SessionStateError);
    await session.terminate();
    for (const command of [() => session.start(), () => session.continue(), () => session.retry("RUN true")])
      await expect(command()).rejects.toBeInstanceOf(SessionStateError);
  });

  it("writes the fix whole, with permissions and line endings, through a symlink", async () => {
    const source = failing.replaceAll("\n", "\r\n");
    const file = join(folder, "real");
    writeFileSync(file, source);
    chmodSync(file, 0o640);
    symlinkSync("real", join(folder, "Dockerfile"));
    await using session = new DebugSession(new FakeBuild(source), { dockerfilePath: join(folder, "Dockerfile") });
    await session.start();
    await session.retry("RUN write /c 3");
    await session.writeFix();
    expect(readFileSync(file, "utf8")).toBe(source.replace("RUN print hello; fail 7", "RUN write /c 3"));
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(session.pendingFix).toBeUndefined();
  });

  it("does not write over a file that changed", async () => {
    const file = join(folder, "Dockerfile");
    writeFileSync(file, failing);
    await using session = new DebugSession(new FakeBuild(failing), { dockerfilePath: file });
    await session.start();
    await session.retry("RUN write /c 3");
    writeFileSync(file, `${failing}# edited\n`);
    await expect(session.writeFix()).rejects.toBeInstanceOf(UsageError);
    expect(readFileSync(file, "utf8")).toBe(`${failing}# edited\n`);
    expect(session.pendingFix).toBeDefined();
  });

  it("ends cancelled when the signal aborts", async () => {
    const controller = new AbortController();
    await using session = new DebugSession(new FakeBuild("FROM scratch\nRUN hold\n"), { signal: controller.signal });
    const started = session.start();
    setImmediate(() => controller.abort(new CancelledError()));
    await expect(started).rejects.toBeInstanceOf(CancelledError);
    expect(session.state).toMatchObject({ kind: "ended", result: { status: "cancelled" } });
  });

  it("ends with the error when the engine is lost", async () => {
    await using session = new DebugSession(new FakeBuild("FROM scratch\nRUN lose\n"));
    await expect(session.start()).rejects.toBeInstanceOf(EngineError);
    expect(session.state).toMatchObject({ kind: "ended", result: { status: "error" } });
  });

  it("keeps the states of built steps once, while the build is open, and tells of each", async () => {
    const build = new FakeBuild(failing);
    await using session = new DebugSession(build, { keepAs: "kept" });
    const told: string[] = [];
    session.subscribe((event) => {
      if (event.type === "kept") told.push(`${String(event.step.number)} ${event.image}`);
      if (event.type === "ended") told.push(event.result.status);
    });
    await session.start();
    await session.terminate();
    await session.terminate();
    expect(build.finished).toBe(0);
    expect(told).toEqual([
      ...build.steps
        .filter((step) => build.isBuilt(step))
        .map(({ number }) => `${String(number)} kept:step-${String(number)}`),
      "failed",
    ]);
    expect(told.length).toBeGreaterThan(1);
  });
});
