import { describe, expect, it } from "vitest";
import { summarize } from "../../../src/debugger/changes.js";
import type { FileChange, FileStat } from "../../../src/engine/engine.js";

function added(...paths: string[]): FileChange[] {
  return paths.map((path) => {
    const type = path.endsWith("/") ? "directory" : "file";
    const after = { name: "", type, size: type === "file" ? 3 : 0 } as FileStat;
    return { kind: "added", path: path.replace(/(.)\/$/, "$1"), before: undefined, after };
  });
}

describe("what a step changed, summed up", () => {
  it("is nothing where the engine made places for its own mounts", () => {
    expect(summarize(added("/dev/", "/proc/", "/sys/"))).toBeUndefined();
    expect(summarize([])).toBeUndefined();
  });

  it("is what the step did beside them", () => {
    expect(summarize(added("/dev/", "/proc/", "/srv/", "/srv/a/"))).toMatchObject({ noun: "folder", added: 2 });
    expect(summarize(added("/dev/", "/dev/x/"))).toMatchObject({ noun: "folder", added: 2 });
    expect(summarize(added("/proc/", "/srv/", "/srv/a"))).toMatchObject({
      noun: "file",
      added: 1,
      bytes: 3,
      folder: "/srv",
    });
  });
});
