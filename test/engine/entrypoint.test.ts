import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { elfProgram } from "../support/elf.js";
import { describeEngines, docker, expectNothingLeft } from "../support/engines.js";
import { dfdebug } from "../support/run-dfdebug.js";

interface Report {
  readonly canRun: boolean;
  readonly argv: readonly string[];
  readonly programs: readonly { readonly role: string; readonly real?: string; readonly type?: string }[];
  readonly findings: readonly {
    readonly kind: string;
    readonly message: string;
    readonly hint?: string;
    line?: number;
  }[];
  readonly lines: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
  readonly lastRun?: object;
}

const dockerfile = `FROM busybox:latest AS app
COPY . /app/
RUN chmod 755 /app/crlf.sh /app/entry.sh /app/ok.sh /app/foreign /app/glibc /app/text && chmod 700 /app/ok.sh && touch /app/file \\
 && ln -s /gone /bin/dangling && ln -s ../app/crlf.sh /bin/start
USER nobdy
WORKDIR /app
ENTRYPOINT ["start"]
CMD ["serve", "-v"]
`;

describeEngines("dfdebug entrypoint", (engine) => {
  const id = randomBytes(4).toString("hex");
  const image = `entrypoint-${id}`;
  const created: string[] = [];
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-entrypoint-"));
    writeFileSync(join(folder, "Dockerfile"), dockerfile);
    writeFileSync(join(folder, "crlf.sh"), "#!/bin/sh\r\n");
    writeFileSync(join(folder, "ok.sh"), "#!/bin/sh\n");
    writeFileSync(join(folder, "entry.sh"), '#!/bin/sh\nset -e\necho ready\nexec "$@"\n');
    writeFileSync(join(folder, "text"), "hello\n");
    writeFileSync(join(folder, "foreign"), elfProgram({ machine: 22, bits: 64, little: false }));
    const loader = "/lib64/ld-linux-none.so.2";
    const machine = process.arch === "arm64" ? 183 : 62;
    writeFileSync(join(folder, "glibc"), elfProgram({ machine, bits: 64, little: true, loader }));
    docker(engine, "build", "-q", "-t", image, folder);
  });

  afterAll(() => {
    if (created.length > 0) docker(engine, "rm", "-f", ...created);
    docker(engine, "rmi", "-f", image);
    rmSync(folder, { recursive: true, force: true });
    expectNothingLeft(engine);
  });

  const look = async (name: string, ...flags: string[]): Promise<Report> => {
    const run = await dfdebug(engine, ["entrypoint", "--json", ...flags, name], { cwd: folder });
    expect(run.stderr).toBe("");
    const report = JSON.parse(run.stdout) as Report;
    expect(run.code).toBe(report.canRun ? 0 : 1);
    return report;
  };

  /** A container that is made and never started. */
  const create = (options: readonly string[], words: readonly string[] = []): string => {
    const name = `entrypoint-${id}-${String(created.length)}`;
    created.push(name);
    docker(engine, "create", "--name", name, ...options, image, ...words);
    return name;
  };

  it("says what an image runs, and where its Dockerfile is wrong", async () => {
    const report = await look(image);
    expect(report.argv).toEqual(["start", "serve", "-v"]);
    expect(report.programs).toMatchObject([
      { role: "program", path: "/bin/start", real: "/app/crlf.sh" },
      { role: "interpreter", path: "/bin/sh" },
    ]);
    expect(report.findings).toMatchObject([
      { kind: "user-missing", line: 5, hint: "Did you mean nobody?" },
      { kind: "crlf", line: 7 },
    ]);
    expect(report.lines).toEqual({ USER: 5, WORKDIR: 6, ENTRYPOINT: 7, CMD: 8 });
    const text = await dfdebug(engine, ["entrypoint", image], { cwd: folder });
    expect(text.stdout).toContain("Dockerfile:5 USER  There is no user nobdy");
  });

  it("gives no lines of another Dockerfile", async () => {
    const report = await look("busybox:latest", "-f", "Dockerfile");
    expect(report).toMatchObject({ canRun: true, lines: {} });
    expect(report.notes.join()).toContain("it yields another ENTRYPOINT and CMD and USER and WORKDIR");
  });

  it.each([
    [["--entrypoint", "/app/text"], [], "not-a-program", "neither an ELF program nor begins with #!"],
    [["--entrypoint", "/app/file"], [], "not-executable", "/app/file is not executable (mode 0644)"],
    [["--entrypoint", "/app"], [], "program-is-folder", "/app is a folder"],
    [["--entrypoint", "/app/file/x"], [], "program-missing", "/app/file/x is not there"],
    [["--entrypoint", "dangling"], [], "program-missing", "leads to /gone, which is not there"],
    [["--entrypoint", "./foreign"], [], "wrong-architecture", "is for s390x"],
    [["--entrypoint", "/app/glibc"], [], "loader-missing", "needs the loader /lib64/ld-linux-none.so.2"],
    [
      ["--entrypoint", "/bin/sh"],
      ["-c", "cd /tmp && exec crnod"],
      "program-missing",
      "first command crnod is in no folder",
    ],
    [
      ["--user", "nobody", "--entrypoint", "/app/ok.sh"],
      [],
      "not-executable",
      "not executable for nobody (mode 0700, owner 0:0)",
    ],
    [["--user", "0:wheell", "--entrypoint", "/app/ok.sh"], [], "group-missing", "There is no group wheell"],
  ] as const)("finds what is wrong with %j %j", async (options, words, kind, message) => {
    const { findings } = await look(create(["--user", "0", ...options], words));
    expect(findings.map((finding) => finding.kind)).toContain(kind);
    expect(findings.map((finding) => finding.message).join("\n")).toContain(message);
  });

  it("says where a relative program was looked for", async () => {
    const { findings } = await look(create(["--user", "0", "-w", "/tmp", "--entrypoint", "./app/ok.sh"]));
    expect(findings).toMatchObject([
      {
        kind: "program-missing",
        message: "./app/ok.sh is not there: the working directory is /tmp",
        hint: "Did you mean /app/ok.sh?",
      },
    ]);
  });

  it("keeps the lines of what the container has from its image", async () => {
    const { canRun, lines, programs } = await look(create(["--user", "0", "--entrypoint", "/app/ok.sh"]));
    expect(canRun).toBe(true);
    expect(lines).toEqual({ WORKDIR: 6 });
    expect(programs.at(-1)).toMatchObject({ role: "interpreter", path: "/bin/sh" });
  });

  it("finds a file in the working directory's place", async () => {
    const made = create(["--user", "0"]);
    const odd = docker(engine, "commit", "-c", "WORKDIR /app/file/sub", made);
    try {
      expect((await look(odd)).findings).toMatchObject([{ kind: "workdir-is-file" }, { kind: "crlf" }]);
    } finally {
      docker(engine, "rmi", odd);
    }
  });

  it("follows an init, a change of the user and an entrypoint's script to the command behind", async () => {
    const ran = ["--user", "0", "--entrypoint", "/app/entry.sh"];
    const { programs } = await look(create(ran, ["env", "A=1", "sh", "-c", "exec cat"]));
    expect(programs.filter(({ role }) => role !== "interpreter")).toMatchObject([
      { role: "program", path: "/app/entry.sh" },
      { role: "command", name: "env" },
      { role: "command", path: "/bin/sh" },
      { role: "script", path: "/bin/cat" },
    ]);
    const wrong = await look(create(ran, ["env", "A=1", "./crlfsh"]));
    expect(wrong.findings).toMatchObject([
      { kind: "program-missing", message: expect.stringContaining("env's command ./crlfsh is not there") as string },
    ]);
    expect((await look(create(ran))).notes.join()).toContain("is given nothing to run");
  });

  it("says how a container ended last, and how often it was started again", async () => {
    const name = `entrypoint-${id}-ended`;
    created.push(name);
    docker(engine, "run", "-d", "--name", name, "--restart", "on-failure:1", "busybox", "sh", "-c", "exit 3");
    docker(engine, "wait", name);
    const { canRun, lastRun } = await look(name);
    expect({ canRun, lastRun }).toMatchObject({
      canRun: true,
      lastRun: { exitCode: 3, restarts: 1, outOfMemory: false },
    });
    const text = await dfdebug(engine, ["entrypoint", name]);
    expect(text.stdout).toContain("It does not run, it ended with exit code 3, restarted 1 time.");
    expect(text.stdout).not.toContain("It can run.");
  });

  it("finds the libraries that a program's loader would not", async () => {
    const made = `entrypoint-${id}-libraries`;
    created.push(made);
    const moved = "mkdir /opt/x && mv /lib/x86_64-linux-gnu/libtinfo.so.6* /opt/x/ && ldconfig";
    docker(engine, "run", "--name", made, "--entrypoint", "/bin/sh", "debian:bookworm-slim", "-c", moved);
    const kept = docker(engine, "commit", "-c", 'ENTRYPOINT ["bash"]', made);
    const given = docker(engine, "commit", "-c", 'ENTRYPOINT ["bash"]', "-c", "ENV LD_LIBRARY_PATH=/opt/x", made);
    try {
      expect((await look(kept)).findings).toMatchObject([
        {
          kind: "library-missing",
          message: expect.stringContaining("/usr/bin/bash needs the library libtinfo.so.6") as string,
        },
      ]);
      expect((await look(given)).programs[0]?.type).toBe("ELF amd64, dynamic, 2 libraries");
    } finally {
      docker(engine, "rmi", kept, given);
    }
  });
});
