import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeEngines, docker, expectNothingLeft } from "../support/engines.js";
import { dfdebug } from "../support/run-dfdebug.js";

describeEngines("an ONBUILD trigger that fails", (engine) => {
  it("is told of as one, and looked at on the state before it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "dfdebug-onbuild-"));
    const image = "dfdebug-test/onbuild";
    try {
      writeFileSync(
        join(folder, "Dockerfile"),
        "FROM busybox:latest\nENV A=value\nWORKDIR /w\nONBUILD RUN touch here\nONBUILD RUN echo hi; exit 7\n",
      );
      const base = await dfdebug(engine, ["build", "-t", image, "."], { cwd: folder });
      expect(base.code).toBe(0);
      writeFileSync(join(folder, "Dockerfile"), `FROM ${image}\nRUN echo after\n`);
      const run = await dfdebug(engine, ["build", "--exec", "ls; echo in $PWD; echo A is $A", "."], { cwd: folder });
      expect(run.code).toBe(1);
      expect(run.stderr).toContain("Step 1/2 failed");
      expect(run.stderr).toContain("exit code 7");
      expect(run.stderr).toContain(`An ONBUILD trigger of ${image} failed: RUN echo hi; exit 7`);
      expect(run.stdout).toBe("here\nin /w\nA is value\n");
      expect(run.stderr).not.toContain("transferred dfdebug-toolbox");
    } finally {
      rmSync(folder, { recursive: true, force: true });
      docker(engine, "rmi", "-f", image);
      expectNothingLeft(engine);
    }
  });
});
