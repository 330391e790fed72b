import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { InteractiveIo } from "../../../src/debugger/commands/io.js";
import { ShellAhead } from "../../../src/debugger/commands/shell-ahead.js";
import { CancelledError } from "../../../src/errors.js";
import { DebugSession } from "../../../src/debugger/session.js";
import type { SessionState } from "../../../src/debugger/state.js";
import { FakeBuild } from "../../support/fake-engine.js";

/** A terminal whose shells only count. */
class CountingTerminal implements InteractiveIo {
  readonly started: (string | undefined)[] = [];
  /** What a start waits for. */
  before: Promise<void> | undefined;

  async startShell(_container: unknown, { typed }: { typed: { source: string } | undefined }) {
    this.started.push(typed?.source);
    await this.before;
    return { run: async () => ({ exitCode: 0, commands: [] }) };
  }

  async run(): Promise<number> {
    return 0;
  }

  async edit(text: string): Promise<string> {
    return text;
  }
}

describe("a shell ahead", () => {
  let terminal: CountingTerminal;

  beforeEach(() => {
    vi.useFakeTimers();
    terminal = new CountingTerminal();
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  function debug(source: string): { build: FakeBuild; session: DebugSession; ahead: ShellAhead } {
    const build = new FakeBuild(source);
    const session = new DebugSession(build);
    const ahead = new ShellAhead(build, terminal);
    session.subscribe((event) => ahead.take(event));
    return { build, session, ahead };
  }

  /** Starts a session, and lets its steps hold for a while before they are released. */
  async function startHolding(
    { build, session }: { build: FakeBuild; session: DebugSession },
    ...holds: number[]
  ): Promise<SessionState> {
    const next = (): Promise<unknown> => new Promise((resolve) => (build.onHold = resolve));
    let held = next();
    const run = session.start();
    for (const hold of holds) {
      await held;
      held = next();
      await vi.advanceTimersByTimeAsync(hold);
      build.release();
    }
    return run;
  }

  it("is there when the first step that runs fails, and is the one's who claims it", async () => {
    const debugged = debug("FROM scratch\nRUN hold; fail 3\n");
    const { build, ahead } = debugged;
    const stopped = await startHolding(debugged, 150);
    if (stopped.kind !== "stopped") throw new Error("not stopped");
    const opened = await ahead.claim(stopped);
    expect(terminal.started).toEqual(["RUN hold; fail 3"]);
    expect(build.openContainers).toBe(1);
    expect(await ahead.claim(stopped)).toBeUndefined();
    ahead.drop();
    expect(build.openContainers).toBe(1);
    await opened?.container[Symbol.asyncDispose]();
    expect(build.openContainers).toBe(0);
  });

  it("is started for another step only when that takes its time, and ends when the step is done", async () => {
    const debugged = debug("FROM scratch\nRUN write /a 1\nRUN hold\nRUN hold; fail 1\nRUN hold; write /b 1\n");
    const { build, ahead } = debugged;
    const stopped = await startHolding(debugged, 150, 999);
    expect(terminal.started).toEqual(["RUN hold"]);
    expect(build.openContainers).toBe(0);
    expect(stopped).toMatchObject({ kind: "stopped", step: { number: 4 } });
    expect(stopped.kind === "stopped" && (await ahead.claim(stopped))).toBeUndefined();
    // Who opens one by themselves gets no second one later.
    await vi.advanceTimersByTimeAsync(1000);
    expect(build.openContainers).toBe(0);
    const run = debugged.session.retry("RUN hold");
    await vi.advanceTimersByTimeAsync(149);
    expect(terminal.started.length).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect([terminal.started.length, build.openContainers]).toEqual([2, 1]);
    build.release();
    await run;
    const more = debugged.session.continue();
    await vi.advanceTimersByTimeAsync(1000);
    expect([terminal.started.length, build.openContainers]).toEqual([3, 1]);
    build.release();
    await more;
    await vi.advanceTimersByTimeAsync(0);
    expect(build.openContainers).toBe(0);
  });

  it("ends with a pause", async () => {
    const debugged = debug("FROM scratch\nRUN hold\n");
    const { build, session } = debugged;
    const held = new Promise((resolve) => (build.onHold = resolve));
    const run = session.start();
    await held;
    await vi.advanceTimersByTimeAsync(150);
    expect(build.openContainers).toBe(1);
    session.pause();
    session.pause();
    await vi.advanceTimersByTimeAsync(1000);
    await run;
    expect(build.openContainers).toBe(0);
    expect(terminal.started).toEqual(["RUN hold"]);
  });

  it("is not waited for by who gives up", async () => {
    const debugged = debug("FROM scratch\nRUN hold; fail 3\n");
    const { build, ahead } = debugged;
    let go = (): void => undefined;
    terminal.before = new Promise((resolve) => (go = resolve));
    const stopped = await startHolding(debugged, 150);
    if (stopped.kind !== "stopped") throw new Error("not stopped");
    const interrupt = new AbortController();
    const claimed = ahead.claim(stopped, interrupt.signal);
    interrupt.abort(new CancelledError());
    await expect(claimed).rejects.toThrow(CancelledError);
    ahead.drop();
    expect(build.openContainers).toBe(1);
    go();
    await vi.advanceTimersByTimeAsync(0);
    expect(build.openContainers).toBe(0);
  });

  it("that cannot be opened is none", async () => {
    const debugged = debug("FROM scratch\nRUN hold; fail 3\n");
    const { build, ahead } = debugged;
    build.openContainer = () => Promise.reject(new Error("no"));
    const stopped = await startHolding(debugged, 200);
    expect(stopped.kind === "stopped" && (await ahead.claim(stopped))).toBeUndefined();
  });
});
