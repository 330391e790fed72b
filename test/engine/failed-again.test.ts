import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeEngines, docker, expectNothingLeft, isOld } from "../support/engines.js";
import { dfdebug, type Run } from "../support/run-dfdebug.js";

interface Event {
  readonly type: string;
  readonly number?: number;
  readonly status?: string;
  readonly reason?: string;
  readonly text?: string;
  readonly exitCode?: number;
}

// BuildKit keeps a failure as long as its solve is open. A step can fail for what is no part of it, and is to run again then.
describeEngines("a step that failed", (engine) => {
  let folder: string;
  let id: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-again-"));
    id = `dfdebug-test/again-${randomBytes(4).toString("hex")}`;
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
    expectNothingLeft(engine);
  });

  /** Step 6 counts its attempts in a cache of its own, and the first `failing` of them fail. */
  function dockerfile(failing: number): string {
    return `FROM busybox:latest AS tools
RUN echo ${id} > /tool
FROM busybox:latest
COPY Dockerfile /
RUN echo ${id} > /before
RUN --mount=type=cache,target=/c,id=${id} echo x >> /c/x; n=$(grep -c x /c/x); touch /try$n; echo attempt $n; [ $n -gt ${String(failing)} ]
COPY --from=tools /tool /
`;
  }

  async function build(commands: readonly string[], ...args: string[]): Promise<{ run: Run; events: Event[] }> {
    const script = join(folder, "script");
    writeFileSync(script, `${commands.join("\n")}\n`);
    const run = await dfdebug(engine, ["build", "--progress=json", "-x", script, ...args, "."], { cwd: folder });
    const lines = run.stdout.trim().split("\n");
    return { run, events: lines.map((line) => JSON.parse(line) as Event) };
  }

  function statuses(events: readonly Event[], number: number): (string | undefined)[] {
    return events.filter((event) => event.type === "step" && event.number === number).map((event) => event.status);
  }

  it("runs again with next, a retry of the same text, reload and continue, and nothing else does", async () => {
    writeFileSync(join(folder, "Dockerfile"), dockerfile(4));
    writeFileSync(join(folder, ".dockerignore"), "script\n");
    const instruction = dockerfile(4).split("\n")[5] ?? "";
    const { run, events } = await build(["next", "retry", instruction, "reload", "continue"], "-t", id);
    expect(run.code, run.stderr + run.stdout).toBe(0);
    const again = ["started", "failed"];
    expect(statuses(events, 6)).toEqual([...again, ...again, ...again, ...again, "started", "done"]);
    expect(
      events.filter(({ type, text }) => type === "log" && text?.startsWith("attempt")).map(({ text }) => text),
    ).toEqual([1, 2, 3, 4, 5].map((count) => `attempt ${String(count)}\n`));
    // Where the context was read again an engine may look the step up anew, and say that it is cached.
    for (const number of [2, 5])
      expect(statuses(events, number).filter((status) => status !== "started" && status !== "cached")).toEqual([
        "done",
      ]);
    try {
      // Only what the last attempt made is in the image, and docker finds every step of it in its cache.
      expect(docker(engine, "run", "--rm", id, "sh", "-c", "ls -d /try*; cat /tool")).toBe(`/try5\n${id}`);
      expect(docker(engine, "build", "-q", folder)).toBe(docker(engine, "image", "inspect", "-f", "{{.Id}}", id));
    } finally {
      docker(engine, "rmi", "-f", id);
    }
  });

  it("is looked into as it failed last, and what was built without the cache is not built again", async () => {
    writeFileSync(join(folder, "Dockerfile"), dockerfile(100));
    const commands = ["next", "exec ls /before", ...(isOld(engine) ? [] : ["exec --dirty ls -d /try*"]), "next"];
    const { run, events } = await build(commands, "--no-cache");
    expect(run.code).toBe(1);
    expect(statuses(events, 6)).toEqual(["started", "failed", "started", "failed", "started", "failed"]);
    for (const number of [2, 5]) expect(statuses(events, number)).toEqual(["started", "done"]);
    const output = events.flatMap(({ type, text }) => (type === "output" ? [text] : []));
    expect(output).toContain("/before");
    if (!isOld(engine)) expect(output.join()).toContain("/try");
  });

  it("is left behind by the next text, where no plan could be made of one", async () => {
    writeFileSync(join(folder, "Dockerfile"), `ARG BASE=busybox:latest\nFROM \${BASE}\nRUN echo $WHO ${id}\n`);
    const commands = ["-set ARG BASE=localhost:1/none", "set ARG BASE=busybox", "next", "set ENV WHO=me", "reload"];
    const { run, events } = await build(commands, "--step");
    expect(run.code, run.stderr).toBe(0);
    const errors = events.filter(({ type }) => type === "error");
    expect(errors).toHaveLength(1);
    expect(JSON.stringify(errors)).toContain("localhost:1/");
  });

  it.each([[], ["-b", "stage-2/2"]])("stops what runs beside it, and says so (%j)", async (...where) => {
    const beside = `RUN echo ${id}; sleep 600`;
    const failing = `RUN until [ -e /c/begun ]; do sleep 0.1; done; exit 3`;
    const mount = `--mount=type=cache,target=/c,id=${id}`;
    writeFileSync(
      join(folder, "Dockerfile"),
      [
        "FROM busybox:latest AS a",
        failing.replace("RUN", `RUN ${mount}`),
        "FROM busybox:latest AS b",
        beside.replace("RUN", `RUN ${mount} touch /c/begun;`),
        "RUN echo behind",
        "FROM busybox:latest",
        "COPY --from=b /etc/passwd /",
        "COPY --from=a /etc/passwd /",
      ].join("\n"),
    );
    const { run, events } = await build([], ...where);
    expect(run.code, run.stderr).toBe(1);
    expect(statuses(events, 2)).toEqual(["started", "failed"]);
    expect(statuses(events, 4)).toEqual(["started", "skipped"]);
    expect(statuses(events, 5)).not.toContain("started");
  });

  // BuildKit calls all that such a COPY stands on cached, and may fail to stop a step that is just starting.
  it("is reported while a step beside it runs, which is not called cached", async () => {
    writeFileSync(
      join(folder, "Dockerfile"),
      `FROM busybox:latest AS slow
RUN echo ${id}; sleep 300
FROM busybox:latest
COPY --from=slow / /slow
COPY missing /
`,
    );
    const { run, events } = await build([]);
    expect(run.code).toBe(1);
    expect(statuses(events, 2)).toEqual(["started", "skipped"]);
    expect(statuses(events, 4)).toEqual(["skipped"]);
    expect(statuses(events, 5)).toEqual(["started", "failed"]);
  });
});
