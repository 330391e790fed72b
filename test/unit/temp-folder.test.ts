import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { sweepTempFolders, TempFolder } from "../../src/temp-folder.js";

describe("a temporary folder", () => {
  let parent: string;

  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), "dfdebug-sweep-"));
    vi.stubEnv("TMPDIR", parent);
  });

  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(parent, { recursive: true });
  });

  /** A folder with an owner's socket that nobody listens on any longer, as a killed process leaves it. */
  function dead(name: string): string {
    const path = join(parent, name);
    mkdirSync(path);
    const script = `require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
    spawnSync(process.execPath, ["-e", script, join(path, "owner")]);
    expect(existsSync(join(path, "owner"))).toBe(true);
    writeFileSync(join(path, "Dockerfile"), "FROM scratch\n");
    return path;
  }

  it("goes when its owner has gone, and not before", async () => {
    await using alive = await TempFolder.make();
    const [killed, early, young] = [
      dead("dfdebug-tmp-killed"),
      join(parent, "dfdebug-tmp-early"),
      dead("dfdebug-tmp-young"),
    ];
    mkdirSync(early);
    const foreign = dead("another");
    for (const path of [alive.path, killed, early, foreign]) utimesSync(path, 1, 1);
    await sweepTempFolders();
    expect([alive.path, killed, early, young, foreign].map((path) => existsSync(path))).toEqual([
      true,
      false,
      false,
      true,
      true,
    ]);
  });

  it("goes with its owner, whatever is in it", async () => {
    const folder = await TempFolder.make();
    writeFileSync(join(folder.path, "file"), "");
    await folder[Symbol.asyncDispose]();
    expect(existsSync(folder.path)).toBe(false);
    await folder[Symbol.asyncDispose]();
  });
});
