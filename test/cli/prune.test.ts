import { hostname } from "node:os";
import { afterEach, expect, it } from "vitest";
import { describeEngines, docker, expectNothingLeft, type TestEngine } from "../support/engines.js";
import { dfdebug } from "../support/run-dfdebug.js";

/** A container as a session of that process left it; its id. */
function leftBehind(engine: TestEngine, owner: { pid: number; host: string }): string {
  const labels = { session: "test", pid: String(owner.pid), host: owner.host };
  const flags = Object.entries(labels).flatMap(([name, value]) => ["--label", `dev.dfdebug.${name}=${value}`]);
  return docker(engine, "create", ...flags, "busybox", "true");
}

/** Above Linux's highest process id (4194304). */
const nobody = 9_999_999;

describeEngines("dfdebug prune", (engine) => {
  afterEach(() => expectNothingLeft(engine));

  it("removes what a dead session left, and nothing of one that may run", async () => {
    const mine = leftBehind(engine, { pid: process.pid, host: hostname() });
    const elsewhere = leftBehind(engine, { pid: nobody, host: "elsewhere" });
    const dead = leftBehind(engine, { pid: nobody, host: hostname() });
    const image = docker(engine, "commit", "-c", "LABEL dev.dfdebug.session=test", dead).replace("sha256:", "");
    const first = await dfdebug(engine, ["prune"]);
    // The image inherited its container's labels: its session is dead too.
    expect(first).toEqual({
      code: 0,
      stdout: `Removed container ${dead.slice(0, 12)}\nRemoved image ${image.slice(0, 12)}\n`,
      stderr: "",
    });
    expect(await dfdebug(engine, ["prune", "--all"])).toMatchObject({ code: 2, stdout: "" });
    const all = await dfdebug(engine, ["prune", "--all", "--force"]);
    for (const id of [mine, elsewhere]) expect(all.stdout).toContain(`Removed container ${id.slice(0, 12)}\n`);
    expect(await dfdebug(engine, ["prune"])).toEqual({ code: 0, stdout: "Nothing to remove\n", stderr: "" });
  });
});
