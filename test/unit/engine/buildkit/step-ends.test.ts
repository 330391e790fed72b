import { PassThrough } from "node:stream";
import type { ClientReadableStream } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import type { BuildEvent, Step } from "../../../../src/engine/engine.js";
import { StatusResponse, Vertex } from "../../../../src/engine/buildkit/gen/control.js";
import { StatusReader } from "../../../../src/engine/buildkit/status.js";
import { StepEnds } from "../../../../src/engine/buildkit/step-ends.js";
import { FakeBuild } from "../../../support/fake-engine.js";

const time = { seconds: 1n, nanos: 0 };
const later = { seconds: 1n, nanos: 1000 };

/** A stream of progress in which step N's op is called `opN`. */
class Progress {
  readonly said: string[] = [];
  readonly status = new StatusReader((event: BuildEvent) => {
    if (event.type === "step") this.said.push(`${String(event.step.number)} ${event.status}`);
  });
  readonly ends = new StepEnds(this.status);
  readonly steps: readonly Step[] = new FakeBuild("FROM scratch\nRUN a\nRUN b\nRUN c\n").steps;
  private readonly stream = new PassThrough({ objectMode: true });

  constructor() {
    this.status.read(this.stream as unknown as ClientReadableStream<StatusResponse>);
    this.plan();
  }

  plan(): void {
    const { steps } = this;
    this.status.setPlan(
      {
        steps,
        stepsOf: (digest) => steps.filter((step) => opOf(step) === digest),
        isLast: () => true,
        followers: () => [],
      },
      new Set(),
    );
  }

  step(number: number): Step {
    const step = this.steps[number - 1];
    if (!step) throw new Error("no such step");
    return step;
  }

  /** The stream says something of a step's op. */
  say(
    number: number,
    vertex: { completed?: boolean; inNoTime?: boolean; cached?: boolean; error?: string },
  ): Promise<void> {
    const { completed, inNoTime, ...rest } = vertex;
    const said = Vertex.fromPartial({
      digest: `op${String(number)}`,
      started: time,
      ...(completed ? { completed: inNoTime ? time : later } : {}),
      ...rest,
    });
    return new Promise((resolve) => {
      this.stream.once("data", () => resolve());
      this.stream.write(StatusResponse.fromPartial({ vertexes: [said] }));
    });
  }
}

function opOf({ number }: Step): string {
  return `op${String(number)}`;
}

describe("how steps end", () => {
  it("is waited for where the stream lags behind the answer", async () => {
    const progress = new Progress();
    await progress.say(2, {});
    const settled = progress.ends.settle([progress.step(2), progress.step(3)], opOf);
    await progress.say(3, { completed: true, cached: true });
    await progress.say(2, { completed: true });
    expect(await settled).toBe("cached");
    expect(progress.said).toEqual(["2 started", "3 started", "3 cached", "2 done"]);
  });

  it("is cached for all that an op stands on which is found in the cache", async () => {
    const progress = new Progress();
    await progress.say(2, { completed: true, inNoTime: true, cached: true });
    await progress.say(3, { completed: true, inNoTime: true, cached: true });
    expect(progress.said).toEqual([]);
    await progress.say(4, { completed: true, cached: true });
    expect(progress.said).toEqual(["2 started", "2 cached", "3 started", "3 cached", "4 started", "4 cached"]);
  });

  it("is not what BuildKit says of all that a failed cache key stands on", async () => {
    const progress = new Progress();
    await progress.say(2, {});
    await progress.say(2, { completed: true, inNoTime: true, cached: true });
    await progress.say(3, { completed: true, inNoTime: true, cached: true });
    await progress.say(4, { completed: true, error: "not found" });
    expect(progress.said).toEqual(["2 started", "4 started", "4 failed"]);
  });

  it("is skipped for what nobody wants any longer", async () => {
    const progress = new Progress();
    let give = (): void => undefined;
    const [a, b] = [progress.step(2), progress.step(3)];
    const waiting = new Promise<void>((resolve) => (give = resolve));
    const [first, second] = [
      progress.ends.wanting([a, b], () => Promise.reject(new Error("stopped"))),
      progress.ends.wanting([a], () => waiting),
    ];
    await progress.say(2, {});
    await expect(first).rejects.toThrow("stopped");
    expect(progress.said).toEqual(["2 started"]);
    give();
    await second;
    expect(progress.said).toEqual(["2 started", "2 skipped"]);
  });

  it("is nothing new where it comes in another plan", async () => {
    const progress = new Progress();
    await progress.say(2, {});
    progress.plan();
    await progress.say(2, { completed: true, error: "exit code: 137: context canceled" });
    expect(progress.said).toEqual(["2 started"]);
  });
});
