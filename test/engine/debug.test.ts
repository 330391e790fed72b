import { PassThrough } from "node:stream";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Lifetime } from "../../src/lifetime.js";
import type { Sidecar } from "../../src/sidecar/sidecar.js";
import { describeEngines, expectNothingLeft } from "../support/engines.js";
import { openSidecar } from "../support/sidecar.js";
import { Targets } from "../support/targets.js";

describeEngines("a sidecar", (engine) => {
  const lifetime = new Lifetime();
  let targets: Targets;
  let sidecar: Sidecar;

  beforeAll(async () => {
    targets = new Targets(engine);
    sidecar = await openSidecar(engine, targets.run(), lifetime);
  });

  afterAll(async () => {
    await lifetime[Symbol.asyncDispose]();
    targets[Symbol.dispose]();
    expectNothingLeft(engine);
  });

  it("keeps output and errors apart, byte for byte, and passes the end of input on", async () => {
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 256));
    const script = "cat; echo to standard error >&2";
    const { exec } = await sidecar.exec({ argv: ["sh", "-c", script], view: "outside" });
    const [stdout, stderr] = [collect(), collect()];
    exec.stdin.end(bytes);
    await exec.copyOutput({ stdout: stdout.sink, stderr: stderr.sink });
    expect(stdout.bytes().equals(bytes)).toBe(true);
    expect(stderr.bytes().toString()).toBe("to standard error\n");
  });
});

function collect(): { sink: PassThrough; bytes: () => Buffer } {
  const chunks: Buffer[] = [];
  const sink = new PassThrough();
  sink.on("data", (chunk: Buffer) => chunks.push(chunk));
  return { sink, bytes: () => Buffer.concat(chunks) };
}
