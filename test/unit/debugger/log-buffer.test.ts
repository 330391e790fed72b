import { expect, it } from "vitest";
import { LogBuffer } from "../../../src/debugger/log-buffer.js";
import { FakeBuild } from "../../support/fake-engine.js";

it("remembers all of the steps that printed last, and the end of what others printed", () => {
  const { steps } = new FakeBuild(`FROM scratch\n${"RUN true\n".repeat(6)}`);
  const logs = new LogBuffer({ lines: 10, steps: 2, olderLines: 3 });
  const text = Array.from({ length: 20 }, (_, line) => `line ${String(line)}\n`).join("");
  for (const step of steps) logs.append(step, 1, Buffer.from(text));
  expect(steps.map((step) => logs.lines(step).length)).toEqual([3, 3, 3, 3, 3, 10, 10]);
  expect(steps.map((step) => logs.total(step))).toEqual(steps.map(() => 20));
  const [first] = steps;
  if (!first) throw new Error("no step");
  expect(logs.lines(first).map((line) => line.text)).toEqual(["line 17", "line 18", "line 19"]);
  logs.append(first, 2, Buffer.from("more\n"));
  expect(logs.lines(first).at(-1)).toEqual({ stream: 2, text: "more" });
});

it("knows that the engine left out output, however much came after it", () => {
  const [, step, other] = new FakeBuild("FROM scratch\nRUN true\nRUN false\n").steps;
  if (!step || !other) throw new Error("no step");
  const logs = new LogBuffer({ lines: 10 });
  logs.append(step, 1, Buffer.from("cut in\n[output clipped, log limit 200KiB/s reached]\n"));
  logs.append(step, 1, Buffer.from("more\n".repeat(20)));
  logs.append(other, 1, Buffer.from("say [output clipped, log limit 200KiB/s reached]\n"));
  expect(logs.clipped(step)).toBe("200KiB/s");
  expect(logs.clipped(other)).toBeUndefined();
  logs.clear(step);
  expect(logs.clipped(step)).toBeUndefined();
});
