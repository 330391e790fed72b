import { chmodSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pathText } from "../../../../src/engine/context/byte-path.js";
import { followLinks } from "../../../../src/engine/context/follow-links.js";
import { PathFilter } from "../../../../src/engine/context/path-filter.js";
import { walkTree } from "../../../../src/engine/context/walk.js";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "dfdebug-walk-"));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

function files(...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), path);
  }
}

function walked(patterns: { include?: string[]; exclude?: string[]; follow?: string[] } = {}): string[] {
  const filter = new PathFilter({ include: [], exclude: [], follow: [], ...patterns }, root);
  return Array.from(walkTree(root, filter), ({ path }) => pathText(path));
}

describe("walkTree", () => {
  test("has a folder before its content and names in the order of their bytes", () => {
    files("b/x", "b.txt", "b-c", "a", "é", "Z", "😀", "\uFB00");
    expect(walked()).toEqual(["Z", "a", "b", "b/x", "b-c", "b.txt", "é", "\uFB00", "😀"]);
  });

  test("keeps names that are no UTF-8, and newlines", () => {
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.of(0xff, 0x41)]), "");
    files("new\nline");
    const paths = Array.from(walkTree(root, new PathFilter({ include: [], exclude: [], follow: [] }, root)));
    expect(paths.map(({ path }) => path)).toEqual(["new\nline", "\u00ffA"]);
  });

  test("sends a folder that is excluded when something in it is not", () => {
    files("docs/a/keep.md", "docs/b/drop", "docs/drop");
    expect(walked({ exclude: ["docs", "!docs/a/keep.md"] })).toEqual(["docs", "docs/a", "docs/a/keep.md"]);
  });

  test("does not look into a folder where nothing can be wanted", () => {
    files("node_modules/deep/x", "src/a");
    chmodSync(join(root, "node_modules"), 0o000);
    // As root the mode does not matter: what counts is that the folder's content does not come out.
    expect(walked({ exclude: ["node_modules", "!*.md"] })).toEqual(["src", "src/a"]);
    chmodSync(join(root, "node_modules"), 0o755);
  });

  test("includes what is asked for, with the folders on the way", () => {
    files("src/a/x.go", "src/b/y.go", "lib/z.go", "README.md");
    expect(walked({ include: ["src/a"] })).toEqual(["src", "src/a", "src/a/x.go"]);
    expect(walked({ include: ["*/*.go"] })).toEqual(["lib", "lib/z.go"]);
    expect(walked({ include: ["src"], exclude: ["**/a"] })).toEqual(["src", "src/b", "src/b/y.go"]);
    expect(walked({ follow: ["."] })).toHaveLength(8);
  });

  test("follows links that are asked for, inside the tree only", () => {
    files("real/data", "other");
    symlinkSync("real", join(root, "link"));
    symlinkSync("/etc/passwd", join(root, "outside"));
    symlinkSync("loop", join(root, "loop"));
    expect(walked({ follow: ["link/data"] })).toEqual(["link", "real", "real/data"]);
    expect(walked({ follow: ["outside"] })).toEqual(["outside"]);
    expect(walked({ follow: ["loop"] })).toEqual(["loop"]);
    expect(walked({ follow: ["l*"] })).toEqual(["link", "loop", "real", "real/data"]);
    expect(walked({ follow: ["missing"] })).toEqual([]);
  });

  test("reports inode and link target", () => {
    files("a");
    linkSync(join(root, "a"), join(root, "b"));
    symlinkSync("../../x", join(root, "c"));
    const [a, b, c] = Array.from(walkTree(root, new PathFilter({ include: [], exclude: [], follow: [] }, root)));
    expect(a?.stats.ino).toBe(b?.stats.ino);
    expect(c?.linkTarget).toBe("../../x");
  });
});

describe("followLinks", () => {
  test("stays in the tree whatever a link says, and drops nothing on the way", () => {
    files("in/file");
    symlinkSync("../../../in", join(root, "up"));
    symlinkSync("up", join(root, "twice"));
    expect(followLinks(root, ["twice/file"])).toEqual(["in/file", "twice", "up"]);
    expect(followLinks(root, ["../in"])).toEqual(["in"]);
    expect(followLinks(root, ["in", "."])).toBeUndefined();
  });
});
