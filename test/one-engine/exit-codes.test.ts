import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { Lifetime } from "../../src/lifetime.js";
import { atOnce } from "../support/at-once.js";
import { expectNothingLeft, testEngines } from "../support/engines.js";
import { openSidecar } from "../support/sidecar.js";
import { Targets } from "../support/targets.js";

// One engine is enough: on the others, test/cli/debug.test.ts has those that mean something.
const [engine] = testEngines();

it("a command in a sidecar has every exit code, 0 to 255", { timeout: 600_000 }, async () => {
  if (!engine) throw new Error("no engine");
  const targets = new Targets(engine);
  const lifetime = new Lifetime();
  try {
    const sidecar = await openSidecar(engine, targets.run(), lifetime);
    const codes = Array.from({ length: 256 }, (_, code) => code);
    const ended = await atOnce(8, codes, async (code) => {
      const { exec } = await sidecar.exec({ argv: ["sh", "-c", `exit ${String(code)}`], view: "outside" });
      exec.stdin.end();
      await exec.copyOutput({ stdout: new PassThrough().resume(), stderr: new PassThrough().resume() });
      return exec.exitCode();
    });
    expect(ended).toEqual(codes);
  } finally {
    await lifetime[Symbol.asyncDispose]();
    targets[Symbol.dispose]();
  }
  expectNothingLeft(engine);
});
