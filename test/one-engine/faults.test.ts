import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { docker, expectNothingLeft, testEngines } from "../support/engines.js";
import { dfdebug, program, startDfdebug, type Run } from "../support/run-dfdebug.js";

// One engine is enough: these are dfdebug's own ways to end, and what it reads.
const [engine] = testEngines();

describe("dfdebug build where things go wrong", () => {
  if (!engine) throw new Error("no engine");
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-faults-"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
    expectNothingLeft(engine);
  });

  const write = (name: string, text: string | Buffer): void => writeFileSync(join(folder, name), text);
  const build = (...args: string[]): Promise<Run> => dfdebug(engine, ["build", ...args, "."], { cwd: folder });

  it("leaves nothing running when it is killed at any moment, and goes on from the cache", async () => {
    // Unlike any other step, so that what runs of it can be told from the rest of the machine. Each build has its own: one that
    // takes up a step while the engine stops it for another can wait for ever on 20.10, docker's build too.
    const mark = `${String(process.pid)}${String(Date.now() % 100000)}`;
    const dockerfile = (build: number): string =>
      `FROM busybox:latest\nRUN echo ${mark}${String(build)} > /kept\nRUN sleep 3${mark}${String(build)}\n`;
    const temporary = mkdtempSync(join(tmpdir(), "dfdebug-faults-"));
    const env = { TMPDIR: temporary };
    const moments = [0, 200, 400, 1200];
    for (const [build, moment] of moments.entries()) {
      write("Dockerfile", dockerfile(build));
      const run = startDfdebug(engine, ["build", "."], { cwd: folder, env });
      await Promise.race([sleep(moment), run.ended]);
      run.child.kill("SIGKILL");
      await run.ended;
    }
    // One is certain to be killed in the middle of the step.
    write("Dockerfile", dockerfile(moments.length));
    const last = startDfdebug(engine, ["build", "--progress=plain", "."], { cwd: folder, env });
    await last.expect(/RUN sleep/);
    last.child.kill("SIGKILL");
    await last.ended;
    while (runs(`sleep 3${mark}[0-9]`)) await sleep(50);
    expect(docker(engine, "ps", "-aq", "--filter", "label=dev.dfdebug.session")).toBe("");
    write(
      "Dockerfile",
      `FROM busybox:latest\nRUN echo ${mark}${String(moments.length)} > /kept\nRUN cat /kept; exit 1\n`,
    );
    // What is younger could be just being made.
    for (const left of readdirSync(temporary)) utimesSync(join(temporary, left), 1, 1);
    const next = await dfdebug(engine, ["build", "."], { cwd: folder, env });
    expect(next.code).toBe(1);
    expect(readdirSync(temporary)).toEqual([]);
    rmSync(temporary, { recursive: true });
    expect(next.stderr).toMatch(/RUN echo \d+ > \/kept\n#\d+ CACHED/);
  });

  it("ends with 130 on SIGTERM and SIGHUP", async () => {
    write("Dockerfile", "FROM busybox:latest\nRUN echo waiting-here && sleep 60\n");
    for (const signal of ["SIGTERM", "SIGHUP"] as const) {
      const run = startDfdebug(engine, ["build", "--no-cache", "."], { cwd: folder });
      await run.expect(/\d waiting-here/);
      run.child.kill(signal);
      const { code, stderr } = await run.ended;
      expect(code).toBe(130);
      expect(stderr).toContain("Interrupted");
    }
  });

  it("builds on where nobody reads its output, and without standard streams", () => {
    write("Dockerfile", "FROM busybox:latest\nRUN seq 2000; exit 1\n");
    const shell = (line: string): string =>
      execFileSync("bash", ["-c", line, process.execPath, program], {
        cwd: folder,
        encoding: "utf8",
        env: { ...process.env, DOCKER_HOST: engine.host },
      });
    expect(shell('"$0" "$1" build --progress=json . | head -1 | cut -c1-14; echo ${PIPESTATUS[0]}')).toBe(
      '{"type":"plan"\n1\n',
    );
    expect(shell('"$0" "$1" build . 2>&1 | head -1 >/dev/null; echo ${PIPESTATUS[0]}')).toBe("1\n");
    expect(shell('"$0" "$1" build . <&- >&- 2>&-; echo $?')).toBe("1\n");
  });

  it("takes a context that changes while it is sent", async () => {
    mkdirSync(join(folder, "files"));
    for (let index = 0; index < 1500; index++) write(`files/${String(index)}`, `file ${String(index)}\n`);
    write("grows", Buffer.alloc(30_000_000));
    write("Dockerfile", "FROM busybox:latest\nCOPY . /all/\nRUN test -e /all/Dockerfile\n");
    const run = startDfdebug(engine, ["build", "."], { cwd: folder });
    for (let round = 0; round < 30; round++) {
      appendFileSync(join(folder, "grows"), Buffer.alloc(100_000, round));
      for (let index = round; index < 1500; index += 60) rmSync(join(folder, "files", String(index)), { force: true });
      await Promise.race([sleep(20), run.ended]);
    }
    const { code, stderr } = await run.ended;
    // Either the build saw one state of each file, or it says which file went away under it.
    expect(stderr).not.toContain("itself failed");
    expect([0, 1]).toContain(code);
    expect((await build("-q")).code).toBe(0);
  });

  it("reads Dockerfiles as they come, and says what is none", async () => {
    write("Dockerfile", "\uFEFFFROM busybox:latest\r\nRUN\techo tab \\\r\n  and-more é ✓; exit 1\r\n");
    const odd = await build();
    expect(odd.stderr).toContain("tab and-more é ✓");
    expect(odd.stderr).toContain("Dockerfile:2, stage stage-0");
    rmSync(join(folder, "Dockerfile"));
    mkdirSync(join(folder, "Dockerfile"));
    expect((await build()).stderr).toContain("Dockerfile is a folder, not a Dockerfile");
    expect(await build("-f", "Dockerfile")).toMatchObject({ code: 2 });
    rmSync(join(folder, "Dockerfile"), { recursive: true });
    execFileSync("mkfifo", [join(folder, "Dockerfile")]);
    expect((await build()).stderr).toContain("Dockerfile is a pipe, not a Dockerfile");
    rmSync(join(folder, "Dockerfile"));
    for (const text of ["", "# only a comment\n\n"]) {
      write("Dockerfile", text);
      const none = await build();
      expect(none.code).toBe(1);
      expect(none.stderr).toContain("Dockerfile holds no instruction");
    }
    write("Dockerfile", "FROM busybox:latest\n");
    mkdirSync(join(folder, ".dockerignore"));
    const ignore = await build();
    expect(ignore.code).toBe(2);
    expect(ignore.stderr).toContain(".dockerignore is a folder");
    rmSync(join(folder, ".dockerignore"), { recursive: true });
    const substituted = execFileSync(
      "bash",
      ["-c", `"$0" "$1" build -q -f <(echo FROM busybox:latest) .`, process.execPath, program],
      { cwd: folder, encoding: "utf8", env: { ...process.env, DOCKER_HOST: engine.host } },
    );
    expect(substituted).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  });

  it("shows the end of a log of 10 MB in one line, of many lines, and with bytes of zero", async () => {
    write(
      "Dockerfile",
      `FROM busybox:latest\nRUN head -c 10485760 /dev/zero | tr '\\0' x; echo; seq 20000; printf 'nul\\000byte\\n'; exit 1\n`,
    );
    const run = await build("--no-cache", "--progress=json");
    expect(run.code).toBe(1);
    expect(JSON.parse(run.stdout.trim().split("\n").at(-1) ?? "")).toMatchObject({ type: "ended", exitCode: 1 });
    expect(run.stdout).not.toContain("\0");
  });
});

/** Whether a process with exactly that command line runs on this machine (an engine's steps are its processes). */
function runs(command: string): boolean {
  try {
    return execFileSync("pgrep", ["-fx", command], { encoding: "utf8" }).trim() !== "";
  } catch {
    return false;
  }
}
