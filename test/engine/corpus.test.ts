import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { imageDifferences } from "../support/compare-images.js";
import { describeEngines, docker, expectNothingLeft, isOld } from "../support/engines.js";
import { dfdebug } from "../support/run-dfdebug.js";

const corpus = fileURLToPath(new URL("../../fixtures/corpus", import.meta.url));

interface Case {
  readonly args?: readonly string[];
  /** The oldest engine whose own frontend knows what the Dockerfile uses. */
  readonly engine?: string;
}

function caseOf(folder: string): Case {
  const file = join(corpus, folder, "case.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Case) : {};
}

// dfdebug builds without the cache, docker with it: docker's every step must then be found in what dfdebug has built,
// which BuildKit decides by the definition of the step and by the content of files, their modes and owners included.
describeEngines("the same image as docker build", (engine) => {
  const images = new Set<string>();
  const folders = readdirSync(corpus).filter((folder) => !(isOld(engine) && caseOf(folder).engine !== undefined));

  it.each(folders)("%s", async (folder) => {
    const cwd = join(corpus, folder);
    const args = caseOf(folder).args ?? [];
    const ours = await dfdebug(engine, ["build", "--no-cache", "-q", ...args, "."], { cwd });
    expect(ours.stderr).toBe("");
    expect(ours.code).toBe(0);
    const id = ours.stdout.trim();
    images.add(id);
    const theirs = docker(engine, "build", "-q", ...args.map((arg) => absolute(cwd, arg)), cwd);
    images.add(theirs);
    expect(imageDifferences(engine, id, theirs)).toEqual([]);
  });

  afterAll(() => {
    if (images.size > 0) docker(engine, "rmi", "-f", ...images);
    expectNothingLeft(engine);
  });
});

/** docker runs in another folder: files that arguments name are given in full. */
function absolute(cwd: string, arg: string): string {
  if (arg.startsWith("-")) return arg;
  if (existsSync(join(cwd, arg)) && /Dockerfile/.test(arg)) return join(cwd, arg);
  return arg.replace(/src=([^,/]+)/, (_match, file: string) => `src=${join(cwd, file)}`);
}
