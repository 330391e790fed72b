import { PassThrough } from "node:stream";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Containers } from "../../src/docker/containers.js";
import { DockerConnection } from "../../src/docker/connection.js";
import { resolveEndpoint } from "../../src/docker/endpoint.js";
import { Lifetime } from "../../src/lifetime.js";
import { ownerLabels } from "../../src/sidecar/labels.js";
import { sidecarRights } from "../../src/sidecar/rights.js";
import { Sidecar } from "../../src/sidecar/sidecar.js";
import { resolveToolboxImage } from "../../src/sidecar/toolbox.js";
import { describeEngines, expectNothingLeft } from "../support/engines.js";
import { Targets } from "../support/targets.js";

const request = { privileged: false, capAdd: [], readOnly: false, binds: [], mounts: [] };

describeEngines("a sidecar", (engine) => {
  const lifetime = new Lifetime();
  let targets: Targets;
  let sidecar: Sidecar;

  beforeAll(async () => {
    targets = new Targets(engine);
    const endpoint = await resolveEndpoint({ host: engine.host, env: process.env });
    const connection = lifetime.own(await DockerConnection.connect(endpoint, {}));
    const containers = new Containers(connection);
    const name = targets.run();
    const toolbox = await resolveToolboxImage({
      image: undefined,
      connection,
      env: process.env,
      platform: () => Promise.resolve(undefined),
      credentials: () => Promise.resolve(undefined),
    });
    sidecar = await Sidecar.open({
      containers,
      toolbox,
      rights: sidecarRights(await containers.inspect(name), request),
      readOnly: false,
      label: name,
      labels: ownerLabels(),
      env: [],
      targetEnv: [],
      targetCwd: "/",
      signal: new AbortController().signal,
    });
    lifetime.own(sidecar);
  });

  afterAll(async () => {
    await lifetime[Symbol.asyncDispose]();
    targets[Symbol.dispose]();
    expectNothingLeft(engine);
  });

  it("has every exit code, 0 to 255", async () => {
    const run = async (code: number): Promise<number | undefined> => {
      const { exec } = await sidecar.exec({ argv: ["sh", "-c", `exit ${String(code)}`], view: "outside" });
      exec.stdin.end();
      await exec.copyOutput({ stdout: new PassThrough().resume(), stderr: new PassThrough().resume() });
      return exec.exitCode();
    };
    const codes = Array.from({ length: 256 }, (_, code) => code);
    const ended: (number | undefined)[] = [];
    for (let from = 0; from < codes.length; from += 16)
      ended.push(...(await Promise.all(codes.slice(from, from + 16).map(run))));
    expect(ended).toEqual(codes);
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
