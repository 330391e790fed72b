import { describe, expect, it } from "vitest";
import { DebugSession } from "../../../src/debugger/session.js";
import { positionOf, type SessionState } from "../../../src/debugger/state.js";
import { CancelledError, DockerfileError, SessionStateError, UsageError } from "../../../src/errors.js";
import { FakeBuild } from "../../support/fake-engine.js";
import { fakeDialect, generator, randomDockerfile } from "../../support/random-dockerfile.js";

/** Steps: deps 1-3, tools 4-5, final 6-9. */
const threeStages = [
  "FROM scratch AS deps",
  "RUN write /deps 1",
  "ENV MODE=fast",
  "FROM scratch AS tools",
  "RUN write /tool x",
  "FROM deps",
  "COPY --from=tools /tool /tool",
  "RUN append /deps 2",
  'CMD ["/tool"]',
].join("\n");

function where(state: SessionState): string {
  if (state.kind !== "stopped") return state.kind === "ended" ? state.result.status : state.kind;
  return `${String(positionOf(state))} ${state.reason}${state.note === undefined ? "" : ` (${state.note})`}`;
}

async function begin(
  source: string,
  breakpoints: readonly string[] = [],
  options: { entry?: boolean; buildArgs?: Record<string, string> } = {},
): Promise<{ build: FakeBuild; session: DebugSession; state: SessionState }> {
  const build = new FakeBuild(source, options.buildArgs);
  const session = new DebugSession(build);
  for (const spec of breakpoints) session.breakpoints.add(spec, build);
  return { build, session, state: await session.start({ entry: options.entry ?? breakpoints.length === 0 }) };
}

describe("stepping", () => {
  it("stops before the first step, having run nothing", async () => {
    const { build, state } = await begin(threeStages);
    expect(where(state)).toBe("1 entry");
    expect(build.ran).toEqual([]);
  });

  it("next runs one step at a time, to the end, and makes the image from there", async () => {
    const { build, session } = await begin(threeStages);
    const stops: string[] = [];
    for (let index = 0; index < 10; index++) stops.push(where(await session.next()));
    expect(stops).toEqual([
      ...["2 step", "3 step", "4 step", "5 step", "6 step", "7 step", "8 step", "9 step"],
      "10 end",
      "built",
    ]);
    expect(build.ran).toHaveLength(9);
    expect(build.files).toEqual({ "/deps": "12", "/tool": "x" });
  });

  it("stops at breakpoints in file order, everything before them built", async () => {
    const { build, session, state } = await begin(threeStages, ["8", "tools/2", "end"]);
    expect(where(state)).toBe("5 breakpoint (breakpoint 2)");
    expect(build.ran).toHaveLength(4);
    expect(where(await session.continue())).toBe("8 breakpoint (breakpoint 1)");
    expect(where(await session.continue())).toBe("10 breakpoint (breakpoint 3)");
    expect(where(await session.continue())).toBe("built");
    expect(build.ran).toHaveLength(9);
  });

  it("stops at every step that a SPEC names, at a temporary breakpoint once", async () => {
    const { session, state, build } = await begin(threeStages, ["RUN"]);
    expect(where(state)).toBe("2 breakpoint (breakpoint 1)");
    session.breakpoints.add("4", build, { temporary: true });
    expect(where(await session.continue())).toBe("4 breakpoint (temporary breakpoint 2)");
    expect(session.breakpoints.all).toHaveLength(1);
    expect(where(await session.continue())).toBe("5 breakpoint (breakpoint 1)");
    expect(session.breakpoints.all[0]?.hits).toBe(2);
  });

  it("goes back and forth without running anything twice", async () => {
    const { build, session } = await begin(threeStages, ["8"]);
    const ran = build.ran.length;
    expect(where(await session.stepBack())).toBe("7 step (back)");
    expect(where(await session.stepBack(3))).toBe("4 step (back)");
    expect(where(await session.stepBack(30))).toBe("1 step (back)");
    await expect(session.stepBack()).rejects.toBeInstanceOf(SessionStateError);
    expect(where(await session.next())).toBe("2 step");
    expect(where(await session.until("8"))).toBe("8 step (until)");
    expect(where(await session.until("deps/2"))).toBe("2 step (until)");
    expect(where(await session.restart())).toBe("1 entry (restart)");
    expect(build.ran).toHaveLength(ran);
  });

  it("step goes into a stage that is read, and comes back at its end", async () => {
    const { session } = await begin(threeStages, ["7"]);
    expect(where(await session.stepIn())).toBe("4 step (stage tools, which step 7 reads)");
    expect(where(await session.next())).toBe("5 step");
    expect(where(await session.next())).toBe("7 step");
    // It was there before: it runs now.
    expect(where(await session.stepIn())).toBe("8 step");
  });

  it("stepout runs to the end of the stage, and back to where it was entered", async () => {
    const { session, state } = await begin(threeStages, ["7", "deps/2"]);
    expect(where(state)).toBe("2 breakpoint (breakpoint 2)");
    expect(where(await session.stepOut())).toBe("4 step");
    expect(where(await session.continue())).toBe("7 breakpoint (breakpoint 1)");
    session.breakpoints.clear();
    await session.restart();
    await session.until("7");
    expect(where(await session.stepIn())).toBe("4 step (stage tools, which step 7 reads)");
    expect(where(await session.stepOut())).toBe("7 step");
    expect(where(await session.stepOut())).toBe("10 end");
  });

  it("a breakpoint on the way stops stepout and until", async () => {
    const { session, build } = await begin(threeStages);
    session.breakpoints.add("3", build);
    expect(where(await session.stepOut())).toBe("3 breakpoint (breakpoint 1)");
    session.breakpoints.add("5", build);
    expect(where(await session.until("8"))).toBe("5 breakpoint (breakpoint 2)");
  });

  it("never runs stages that the target does not need", async () => {
    const { build, session } = await begin("FROM scratch AS no\nRUN write /no 1\nFROM scratch\nRUN write /yes 1", [
      "end",
    ]);
    await session.continue();
    expect(build.ran).toEqual(["FROM scratch", "RUN write /yes 1"]);
  });

  it.each([
    ["RUN if $MODE == fast", "8"],
    ["RUN if $MODE != fast", "2"],
    ["end if exists(/tool)", "10"],
    ["end if !exists(/tool)", "built"],
    ["9 if changed(/deps)", "9"],
    ["9 if changed(/other)", "built"],
    ["8 if changed(/tool) && size == 1", "8"],
    ["RUN if cached", "built"],
    ["RUN if !cached", "2"],
  ])("%s", async (spec, position) => {
    const { state } = await begin(threeStages, [spec]);
    expect(where(state).split(" ")[0]).toBe(position);
  });

  it("stops where a condition cannot be found out", async () => {
    const { state } = await begin(threeStages, ["8 if ${NONE:?needed} == 1"]);
    expect(where(state)).toMatch(/^8 breakpoint \(breakpoint 1, whose condition could not be found out: .*needed/);
  });

  it("stops at a failure, and next or continue runs the step again", async () => {
    const { build, session } = await begin("FROM scratch\nRUN write /a 1\nRUN fail 3\nRUN write /b 1", ["2"]);
    expect(where(await session.continue())).toBe("3 failure");
    expect(where(await session.next())).toBe("3 failure");
    expect(where(await session.stepBack())).toBe("2 step (back)");
    expect(where(await session.next())).toBe("3 step");
    expect(where(await session.continue())).toBe("3 failure");
    expect(build.ran.filter((text) => text === "RUN fail 3")).toHaveLength(3);
    expect(build.ran.filter((text) => text === "RUN write /a 1")).toHaveLength(1);
  });

  it("binds breakpoints to their instructions when the Dockerfile is edited", async () => {
    const source = "FROM scratch\nRUN write /a 1\nRUN write /b 1\nRUN write /c 1\n";
    const { build, session } = await begin(source, ["2", ":3", "/write .c/"]);
    const edited = source.replace("RUN write /b 1", "RUN write /new 1\nENV X=1\nRUN write /b 2");
    expect(where(await session.continue())).toBe("3 breakpoint (breakpoint 2)");
    // From the first step that changed, up to where the breakpoint's instruction is now.
    expect(where(await session.edit(edited))).toBe("5 breakpoint (breakpoint 2)");
    expect(session.breakpoints.all.map(({ positions }) => positions)).toEqual([[2], [5], [6]]);
    expect(session.pendingFix?.diff).toContain("+RUN write /new 1");
    await expect(session.edit("FROM scratch\nRUNN x")).rejects.toBeInstanceOf(DockerfileError);
    expect(where(session.state)).toBe("5 breakpoint (breakpoint 2)");
    expect(build.ran).toEqual(["FROM scratch", "RUN write /a 1", "RUN write /new 1", "ENV X=1"]);
  });

  it("takes the file as it is on disk: at a failure it goes on, elsewhere it stays at its instruction", async () => {
    const source = "FROM scratch\nRUN write /a 1\nRUN fail 3\nRUN write /c 1\n";
    const failed = await begin(source, ["4"]);
    expect(where(await failed.session.reload(source, { contextChanged: true }))).toBe("3 failure");
    const fixed = source.replace("fail 3", "write /b 1");
    expect(where(await failed.session.reload(fixed, { contextChanged: false }))).toBe("4 breakpoint (breakpoint 1)");
    expect(failed.session.pendingFix).toBeUndefined();

    const { build, session } = await begin(fixed, ["4"]);
    const longer = fixed.replace("RUN write /a 1", "RUN write /a 2\nENV X=1");
    expect(where(await session.reload(longer, { contextChanged: false }))).toBe("5 step (reload)");
    expect(build.steps.slice(0, 4).every((step) => build.isBuilt(step))).toBe(true);
    expect(where(await session.reload("FROM scratch\nRUN fail 9\n", { contextChanged: false }))).toBe(
      "2 step (reload)",
    );
    await expect(session.reload("RUNN", { contextChanged: false })).rejects.toBeInstanceOf(DockerfileError);
    await expect(session.reloadFile()).rejects.toBeInstanceOf(UsageError);
    expect(where(session.state)).toBe("2 step (reload)");
    session.breakpoints.add("end", build);
    expect(where(await session.reload("FROM scratch\n", { contextChanged: false }))).toBe("2 end (reload)");
  });

  it("stays where only later steps changed", async () => {
    const source = "FROM scratch\nRUN write /a 1\nRUN write /b 1\n";
    const { session } = await begin(source, ["2"]);
    expect(where(await session.edit(source.replace("/b 1", "/b 2")))).toBe("2 step (edit)");
    expect(where(await session.continue())).toBe("built");
  });

  it("retries a step by its number, and goes on from there", async () => {
    const { build, session } = await begin("FROM scratch\nRUN write /a 1\nRUN append /a 2\nRUN fail 1", ["4"]);
    const [, second] = build.steps;
    expect(where(await session.retry("RUN write /a 9", second))).toBe("2 step (retry)");
    expect(where(await session.continue())).toBe("4 breakpoint (breakpoint 1)");
    expect((await build.before(build.steps[3] ?? build.steps[0]!)).config).toBeDefined();
  });

  it("tries values of variables without touching the file", async () => {
    const source = "ARG BASE=scratch\nFROM ${BASE}\nARG MODE=slow\nRUN write /mode $MODE$LEVEL\n";
    const { build, session } = await begin(source, ["3"]);
    expect(where(await session.set({ kind: "ENV", name: "LEVEL", value: "7" }))).toBe("4 step (ENV LEVEL set)");
    expect(where(await session.set({ kind: "ARG", name: "MODE", value: "slow" }))).toBe("5 step (ARG MODE set)");
    expect(where(await session.set({ kind: "ENV", name: "LEVEL", value: "7" }))).toBe("5 step (ENV LEVEL set)");
    expect(where(await session.set({ kind: "ARG", name: "MODE", value: "fast" }))).toBe("5 step (ARG MODE set)");
    expect(build.steps).toHaveLength(5);
    expect(session.pendingFix).toBeUndefined();
    expect(where(await session.continue())).toBe("built");
    expect(build.files).toEqual({ "/mode": "fast7" });
    expect(source).toBe("ARG BASE=scratch\nFROM ${BASE}\nARG MODE=slow\nRUN write /mode $MODE$LEVEL\n");
  });

  it("refuses a value that would have no effect", async () => {
    const source = "FROM scratch\nARG MODE=slow\nENV KEEP=1\nARG KEEP=2\nRUN write /mode $MODE\n";
    const { build, session } = await begin(source, ["5"], { buildArgs: { MODE: "given" } });
    await expect(session.set({ kind: "ARG", name: "MODE", value: "fast" })).rejects.toThrow(/--build-arg MODE/);
    expect(build.dockerfile.source).toBe(source);
    expect(where(session.state)).toBe("5 breakpoint (breakpoint 1)");
    await session.restart();
    await expect(session.set({ kind: "ENV", name: "A", value: "b" })).rejects.toThrow(/before its FROM/);
    await session.until("4");
    await expect(session.set({ kind: "ARG", name: "KEEP", value: "3" })).rejects.toThrow(/ARG KEEP=2 sets it anew/);
    await session.until("3");
    for (const kind of ["ENV", "ARG"] as const)
      await expect(session.set({ kind, name: "KEEP", value: "3" })).rejects.toThrow(/ENV KEEP=1 sets it anew/);
    expect(build.dockerfile.source).toBe(source);
  });

  it("takes a value that the next instruction goes by", async () => {
    const source = "FROM scratch\nENV LIST=$LIST:c\nARG MODE\nRUN write /list $LIST$MODE\n";
    const { build, session } = await begin(source, ["2"]);
    await session.set({ kind: "ENV", name: "LIST", value: "a" });
    await session.next();
    await session.set({ kind: "ARG", name: "MODE", value: "b" });
    expect(where(await session.continue())).toBe("built");
    expect(build.files).toEqual({ "/list": "a:cb" });
  });

  it("pauses behind what runs, then interrupts it, then ends", async () => {
    const source = "FROM scratch\nRUN write /a 1\nRUN hold; write /b 1\nRUN write /c 1\n";
    const held = async (): Promise<{ build: FakeBuild; session: DebugSession; running: Promise<SessionState> }> => {
      const build = new FakeBuild(source);
      const session = new DebugSession(build);
      const holds = new Promise<void>((resolve) => (build.onHold = () => resolve()));
      const running = session.start();
      running.catch(() => undefined);
      await holds;
      return { build, session, running };
    };
    const once = await held();
    expect(once.session.pause().map(({ number }) => number)).toEqual([3]);
    await new Promise<void>((resolve) => (once.build.onLeave = () => resolve()));
    once.build.release();
    expect(where(await once.running)).toBe("4 pause");
    expect(once.build.ran.filter((text) => text.includes("hold"))).toHaveLength(1);
    expect(where(await once.session.continue())).toBe("built");

    const twice = await held();
    twice.session.pause();
    twice.session.pause();
    expect(where(await twice.running)).toBe("3 pause");
    await expect(async () => twice.session.pause()).rejects.toBeInstanceOf(SessionStateError);

    const thrice = await held();
    for (let index = 0; index < 3; index++) thrice.session.pause();
    await expect(thrice.running).rejects.toBeInstanceOf(CancelledError);
    expect(where(thrice.session.state)).toBe("cancelled");
  });

  it("rejects places that are none", async () => {
    const { session } = await begin(threeStages);
    await expect(session.until("nowhere")).rejects.toBeInstanceOf(UsageError);
    await expect(session.until("RUN if cached")).rejects.toThrow(/takes no condition/);
    expect(where(session.state)).toBe("1 entry");
  });
});

describe("stepping in any way makes the same image", () => {
  it.each(Array.from({ length: 40 }, (_, seed) => seed + 1))("seed %i", async (seed) => {
    const random = generator(seed);
    const source = randomDockerfile(random, fakeDialect);
    const straight = await begin(source, ["1"]);
    await straight.session.continue();

    const stepped = await begin(source);
    while (stepped.session.state.kind === "stopped") await stepped.session.next();

    const wandering = await begin(source);
    const { session, build } = wandering;
    for (let moves = 0; session.state.kind === "stopped" && moves < 200; moves++) {
      const position = positionOf(session.state);
      const pick = random(10);
      if (pick < 4) await session.next();
      else if (pick < 6) await session.stepIn();
      else if (pick === 6 && position > 1) await session.stepBack(1 + random(4));
      else if (pick === 7) await session.until(String(1 + random(build.steps.length)));
      else if (pick === 8 && random(4) === 0) await session.restart();
      else if (position <= build.steps.length) await session.stepOut();
    }
    while (session.state.kind === "stopped") await session.continue();

    expect(stepped.build.files).toEqual(straight.build.files);
    expect(build.files).toEqual(straight.build.files);
    expect(new Set(build.ran).size).toBe(build.ran.length);
    expect(new Set(stepped.build.ran)).toEqual(new Set(straight.build.ran));
  });
});
