import { describe, expect, it } from "vitest";
import { completeLine } from "../../../src/debugger/commands/complete.js";
import { DebugSession } from "../../../src/debugger/session.js";
import { FakeBuild } from "../../support/fake-engine.js";

const source = [
  "FROM scratch AS deps",
  "RUN write /app/one 1; write /app/two 2; write /etc/app/conf x",
  "ENV NODE_ENV=production",
  "FROM deps AS build",
  "ARG MODE=fast",
  "RUN append /app/one 3",
  "",
].join("\n");

async function complete(line: string): Promise<string[]> {
  const build = new FakeBuild(source);
  await using session = new DebugSession(build);
  session.breakpoints.add("build/3", build);
  const stopped = await session.start();
  if (stopped.kind !== "stopped") throw new Error("it stops at its breakpoint");
  const [candidates, replaced] = await completeLine(session, stopped, line);
  expect(line.endsWith(replaced)).toBe(true);
  return candidates;
}

describe("completion", () => {
  it.each([
    ["unt", ["until "]],
    ["st", ["step ", "stepout "]],
    ["help bre", ["break ", "breakpoints "]],
    ["until bu", ["build ", "build/1 ", "build/2 ", "build/3 "]],
    ["b RU", ["RUN "]],
    ["diff 4 :2", [":2 "]],
    ["retry e", ["end "]],
    ["b RUN ", ["if "]],
    ["b RUN if $", ["$PATH", "$NODE_ENV", "$MODE"]],
    ["b RUN if c", ["cached ", "changed("]],
    ["tbreak RUN if !cached && exists(/etc/", ["exists(/etc/app/"]],
    ["b RUN if !changed(/app/o", ["!changed(/app/one)"]],
    ["condition ", ["1 "]],
    ["condition 1 if si", ["size > "]],
    ["clear ", ["1 "]],
    ["print NO", ["NODE_ENV"]],
    ["print $M", ["$MODE"]],
    ["print ${M", ["${MODE}"]],
    ["ls ", ["app/", "etc/"]],
    ["ls /a", ["/app/"]],
    ["cat /app/t", ["/app/two "]],
    ["cat deps/2:/app/", ["deps/2:/app/one ", "deps/2:/app/two "]],
    ["cp -", ["-f ", "--dirty "]],
    ["diff --", ["--dirty ", "--file "]],
    ["shell --", ["--dirty "]],
    ["set ", ["ENV ", "ARG "]],
    ["set ARG M", ["MODE="]],
    ["nothing ", []],
    ["next ", []],
  ])("%j", async (line, candidates) => {
    expect(await complete(line)).toEqual(candidates);
  });
});
