import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeEngines, expectNothingLeft } from "../support/engines.js";
import { dfdebug } from "../support/run-dfdebug.js";

describeEngines("a script whose interpreter is missing", (engine) => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-interpreter-"));
    writeFileSync(join(folder, "crlf.sh"), "#!/bin/sh\r\necho hi\r\n", { mode: 0o755 });
    writeFileSync(join(folder, "python.sh"), "#!/usr/bin/python3 -u\nprint(1)\n", { mode: 0o755 });
    writeFileSync(join(folder, "good.sh"), "#!/bin/sh\nexit 127\n", { mode: 0o755 });
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
    expectNothingLeft(engine);
  });

  it.each([
    ["RUN /app/crlf.sh", "/app/crlf.sh is there: it has Windows line ends", "sed -i 's/\\r$//'"],
    [
      "RUN echo x && ./python.sh",
      "./python.sh is there: it is a script for /usr/bin/python3",
      "Install python3 before",
    ],
    ['RUN ["/app/crlf.sh"]', "/app/crlf.sh is there: it has Windows line ends", "sed -i"],
    ["RUN cat ./crlf.sh; zork", "zork: not found", "zork is not installed in this stage"],
    ["RUN ./nowhere.sh", "./nowhere.sh: not found", "./nowhere.sh is not in this stage, or it is a script"],
  ])("is said of %s", async (run, cause, advice) => {
    const dockerfile = `FROM busybox:latest\nWORKDIR /app\nCOPY *.sh /app/\n${run}\n`;
    writeFileSync(join(folder, "Dockerfile"), dockerfile);
    const { code, stderr } = await dfdebug(engine, ["build", "."], { cwd: folder, input: null });
    expect(code).toBe(1);
    expect(stderr).toContain(cause);
    expect(stderr).toContain(advice);
  });

  it("is not said of one that ends with 127 itself", async () => {
    writeFileSync(join(folder, "Dockerfile"), "FROM busybox:latest\nWORKDIR /app\nCOPY *.sh /app/\nRUN ./good.sh\n");
    const { code, stderr } = await dfdebug(engine, ["build", "."], { cwd: folder, input: null });
    expect(code).toBe(1);
    expect(stderr).not.toContain("is there");
  });
});
