import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { imageDifferences } from "../support/compare-images.js";
import { describeEngines, docker, expectNothingLeft } from "../support/engines.js";
import { countingDialect, generator, randomDockerfile } from "../support/random-dockerfile.js";
import { dfdebug } from "../support/run-dfdebug.js";

interface PlannedStep {
  readonly instruction: string;
  readonly text: string;
}

// The first build finds nothing in the cache: every RUN names a cache of this test's own. What comes later must find all of it.
describeEngines("stepping through random Dockerfiles", (engine) => {
  let folder: string;
  const images = new Set<string>();

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-random-"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
    for (const id of images) docker(engine, "rmi", "-f", id);
    images.clear();
    expectNothingLeft(engine);
  });

  async function build(...args: string[]): Promise<string> {
    const iidfile = join(folder, "..", `${String(process.pid)}.iid`);
    const run = await dfdebug(engine, ["build", "--iidfile", iidfile, ...args, "."], { cwd: folder });
    expect(run.code, run.stderr).toBe(0);
    const id = readFileSync(iidfile, "utf8");
    rmSync(iidfile);
    images.add(id);
    return id;
  }

  /** The numbers that RUNs left in the cache, in the order they ran. */
  async function ran(cache: string): Promise<string[]> {
    writeFileSync(
      join(folder, "Dockerfile"),
      `FROM busybox\nRUN --mount=type=cache,id=${cache},target=/ran cat /ran/steps; : ${cache}\n`,
    );
    const run = await dfdebug(engine, ["build", "--progress=json", "."], { cwd: folder });
    const events = run.stdout.trim().split("\n");
    const logs = events.map((line) => JSON.parse(line) as { type: string; text?: string; imageId?: string });
    images.add(logs.at(-1)?.imageId ?? "");
    const text = logs.flatMap((event) => (event.type === "log" ? [event.text ?? ""] : [])).join("");
    return text.trim().split("\n");
  }

  it.each([8])("seed %i: in any way it makes the same image, and runs nothing twice", async (seed) => {
    const random = generator(seed);
    const cache = `dfdebug-test-${String(Date.now())}-${String(seed)}`;
    const source = randomDockerfile(random, countingDialect(cache), { stages: 3, instructions: 5 });
    writeFileSync(join(folder, "Dockerfile"), source);
    const plan = await dfdebug(engine, ["plan", "--json", "."], { cwd: folder });
    const { steps } = JSON.parse(plan.stdout) as { steps: PlannedStep[] };

    const wandered = await build("--step", "-x", walk(random, steps.length));
    const stepped = await build("--progress=json", "--step", "-x", script(Array.from(steps, () => "next")));
    const straight = await build();
    const theirs = docker(engine, "build", "-q", folder);
    images.add(theirs);
    for (const id of [stepped, straight, theirs]) expect(imageDifferences(engine, wandered, id)).toEqual([]);

    const runs = steps.flatMap(({ text }) => /echo (\d+) >> \/ran/.exec(text)?.[1] ?? []);
    expect((await ran(cache)).toSorted()).toEqual(runs.toSorted());
  });

  function script(commands: readonly string[]): string {
    const file = join(folder, "..", `${String(process.pid)}.commands`);
    writeFileSync(file, `${commands.join("\n")}\n`);
    return file;
  }

  /** Back and forth; what makes no sense where it stands is refused, and goes on. */
  function walk(random: (limit: number) => number, steps: number): string {
    const moves = Array.from({ length: 15 }, () => {
      const pick = random(10);
      if (pick < 4) return "next";
      if (pick < 6) return "step";
      if (pick === 6) return `-back ${String(1 + random(4))}`;
      if (pick === 7) return `until ${String(1 + random(steps))}`;
      return pick === 8 && random(4) === 0 ? "restart" : "stepout";
    });
    return script(moves);
  }
});
