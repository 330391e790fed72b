import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeEngines, docker, expectNothingLeft } from "../support/engines.js";
import { dfdebug, startDfdebug } from "../support/run-dfdebug.js";

describeEngines("dfdebug cp", (engine) => {
  const web = `cp-web-${randomBytes(4).toString("hex")}`;
  const stopped = `cp-stopped-${randomBytes(4).toString("hex")}`;
  let folder: string;
  const cp = (source: string, destination: string, ...flags: string[]) =>
    dfdebug(engine, ["cp", ...flags, source, destination], { cwd: folder });

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-cp-"));
    mkdirSync(join(folder, "tree/sub"), { recursive: true });
    writeFileSync(join(folder, "tree/run.sh"), "#!/bin/sh\n");
    chmodSync(join(folder, "tree/run.sh"), 0o755);
    writeFileSync(join(folder, `tree/${"n".repeat(120)}`), "long");
    writeFileSync(join(folder, "tree/new\nline"), "x");
    symlinkSync("/etc", join(folder, "tree/etc"));
    docker(
      engine,
      "run",
      "-d",
      "--name",
      web,
      "--read-only",
      "--tmpfs",
      "/scratch",
      "-v",
      "/data",
      "busybox:latest",
      "sleep",
      "1000000",
    );
    docker(engine, "create", "--name", stopped, "busybox:latest", "true");
  });

  afterAll(() => {
    docker(engine, "rm", "-fv", web, stopped);
    rmSync(folder, { recursive: true, force: true });
    expectNothingLeft(engine);
  });

  it.each(["/scratch", "/data"])("copies a tree into %s of a read-only container and back", async (place) => {
    expect(await cp("tree", `${web}:${place}/in`)).toMatchObject({ code: 0 });
    const back = `back${place.replace("/", "-")}`;
    expect(await cp(`${web}:${place}/in`, back)).toMatchObject({ code: 0 });
    expect(execFileSync("diff", ["-r", "--no-dereference", "tree", back], { cwd: folder, encoding: "utf8" })).toBe("");
    expect(statSync(join(folder, back, "run.sh")).mode & 0o777).toBe(0o755);
    expect(readlinkSync(join(folder, back, "etc"))).toBe("/etc");
  });

  it("places files as docker does", async () => {
    expect((await cp("tree/run.sh", `${web}:/scratch/`)).code).toBe(0);
    expect((await cp("tree/run.sh", `${web}:/scratch/missing/`)).stderr).toContain("not a folder that exists");
    expect((await cp("tree", `${web}:/scratch/run.sh`)).stderr).toContain("a folder cannot be copied over it");
    expect((await cp(`${web}:/etc/passwd`, "copy")).code).toBe(0);
    expect(readFileSync(join(folder, "copy"), "utf8")).toContain("root:");
  });

  it("copies names that begin with a dash, in and out", async () => {
    for (const name of ["-f", "-loc", "--help"]) {
      writeFileSync(join(folder, name), name);
      expect(await cp(`./${name}`, `${web}:/scratch/`)).toMatchObject({ code: 0 });
      expect(docker(engine, "exec", web, "cat", `/scratch/${name}`)).toBe(name);
      expect(await cp(`${web}:/scratch/${name}`, "dashed")).toMatchObject({ code: 0 });
      expect(readFileSync(join(folder, "dashed"), "utf8")).toBe(name);
    }
  });

  it("follows a dangling symlink as docker does, and makes the file where it leads", async () => {
    const links = "mkdir -p x/b; ln -s new x/b/down; ln -s ../up x/b/up; ln -s up x/b/chain; ln -s /no/where x/b/lost";
    docker(engine, "exec", web, "sh", "-c", `cd /data && ${links}`);
    const runs = await Promise.all(
      ["down", "chain", "lost"].map((name) => cp("tree/run.sh", `${web}:/data/x/b/${name}`)),
    );
    expect(runs.map(({ code }) => code)).toEqual([0, 0, 1]);
    expect(runs[2]?.stderr).toContain("is a symlink that leads in circles or nowhere");
    expect(docker(engine, "exec", web, "find", "/data/x", "-type", "f").split("\n").sort()).toEqual([
      "/data/x/b/new",
      "/data/x/up",
    ]);
    // Not the /etc of the container.
    docker(engine, "exec", web, "ln", "-s", "etc", "/data/x/b/etc");
    expect((await cp(`${web}:/data/x/b/etc`, "followed", "-L")).code).toBe(1);
  });

  it("says why a place cannot be written, in the words of what tried", async () => {
    const [tree, file] = await Promise.all([cp("tree", `${web}:/root`), cp("tree/run.sh", `${web}:/etc/passwd`)]);
    expect(tree).toMatchObject({
      code: 1,
      stderr:
        "Error: Writing /root/tree failed: can't create directory 'tree': Read-only file system\n  Partial now: nothing was written\n",
    });
    expect(file).toMatchObject({ code: 1, stderr: "Error: Writing /etc/passwd failed: Read-only file system\n" });
  });

  it("fails where what was named itself cannot be made here, and names what is left out of a folder", async () => {
    docker(engine, "exec", web, "sh", "-c", "mkdir /data/special && mkfifo /data/special/pipe");
    const [named, folderOf] = await Promise.all([
      cp(`${web}:/data/special/pipe`, "pipe"),
      cp(`${web}:/data/special`, "special"),
    ]);
    expect(named).toMatchObject({ code: 1, stdout: "" });
    expect(named.stderr).toContain("/data/special/pipe is neither a file nor a folder: it cannot be made here");
    expect(folderOf.code).toBe(0);
    expect(folderOf.stderr).toMatch(/Left out: .*\/special\/pipe \(fifo\)/);
    expect(readdirSync(folder)).not.toContain("pipe");
  });

  it("says which part of a path is missing", async () => {
    const run = await cp(`${web}:/etc/paswd`, ".");
    expect(run.code).toBe(1);
    expect(run.stderr).toContain("/etc has no paswd");
    expect(run.stderr).toContain("Did you mean /etc/passwd?");
  });

  it("writes nothing through a symlink below the destination", async () => {
    docker(engine, "exec", web, "sh", "-c", "mkdir -p /scratch/evil/a && echo x >/scratch/evil/a/f");
    mkdirSync(join(folder, "outside"));
    mkdirSync(join(folder, "target/evil"), { recursive: true });
    symlinkSync(join(folder, "outside"), join(folder, "target/evil/a"));
    const run = await cp(`${web}:/scratch/evil`, "target");
    expect(run.code).toBe(1);
    expect(execFileSync("ls", [join(folder, "outside")], { encoding: "utf8" })).toBe("");
  });

  it("refuses an archive that leads out", async () => {
    const transform = ["-P", "--transform", "s,^tree,../../x,"];
    const archive = execFileSync("tar", ["-cf", "-", ...transform, "tree/run.sh"], { cwd: folder });
    const run = await dfdebug(engine, ["cp", "-", `${web}:/scratch`], { input: archive });
    expect(run.stderr).toContain("leads out of the destination");
    expect(run.code).toBe(1);
  });

  it.each([
    ["in", "SIGINT"],
    ["in", "SIGTERM"],
    ["out", "SIGINT"],
    ["out", "SIGTERM"],
  ] as const)("leaves nothing half-written where copying %s is ended by %s", async (direction, signal) => {
    const there = "/data/ended";
    const here = mkdtempSync(join(folder, "ended-"));
    // Holes: quickly made, and long in coming.
    const big = join(folder, "big");
    if (direction === "in") truncateSync((writeFileSync(big, ""), big), 8 * 2 ** 30);
    const make = direction === "in" ? "" : "truncate -s 8G /data/big";
    docker(engine, "exec", web, "sh", "-c", `rm -rf ${there}; mkdir ${there}; ${make}`);
    const ends = direction === "in" ? [big, `${web}:${there}/big`] : [`${web}:/data/big`, join(here, "big")];
    const run = startDfdebug(engine, ["cp", ...ends], { cwd: folder });
    const written = (): string =>
      direction === "in" ? docker(engine, "exec", web, "ls", "-A", there) : readdirSync(here).join();
    // It is at work when something is there, under another name than the file's.
    while (written() === "" && run.child.exitCode === null) await sleep(20);
    expect(written()).toMatch(/^\.dfdebug-/);
    run.child.kill(signal);
    expect((await run.ended).code).toBe(130);
    expect(written()).toBe("");
    expectNothingLeft(engine);
  });

  it("copies into and out of a stopped container, and out of an image", async () => {
    expect((await cp("tree", `${stopped}:/opt`)).code).toBe(0);
    expect((await cp(`${stopped}:/opt/.`, "opt")).code).toBe(0);
    expect(execFileSync("diff", ["-r", "--no-dereference", "tree", "opt"], { cwd: folder, encoding: "utf8" })).toBe("");
    expect(docker(engine, "inspect", "-f", "{{.State.Status}}", stopped)).toBe("created");
    expect((await cp("busybox:latest:/etc/passwd", "of-image")).code).toBe(0);
    const refused = await cp("tree", "busybox:latest:/x");
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("is an image");
  });
});
