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

  it("of a stage of this file belongs to the FROM that it runs behind, and its line is named", async () => {
    const folder = mkdtempSync(join(tmpdir(), "dfdebug-onbuild-"));
    const unique = String(Date.now());
    const dockerfile = (code: number): string => `FROM busybox:latest AS base
RUN echo ${unique} > /one
ONBUILD COPY Dockerfile /tool
ONBUILD RUN echo ran; touch /two; exit ${String(code)}
RUN touch /three
FROM base
RUN ls /one /two /three /tool
`;
    try {
      writeFileSync(join(folder, "Dockerfile"), dockerfile(4));
      const failed = await dfdebug(engine, ["build", "--exec", "ls -d /t* /one", "."], { cwd: folder });
      expect(failed.code).toBe(1);
      expect(failed.stderr).toContain("Step 6/7 failed");
      expect(failed.stderr).toContain("An ONBUILD trigger of base failed: RUN echo ran; touch /two; exit 4");
      expect(failed.stderr).toContain("It stands in Dockerfile:4.");
      expect(failed.stdout).toBe("/one\n/three\n/tmp\n/tool\n");
      writeFileSync(join(folder, "Dockerfile"), dockerfile(0));
      const script = join(folder, "script");
      writeFileSync(script, "diff 2\ndiff 5\n");
      const run = await dfdebug(engine, ["build", "--progress=plain", "-b", "7", "-x", script, "."], { cwd: folder });
      expect(run.code, run.stderr + run.stdout).toBe(0);
      const [, second = "", fifth = ""] = run.stdout.split("(dfdebug) diff ");
      expect(second).toContain("A /one ");
      expect(fifth).toBe("5\nStep 5: 1 added\nA /three  0 B\n");
      expect(run.stderr).toContain("#6 [stage-1 1/2] FROM base");
      expect(run.stderr).toMatch(/#6 \S+ ran\n/);
      expect(run.stderr).toMatch(/#6 DONE/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
      expectNothingLeft(engine);
    }
  });
});
