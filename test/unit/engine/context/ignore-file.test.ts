import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  diagnoseCopy,
  dockerignoreFor,
  explainExclusion,
  nearestNames,
  readIgnoreFile,
} from "../../../../src/engine/context.js";

describe("readIgnoreFile", () => {
  test("cleans lines as docker does, and knows where they stand", () => {
    const text = "\uFEFF# comment\r\n\n  /a/./b/  \n #no comment\n! /keep/\n!\n*.log\n/\n";
    expect(readIgnoreFile(text, ".dockerignore").map(({ line, pattern }) => [line, pattern])).toEqual([
      [3, "a/b"],
      [4, "#no comment"],
      [5, "!keep"],
      [6, "!"],
      [7, "*.log"],
      [8, "/"],
    ]);
  });

  test("an empty file has no patterns", () => {
    expect(readIgnoreFile("", "f")).toEqual([]);
  });
});

describe("explainExclusion", () => {
  const patterns = readIgnoreFile("# deps\nnode_modules/\n*.env\n!public.env\n", ".dockerignore");

  test("names the line as it is written", () => {
    expect(explainExclusion("node_modules/a/b.js", patterns)).toEqual({
      file: ".dockerignore",
      line: 2,
      pattern: "node_modules/",
    });
    expect(explainExclusion("/prod.env", patterns)?.line).toBeUndefined();
    expect(explainExclusion("./prod.env", patterns)?.line).toBe(3);
  });

  test("knows exceptions", () => {
    expect(explainExclusion("public.env", patterns)).toBeUndefined();
    expect(explainExclusion("src/a.js", patterns)).toBeUndefined();
  });
});

describe("with a context", () => {
  let root = "";
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "dfdebug-context-"));
    mkdirSync(join(root, "src/config"), { recursive: true });
    mkdirSync(join(root, "dist"));
    mkdirSync(join(root, "docker"));
    for (const file of ["package.json", "src/config/App.yaml", "src/index.ts", "dist/main.js", "README.md"])
      writeFileSync(join(root, file), "");
    writeFileSync(join(root, ".dockerignore"), "# built\ndist\n");
    writeFileSync(join(root, "docker/web.Dockerfile"), "FROM scratch");
    writeFileSync(join(root, "docker/web.Dockerfile.dockerignore"), "*.md\n");
  });
  afterAll(() => {
    rmSync(root, { recursive: true });
  });

  const diagnose = (pattern: string, dockerfilePath?: string): ReturnType<typeof diagnoseCopy> =>
    diagnoseCopy({ pattern, contextDir: root, dockerfilePath });

  test("the Dockerfile's own ignore file comes first", async () => {
    const own = await dockerignoreFor(root, join(root, "docker/web.Dockerfile"));
    expect(own.map(({ file, pattern }) => [file, pattern])).toEqual([["web.Dockerfile.dockerignore", "*.md"]]);
    const common = await dockerignoreFor(root, join(root, "Dockerfile"));
    expect(common.map(({ file, line }) => [file, line])).toEqual([[".dockerignore", 2]]);
  });

  test("an ignore file that is no file is an error with its name", async () => {
    const broken = join(root, "docker/broken.Dockerfile");
    mkdirSync(`${broken}.dockerignore`);
    await expect(dockerignoreFor(root, broken)).rejects.toMatchObject({ code: "IGNORE_FILE_UNREADABLE" });
  });

  test("an excluded source is explained by its line", async () => {
    const by = { file: ".dockerignore", line: 2, pattern: "dist" };
    expect((await diagnose("/dist/main.js")).excludedBy).toEqual(by);
    expect((await diagnose("dist/*.js")).excludedBy).toEqual(by);
    expect((await diagnose("dist/")).excludedBy).toEqual(by);
    expect((await diagnose("README.md", join(root, "docker/web.Dockerfile"))).excludedBy).toMatchObject({
      file: "web.Dockerfile.dockerignore",
      line: 1,
    });
  });

  test.each([
    ["pacakge.json", "package.json"],
    ["Package.json", "package.json"],
    ["src/config/app.yaml", "src/config/App.yaml"],
    ["config/App.yaml", "src/config/App.yaml"],
    ["src/config/App.yml", "src/config/App.yaml"],
    ["src/index.js", "src/index.ts"],
    ["scr", "src"],
  ])("%j: %j is near", async (wanted, near) => {
    expect((await diagnose(wanted)).near[0]).toBe(near);
  });

  test("what has come since the context was read is told of", async () => {
    expect(await diagnose("src/index.ts")).toEqual({ near: [], excludedBy: undefined, isThereNow: true });
    symlinkSync("/etc/hostname", join(root, "outside"));
    expect((await diagnose("outside")).isThereNow).toBeUndefined();
    rmSync(join(root, "outside"));
  });

  test("nothing is suggested for what is like nothing", async () => {
    expect(await diagnose("zzzzzzzzzz")).toEqual({ near: [], excludedBy: undefined });
  });

  test("a context that cannot be read has no suggestions, and no error", async () => {
    chmodSync(join(root, "src"), 0o755);
    expect(await diagnoseCopy({ pattern: "a", contextDir: join(root, "gone"), dockerfilePath: undefined })).toEqual({
      near: [],
      excludedBy: undefined,
    });
  });

  test("nearest names come best first, three at most", () => {
    expect(nearestNames("app.py", ["zap.py", "App.py", "src/app.py", "app.pyc", "apt.py", "x"])).toEqual([
      "App.py",
      "src/app.py",
      "app.pyc",
    ]);
  });
});
