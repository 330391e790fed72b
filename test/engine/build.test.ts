import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeEngines, docker, expectNothingLeft, isOld } from "../support/engines.js";
import { dfdebug, program } from "../support/run-dfdebug.js";

describeEngines("dfdebug build without a terminal", (engine) => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-build-"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
    expectNothingLeft(engine);
  });

  const write = (name: string, text: string | Buffer): void => {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  const build = (...args: string[]): ReturnType<typeof dfdebug> =>
    dfdebug(engine, ["build", ...args, "."], { cwd: folder });

  it("reports a failing step and exits with 1", async () => {
    write(
      "Dockerfile",
      "FROM busybox:latest AS base\nRUN echo fine\nRUN echo to-stderr >&2; exit 42\nRUN echo never\n",
    );
    const run = await build();
    expect(run.code).toBe(1);
    expect(run.stdout).toBe("");
    expect(run.stderr).toContain("Step 3/4 failed");
    expect(run.stderr).toContain("Dockerfile:3, stage base");
    expect(run.stderr).toContain("▸ 3 │ RUN echo to-stderr");
    expect(run.stderr).toContain("exit code 42");
    expect(run.stderr).not.toContain("echo never\n#4");
  });

  it("reports a failing instruction of any length", async () => {
    // What the engine says of it is longer than Node takes.
    write("Dockerfile", `FROM busybox:latest\nRUN : ${"long ".repeat(8_000)}; exit 7\n`);
    const run = await build("--exec", "echo state");
    expect(run.code).toBe(1);
    expect(run.stderr).toContain("Step 2/2 failed");
    expect(run.stderr).toContain("exit code 7");
    expect(run.stdout).toBe("state\n");
  });

  it("runs diagnostics at the failing step, in its environment", async () => {
    write(
      "Dockerfile",
      "FROM busybox:latest\nARG WHO=nobody-special\nWORKDIR /here\nUSER nobody\nRUN echo before > /tmp/x; exit 1\n",
    );
    const run = await build("--exec", "pwd; id -un; echo $WHO; ls /tmp", "--exec", "exit 3");
    expect(run.code).toBe(1);
    expect(run.stdout).toBe("/here\nnobody\nnobody-special\n");
    expect(run.stderr).toContain("(exit code 3)");
  });

  it("writes one JSON object a line and nothing else", async () => {
    write("Dockerfile", "FROM busybox:latest\nENV A=1\nRUN echo out; echo err >&2; exit 5\n");
    const run = await build("--progress=json", "--no-cache", "--exec", "echo $A");
    expect(run.code).toBe(1);
    const objects = run.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    for (const object of objects) expect([typeof object["type"], typeof object["time"]]).toEqual(["string", "string"]);
    const of = (type: string): Record<string, unknown>[] => objects.filter((object) => object["type"] === type);
    expect(of("plan")).toHaveLength(1);
    expect(of("plan")[0]).toMatchObject({ target: "stage-0", engine: { kind: "buildkit" } });
    expect(of("plan")[0]?.["steps"]).toHaveLength(3);
    expect(of("step").map(({ number, status }) => `${String(number)} ${String(status)}`)).toContain("3 failed");
    expect(of("log").map(({ stream, text }) => [stream, text])).toEqual(
      expect.arrayContaining([
        ["stdout", expect.stringContaining("out")],
        ["stderr", expect.stringContaining("err")],
      ]),
    );
    expect(of("stopped")[0]).toMatchObject({ reason: "failure", number: 3, line: 3, instruction: "RUN", exitCode: 5 });
    expect(of("exec")[0]).toMatchObject({ number: 3, command: "echo $A", exitCode: 0, stdout: "1\n", stderr: "" });
    expect(objects.at(-1)).toMatchObject({ type: "ended", status: "failed", failedStep: 3, exitCode: 1 });
  });

  it("names the image, and writes its id and metadata", async () => {
    write("Dockerfile", "FROM busybox:latest\nRUN echo named > /f\n");
    const run = await build(
      "-t",
      "dfdebug-test/named:one",
      "-t",
      "dfdebug-test/named:two",
      "--iidfile",
      "id",
      "--metadata-file",
      "meta",
      "-q",
    );
    expect(run).toMatchObject({ code: 0, stderr: "" });
    const id = readFileSync(join(folder, "id"), "utf8");
    expect(run.stdout).toBe(`${id}\n`);
    expect(docker(engine, "image", "inspect", "-f", "{{.Id}}", "dfdebug-test/named:two")).toBe(id);
    expect(JSON.parse(readFileSync(join(folder, "meta"), "utf8"))).toMatchObject({
      "containerimage.digest": id,
      "image.name": "docker.io/dfdebug-test/named:one,docker.io/dfdebug-test/named:two",
    });
    docker(engine, "rmi", "-f", "dfdebug-test/named:one", "dfdebug-test/named:two");
  });

  it("keeps every step's state as an image, of a failed build too", async () => {
    write("Dockerfile", "FROM busybox:latest\nRUN echo one > /one\nENV TWO=2\nRUN exit 1\n");
    const run = await build("--keep-steps=dfdebug-test/kept");
    expect(run.code).toBe(1);
    expect(docker(engine, "run", "--rm", "dfdebug-test/kept:step-3", "sh", "-c", "cat /one; echo $TWO")).toBe("one\n2");
    const tags = docker(engine, "images", "--format", "{{.Tag}}", "dfdebug-test/kept").split("\n").sort();
    expect(tags).toEqual(["step-1", "step-2", "step-3"]);
    docker(engine, "rmi", "-f", ...tags.map((tag) => `dfdebug-test/kept:${tag}`));
  });

  it("says what a COPY looked for, what is near, and which line excludes it", async () => {
    write("Dockerfile", "FROM busybox:latest\nCOPY reqirements.txt /\n");
    write("requirements.txt", "x");
    const near = await build();
    expect(near.code).toBe(1);
    expect(near.stderr).toContain("reqirements.txt was not found in the build context.");
    expect(near.stderr).toContain("Did you mean requirements.txt?");
    write("Dockerfile", "FROM busybox:latest\nCOPY app.log /\n");
    write("app.log", "x");
    write(".dockerignore", "# logs\n*.log\n");
    const excluded = await build();
    expect(excluded.stderr).toContain("It exists, but .dockerignore:2 leaves it out: *.log");
    write(
      "Dockerfile",
      "FROM busybox:latest AS maker\nRUN mkdir /out && touch /out/program\nFROM busybox:latest\nCOPY --from=maker /out/progam /\n",
    );
    const stage = await build();
    expect(stage.stderr).toContain('/out/progam was not found in the stage "maker".');
    expect(stage.stderr).toContain("Did you mean /out/program?");
  });

  it("takes a Dockerfile, or an archive, on standard input", async () => {
    const text = await dfdebug(engine, ["build", "-q", "-"], { input: "FROM busybox:latest\nRUN echo stdin > /f\n" });
    expect(text).toMatchObject({ code: 0, stderr: "" });
    write("Dockerfile", "FROM busybox:latest\nCOPY f /f\nRUN exit 1\n");
    write("f", "content");
    const archive = execFileSync("tar", ["-C", folder, "-cz", "Dockerfile", "f"]);
    const tar = await dfdebug(engine, ["build", "--exec", "cat /f", "-"], { input: archive });
    expect(tar.stderr).toContain("Step 3/3 failed");
    expect(tar.stdout).toBe("content\n");
    const piped = await dfdebug(engine, ["build", "-q", "-f", "-", folder], {
      input: "FROM busybox:latest\nCOPY f /g\n",
    });
    expect(piped).toMatchObject({ code: 0, stderr: "" });
  });

  it("gives secrets to the step and to nothing else", async () => {
    write("Dockerfile", "FROM busybox:latest\nRUN --mount=type=secret,id=key cat /run/secrets/key | wc -c && exit 1\n");
    const run = await dfdebug(
      engine,
      [
        "build",
        "--progress=json",
        "--secret",
        "id=key,env=DFDEBUG_TEST_SECRET",
        "--exec",
        "wc -c < /run/secrets/key",
        ".",
      ],
      { cwd: folder, env: { DFDEBUG_TEST_SECRET: "very-secret-value", DFDEBUG_LOG: "stderr" } },
    );
    expect(run.code).toBe(1);
    expect(run.stdout).toContain('"stdout":"17\\n"');
    expect(run.stdout + run.stderr).not.toContain("very-secret-value");
    write("Dockerfile", "FROM busybox:latest\nRUN --mount=type=secret,id=key,required=true cat /run/secrets/key\n");
    const missing = await build();
    expect(missing.code).toBe(1);
    expect(missing.stderr).toMatch(/secret key/);
  });

  it("refuses what it cannot do, before anything is built", async () => {
    write("Dockerfile", "FROM busybox:latest AS one\nRUN true\n");
    const target = await build("--target", "oen");
    expect(target.code).toBe(1);
    expect(target.stderr).toMatch(/oen/);
    expect(target.stderr).toMatch(/one/);
    expect((await build("--push")).code).toBe(2);
    expect((await build("-t", "Upper/Case")).code).toBe(2);
    expect((await dfdebug(engine, ["build", "/no/such/folder"])).code).toBe(2);
    write("Dockerfile", "FROM busybox:latest\nRUNN echo\n");
    const parse = await build();
    expect(parse.code).toBe(1);
    expect(parse.stderr).toContain("Dockerfile:2:1");
    expect(parse.stderr).toContain("RUN");
    const lost = await dfdebug({ ...engine, host: "unix:///no/engine.sock" }, ["build", "."], { cwd: folder });
    expect(lost.code).not.toBe(0);
  });

  it("says so when there is no engine", async () => {
    write("Dockerfile", "FROM busybox:latest\n");
    const run = await dfdebug({ ...engine, host: "unix:///no/engine.sock" }, ["build", "."], { cwd: folder });
    expect(run.code).toBe(3);
    expect(run.stderr).toContain("No engine answers at unix:///no/engine.sock (DOCKER_HOST)");
    expect(run.stderr).not.toContain("at Object");
  });

  it("builds a context with a socket, a fifo, odd names and links that leave it", async () => {
    write("Dockerfile", "FROM busybox:latest\nCOPY . /c/\nRUN ls -1 /c | wc -l > /n\n");
    write("new\nline", "x");
    write("späce name", "y");
    symlinkSync("/etc/passwd", join(folder, "leaves"));
    symlinkSync("../..", join(folder, "up"));
    execFileSync("mkfifo", [join(folder, "fifo")]);
    const server = createServer().listen(join(folder, "socket"));
    await new Promise((resolve) => server.once("listening", resolve));
    try {
      const run = await build("-q");
      expect(run).toMatchObject({ code: 0, stderr: "" });
    } finally {
      server.close();
    }
  });

  it("keeps harmful control sequences of a step from the terminal, and survives a long line", async () => {
    write(
      "Dockerfile",
      "FROM busybox:latest\nRUN printf '\\033]52;c;aGFjaw==\\007\\033[2Jtext\\n'; head -c 3000000 /dev/zero | tr '\\0' x; exit 1\n",
    );
    const run = await build("--no-cache");
    expect(run.code).toBe(1);
    expect(run.stderr).toContain("text");
    expect(run.stderr).not.toContain("\x1b");
  });

  it("leaves nothing behind when it is killed", async () => {
    write("Dockerfile", "FROM busybox:latest\nRUN echo started-sleeping && sleep 60\n");
    const before = docker(engine, "ps", "-aq");
    const child = spawn(process.execPath, [program, "build", "--no-cache", "."], {
      cwd: folder,
      env: { ...process.env, DOCKER_HOST: engine.host },
      stdio: ["ignore", "ignore", "pipe"],
    });
    await new Promise<void>((resolve) => {
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        if (/\d started-sleeping/.test(text)) resolve();
      });
    });
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("close", resolve));
    expect(docker(engine, "ps", "-aq")).toBe(before);
  });

  it("ends with 130 when it is interrupted", async () => {
    write("Dockerfile", "FROM busybox:latest\nRUN echo started-sleeping && sleep 60\n");
    const child = spawn(process.execPath, [program, "build", "--no-cache", "."], {
      cwd: folder,
      env: { ...process.env, DOCKER_HOST: engine.host },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let output = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (/\d started-sleeping/.test(text)) child.kill("SIGINT");
    });
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect(code).toBe(130);
    expect(output).toContain("Interrupted");
  });

  it("reports the lines that BuildKit reports", async () => {
    const source = `# a comment\nFROM busybox:latest AS a\n\nRUN echo one && \\\n    # inside\n\n    echo two\n${isOld(engine) ? "" : "RUN <<EOF\necho heredoc\nEOF\n"}ENV X=1 \\\n  Y=2\nWORKDIR /w\n`;
    write("Dockerfile", source);
    const run = await build("--progress=json");
    expect(run.code).toBe(0);
    // A step whose lines differed from BuildKit's would not be found in its graph and never be reported.
    const done = run.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; number?: number; status?: string })
      .filter(({ type, status }) => type === "step" && (status === "done" || status === "cached"))
      .map(({ number }) => number);
    expect(new Set(done).size).toBe(isOld(engine) ? 4 : 5);
  });

  it("plans without an engine", async () => {
    write(
      "Dockerfile",
      "FROM busybox:latest AS a\nRUN true\nFROM busybox:latest AS unused\nRUN true\nFROM a\nCOPY --from=a /bin /b\n",
    );
    const run = await dfdebug({ ...engine, host: "unix:///no/engine.sock" }, ["plan", "--json", "."], { cwd: folder });
    expect(run.code).toBe(0);
    const plan = JSON.parse(run.stdout) as { steps: { number: number; dependsOn: number[] }[] };
    expect(plan.steps.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
    expect(plan.steps[3]?.dependsOn).toEqual([3, 2]);
    expect(existsSync(join(folder, "Dockerfile"))).toBe(true);
  });

  it("examines the engine", async () => {
    const run = await dfdebug(engine, ["doctor", "--json"]);
    expect(run.code).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ engine: { capabilities: { dirtyState: !isOld(engine) } } });
    expect((await dfdebug(engine, ["prune"])).stdout).toBe("Nothing to remove\n");
  });
});
