import { describe, expect, it } from "vitest";
import { checkDirection, cleanContainerPath, parseCopyEnd, placeCopy } from "../../../src/sidecar/copy/rules.js";
import { encodeHeader } from "../../../src/sidecar/copy/tar-header.js";
import { safeParts } from "../../../src/sidecar/copy/tar-reader.js";

describe("an end of a copy", () => {
  it.each([
    ["-", { kind: "stream" }],
    ["/a:b", { kind: "local", path: "/a:b" }],
    ["./a:b", { kind: "local", path: "./a:b" }],
    ["plain", { kind: "local", path: "plain" }],
    ["web:etc/x", { kind: "container", name: "web", path: "/etc/x" }],
    ["web:/a:b", { kind: "container", name: "web", path: "/a:b" }],
    ["web:/d/.", { kind: "container", name: "web", path: "/d/." }],
    ["web:/d/", { kind: "container", name: "web", path: "/d/" }],
    ["node:20-slim:/usr", { kind: "container", name: "node:20-slim", path: "/usr" }],
    ["reg.io:5000/a/b:1:/x", { kind: "container", name: "reg.io:5000/a/b:1", path: "/x" }],
  ])("%s", (text, end) => {
    expect(parseCopyEnd(text)).toEqual(end);
  });

  it.each(["", ":/x", "web:"])("%j names nothing", (text) => {
    expect(() => parseCopyEnd(text)).toThrow();
  });

  it("is clean and absolute in a container", () => {
    expect(cleanContainerPath("../../a//b/../c")).toBe("/a/c");
    expect(cleanContainerPath(".")).toBe("/");
    expect(cleanContainerPath("a/./.")).toBe("/a/.");
  });

  it("has the other one on this machine", () => {
    const web = parseCopyEnd("web:/a");
    expect(() => checkDirection(web, web)).toThrow("between containers");
    expect(() => checkDirection(parseCopyEnd("a"), parseCopyEnd("-"))).toThrow("has to be in a container");
  });
});

describe("docker cp's placement", () => {
  const file = { path: "/s/f", isDirectory: false };
  const folder = { path: "/s/d", isDirectory: true };
  const content = { path: "/s/d/.", isDirectory: true };
  it.each([
    [file, "/t/new", undefined, { folder: "/t", name: "new" }],
    [file, "/t/old", "file", { folder: "/t", name: "old" }],
    [file, "/t", "directory", { folder: "/t", name: "f" }],
    [folder, "/t/new", undefined, { folder: "/t", name: "new" }],
    [folder, "/t/new/", undefined, { folder: "/t", name: "new" }],
    [folder, "/t/", "directory", { folder: "/t", name: "d" }],
    [content, "/t/.", "directory", { folder: "/t", name: undefined }],
    [content, "/t/new", undefined, { folder: "/t", name: "new" }],
  ] as const)("%j to %s (%s)", (source, path, kind, placement) => {
    expect(placeCopy(source, { path, kind }, path)).toEqual(placement);
  });

  it("refuses a folder over a file, and a file as a folder", () => {
    expect(() => placeCopy(folder, { path: "/t/f", kind: "file" }, "t")).toThrow("is a file");
    expect(() => placeCopy(file, { path: "/t/new/", kind: undefined }, "t")).toThrow("not a folder");
  });
});

describe("an archive's names", () => {
  it.each(["../x", "a/../../x", "/../x", "a\0b"])("%j leads out", (name) => {
    expect(() => safeParts(name)).toThrow("leads out");
  });

  it("are taken apart", () => {
    expect(safeParts("./a//b/./c/")).toEqual(["a", "b", "c"]);
    expect(safeParts("/etc/passwd")).toEqual(["etc", "passwd"]);
  });

  it("and sizes have GNU's long forms", () => {
    const common = { type: "file", mode: 0o644, uid: 3_000_000, gid: 0, modified: 0 } as const;
    const header = encodeHeader({ ...common, name: "x".repeat(300), size: 9 * 2 ** 30 });
    expect(header.length).toBe(512 * 3);
    expect(header.subarray(0, 13).toString()).toBe("././@LongLink");
    const main = header.subarray(1024);
    expect(main[124]).toBe(0x80);
    expect(main.readBigUInt64BE(128)).toBe(9n * 2n ** 30n);
    expect(main.readBigUInt64BE(108) & 0xffffffffn).toBe(3_000_000n);
  });
});
