import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeEngines, expectNothingLeft } from "../support/engines.js";
import { dfdebug } from "../support/run-dfdebug.js";
import { Terminal } from "../support/terminal.js";

describeEngines("a failure's card", (engine) => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-cards-"));
    mkdirSync(join(folder, "sub"));
    writeFileSync(join(folder, "package.json"), "{}");
    writeFileSync(join(folder, "sub/file"), "");
  });

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
    expectNothingLeft(engine);
  });

  /** What people read of a build that fails, with its instruction's excerpt. */
  const failing = async (dockerfile: string): Promise<string> => {
    writeFileSync(join(folder, "Dockerfile"), dockerfile);
    const run = await dfdebug(engine, ["build", "--progress=plain", "."], { cwd: folder });
    expect(run.code, run.stderr).toBe(1);
    return run.stderr;
  };

  it("says that a stage's name is misspelt, whatever names it", async () => {
    const stage = "FROM busybox:latest AS builder\n";
    for (const instruction of [
      "COPY --from=bulider /x /x",
      "RUN --mount=type=bind,from=bulider,target=/m true",
      "FROM bulider",
    ]) {
      const text = await failing(`${stage}FROM busybox:latest\n${instruction}\nRUN true\n`);
      expect(text).toContain(`▸ 3 │ ${instruction}\n`);
      expect(text).toContain('"bulider" names neither an earlier stage of this Dockerfile nor an image');
      expect(text).toContain("Did you mean stage builder (line 1)?");
      expect(text).not.toContain("check its network");
    }
    const later = await failing(`FROM builder-1 AS a\n${stage.replace("builder", "builder-1")}COPY --from=a / /\n`);
    expect(later).toContain("stage builder-1 is defined later, on line 2");
  });

  it("names the file that is in a folder's way, and the step that made it", async () => {
    const made = await failing("FROM busybox:latest\nRUN echo a > /srv\nENV A=b\nWORKDIR /srv/app\n");
    expect(made).toContain("/srv is a file, and WORKDIR needs a folder there\n  Step 2 made it, in Dockerfile:2.");
    const base = await failing("FROM busybox:latest\nCOPY sub /etc/passwd\n");
    expect(base).toContain("/etc/passwd is a file, and COPY needs a folder there");
    expect(base).toContain("It comes from busybox:latest, the FROM in Dockerfile:1.");
    expect(made + base).not.toContain("overlay2");
  });

  it("says that several sources need a slash behind the destination", async () => {
    const text = await failing("FROM busybox:latest\nWORKDIR /app\nCOPY Dockerfile sub new\n");
    expect(text).toContain("new became a file, and a folder cannot be copied to it");
    expect(text).toContain("Write new/ for a folder that takes all sources.");
  });

  it("says that .. does not lead out of the context", async () => {
    for (const instruction of [
      "COPY ../lib/a /",
      'ADD ["sub/../../lib/a", "/"]',
      "RUN --mount=source=../lib/a,target=/a true",
    ]) {
      const text = await failing(`FROM busybox:latest\n${instruction}\n`);
      expect(text).toMatch(/\.\.\/lib\/a was not found in the build context\./);
      expect(text).toContain("No .. leads out of the context: lib/a was looked for in it.");
    }
  });

  it("names the USER that there is none of, and one that is like it", async () => {
    const near = await failing(
      "FROM busybox:latest\nRUN echo 'tester:x:7:7::/:/bin/sh' >> /etc/passwd\nUSER tsester\nENV A=b\nRUN id\n",
    );
    expect(near).toContain('There is no user "tsester": /etc/passwd does not name it');
    expect(near).toContain("USER tsester in Dockerfile:3 asks for it.");
    expect(near).toContain("Did you mean tester?");
    const inherited = await failing("FROM busybox:latest AS base\nUSER app:staff2\nFROM base\nRUN id\n");
    expect(inherited).toContain("USER app:staff2 of stage base, in Dockerfile:2, asks for it.");
    expect(inherited).toMatch(/Make it before that USER: RUN .*app/);
  });

  it("names what is like a mount's missing source", async () => {
    const text = await failing(
      "FROM busybox:latest\nRUN --mount=type=bind,source=./packag.json,target=/p.json cat /p.json\n",
    );
    expect(text).toContain("./packag.json was not found in the build context.");
    expect(text).toContain("Did you mean package.json?");
    const other = await failing('FROM busybox:latest\nRUN --mount=type=bind,source=sub,target=/sub ["/sub/tool"]\n');
    expect(other).not.toContain("was not found in");
  });

  it("says who fetches an ADD's address", async () => {
    const text = await failing("FROM busybox:latest\nADD http://127.0.0.1:9/file /x/\n");
    expect(text).toContain("http://127.0.0.1:9/file could not be fetched\n  dial tcp 127.0.0.1:9");
    expect(text).toContain("The engine fetches it, not dfdebug");
  });

  it("says that the engine clipped the log, and what of it is missing", async () => {
    const line = "a line of a log ".repeat(100);
    const print = (end: string) =>
      `FROM busybox:latest\nRUN echo ${String(Date.now())}; yes '${line}' | head -c 2500000; ${end}\n`;
    const failed = (await failing(print("echo; echo the end; exit 3"))).slice(-1500);
    expect(failed).toMatch(
      /\n {2}the end\n {2}\(\d+ lines: logs 2\)\n {2}The engine clipped this log at its limit of 200KiB/,
    );
    expect(failed).toContain("BUILDKIT_STEP_LOG_MAX_SPEED=");
    writeFileSync(join(folder, "Dockerfile"), print("true"));
    writeFileSync(join(folder, "commands"), "logs 2\nquit\n");
    const built = await dfdebug(engine, ["build", "-b", "end", "-x", "commands", "."], { cwd: folder });
    expect(built.stdout).toContain("limit of 200KiB/s: what followed is missing");
  });

  it("is followed by the prompt where no shell can run as the step does", async () => {
    for (const instructions of ["USER nosuch\nRUN id", "RUN --mount=type=bind,source=nosuch,target=/m true"]) {
      writeFileSync(join(folder, "Dockerfile"), `FROM busybox:latest\n${instructions}\n`);
      await using terminal = new Terminal(engine, ["build", "."], folder);
      await terminal.expect("Nothing can be run in this step's container");
      await terminal.expect("(dfdebug) ");
      terminal.type("ls /etc/passwd\r");
      await terminal.expect(/-rw-r--r-- .* passwd\n/);
      terminal.type("quit\r");
      expect(await terminal.exited).toBe(1);
    }
  });

  it("is whole in --progress=json", async () => {
    writeFileSync(join(folder, "Dockerfile"), "FROM busybox:latest\nUSER nosuch\nRUN id\n");
    const run = await dfdebug(engine, ["build", "--progress=json", "."], { cwd: folder });
    const events = run.stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { type: string });
    expect(events.find(({ type }) => type === "stopped")).toMatchObject({
      message: 'There is no user "nosuch": /etc/passwd does not name it',
      cause: ["USER nosuch in Dockerfile:2 asks for it."],
      advice: [expect.stringMatching(/RUN .*nosuch/)],
    });
  });
});
