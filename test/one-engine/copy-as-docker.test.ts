import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { atOnce } from "../support/at-once.js";
import { docker, expectNothingLeft, testEngines } from "../support/engines.js";
import { dfdebug, program } from "../support/run-dfdebug.js";
import { Targets } from "../support/targets.js";

// One engine is enough: the rules are docker's client's, and the engine's have not changed.
const [engine] = testEngines();

/** What is copied, in the working directory. */
const source = `
mkdir -p tree/empty tree/sub && cd tree
echo one >file && chmod 640 file && touch -d '2020-01-02 03:04:05' file
echo run >run && ln -s file link && ln -s sub linked && ln -s nowhere broken
echo two >sub/two && ln sub/two sub/hard && touch -d '2021-01-02 03:04:05' sub
cd .. && chown -R 1234:4321 tree && chmod 4755 tree/run && ln -s tree totree && ln -s tree/file tofile`;

/** Where to: a folder, a file and a symlink to a folder. */
const place =
  "mkdir -p folder real && echo old >file && touch -d '2019-01-02 03:04:05' file folder real && ln -s real linked";

/** All that a copy can get right or wrong: kind, mode, owner, links, size and time of each name. */
const listing = `
find . | sort | while read -r name; do
  stat -c '%n %f %u:%g %h' "$name"
  if [ -L "$name" ]; then readlink "$name"; elif [ -f "$name" ]; then stat -c '%s %Y' "$name"; fi
done`;

/** Options, what is copied, and where to. */
const cases: readonly (readonly string[])[] = [
  ["tree", ""],
  ["tree/.", "folder"],
  ["tree/.", "new"],
  ["tree", "new"],
  ["tree", "file"],
  ["tree/file", "file"],
  ["tree/file", "new/"],
  ["tree/file", "linked"],
  ["tree", "linked"],
  ["totree/", "folder"],
  ["-L", "totree", "folder"],
  ["-a", "tree", "folder"],
];

interface Outcome {
  readonly words: readonly string[];
  readonly copied: boolean;
  readonly tree: readonly string[];
}

describe("dfdebug cp beside docker cp", () => {
  if (!engine) throw new Error("no engine");
  const target = engine;
  const targets = new Targets(engine);
  let name: string;
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-cp-"));
    execFileSync("sh", ["-ec", source], { cwd: folder });
    name = targets.run(["-w", "/work"], ["sh", "-ec", `${source}\nexec sleep 100000`]);
  });

  afterAll(() => {
    targets[Symbol.dispose]();
    rmSync(folder, { recursive: true, force: true });
    expectNothingLeft(engine);
  });

  const inside = (script: string): string => docker(engine, "exec", "-w", "/", name, "sh", "-ec", script);
  const here = (script: string): string =>
    execFileSync("sh", ["-ec", script], { cwd: folder, encoding: "utf8" }).trim();

  /** Every case with both tools, in a place of its own each; `shell` runs a script where the places are. */
  async function outcomes(
    shell: (script: string) => string,
    args: (words: readonly string[], at: string) => readonly string[],
  ): Promise<{ docker: Outcome[]; dfdebug: Outcome[] }> {
    const at = (tool: string, index: number): string => `${tool}-${String(index)}`;
    const places = ["docker", "dfdebug"].flatMap((tool) => cases.map((_words, index) => at(tool, index)));
    shell(`for at in ${places.join(" ")}; do (mkdir $at && cd $at && ${place}); done`);
    const viaDocker = cases.map((words, index) => {
      const all = ["-H", target.host, "cp", ...args(words, at("docker", index))];
      return spawnSync("/usr/bin/docker", all, { stdio: "ignore" }).status;
    });
    const viaDfdebug = await atOnce(3, [...cases.entries()], async ([index, words]) => {
      const run = await dfdebug(target, ["cp", ...args(words, at("dfdebug", index))], { input: null });
      return run.code;
    });
    const trees = shell(`for at in ${places.join(" ")}; do (cd $at && ${listing}); echo ====; done`).split("\n====");
    const outcome = (codes: readonly (number | null)[], from: number): Outcome[] =>
      cases.map((words, index) => ({
        words,
        copied: codes[index] === 0,
        tree: (trees[from + index] ?? "").trim().split("\n"),
      }));
    return { docker: outcome(viaDocker, 0), dfdebug: outcome(viaDfdebug, cases.length) };
  }

  it("copies in as docker does", async () => {
    const result = await outcomes(inside, (words, at) => [
      ...words.slice(0, -2),
      `${folder}/${words.at(-2) ?? ""}`,
      `${name}:/${at}/${words.at(-1) ?? ""}`,
    ]);
    // The toolbox's tar leaves symlinks to root.
    const withoutLinkOwners = (all: Outcome[]): Outcome[] =>
      all.map((one) => ({ ...one, tree: one.tree.map((line) => line.replace(/( a1ff) \d+:\d+/, "$1")) }));
    expect(withoutLinkOwners(result.dfdebug)).toEqual(withoutLinkOwners(result.docker));
  });

  it("copies out as docker does; with -a owners too, as docker's help says", async () => {
    const result = await outcomes(here, (words, at) => [
      ...words.slice(0, -2),
      `${name}:/work/${words.at(-2) ?? ""}`,
      `${folder}/${at}/${words.at(-1) ?? ""}`,
    ]);
    const withoutArchive = (all: Outcome[]): Outcome[] => all.filter(({ words }) => words[0] !== "-a");
    expect(withoutArchive(result.dfdebug)).toEqual(withoutArchive(result.docker));
    expect(result.dfdebug.at(-1)?.tree).toContain("./folder/tree/sub 41ed 1234:4321 2");
  });

  it("reads and writes archives as docker does", async () => {
    // Hard links are listed with either name first.
    const list = (file: string): string[] =>
      here(`tar -tvf ${file} --numeric-owner --full-time`)
        .split("\n")
        .map((line) =>
          line
            .replace(/ link to .*/, "")
            .replace(/^h/, "-")
            .replace(/ +\d+ (?=\d{4}-)/, " "),
        )
        .sort();
    for (const path of ["tree", "tree/.", "tree/file", "totree"]) {
      here(`docker -H ${engine.host} cp ${name}:/work/${path} - >theirs`);
      here(`'${process.execPath}' '${program}' -H ${engine.host} cp ${name}:/work/${path} - >ours`);
      expect({ path, list: list("ours") }).toEqual({ path, list: list("theirs") });
    }
    const tar = execFileSync("tar", ["-C", folder, "-cf", "-", "tree"]);
    inside("mkdir /piped-docker /piped-dfdebug");
    execFileSync("/usr/bin/docker", ["-H", engine.host, "cp", "-", `${name}:/piped-docker`], { input: tar });
    expect((await dfdebug(engine, ["cp", "-", `${name}:/piped-dfdebug`], { input: tar })).code).toBe(0);
    const tree = (at: string): string => inside(`cd ${at} && ${listing}`).replaceAll(/( a1ff) \d+:\d+/g, "$1");
    expect(tree("/piped-dfdebug")).toBe(tree("/piped-docker"));
  });
});
