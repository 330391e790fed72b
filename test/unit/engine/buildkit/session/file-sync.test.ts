import { execFileSync } from "node:child_process";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setAttributeSync } from "@napi-rs/xattr";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Stat } from "../../../../../src/engine/buildkit/gen/stat.js";
import type { TransferEvent } from "../../../../../src/engine/buildkit/session/file-sync.js";
import { encodePacket, decodePacket, Peer, receive } from "./peer.js";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "dfdebug-files-"));
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

const folder = (): Map<string, { kind: "directory"; path: string }> =>
  new Map([["context", { kind: "directory", path: root }]]);
const fromContext = { "dir-name": "context" };

function byPath(stats: readonly Stat[]): Record<string, Stat> {
  return Object.fromEntries(stats.map((stat) => [stat.path, stat]));
}

describe("a folder", () => {
  test("is described as BuildKit's own client does", async () => {
    writeFileSync(join(root, "file"), "hello");
    chmodSync(join(root, "file"), 0o4751);
    utimesSync(join(root, "file"), 1_700_000_000, 1_700_000_000.5);
    writeFileSync(join(root, "old"), "");
    utimesSync(join(root, "old"), 0, "-1");
    mkdirSync(join(root, "folder"));
    chmodSync(join(root, "folder"), 0o3777);
    symlinkSync("/nowhere/at all", join(root, "link"));
    linkSync(join(root, "file"), join(root, "zlink"));
    execFileSync("mkfifo", [join(root, "pipe")]);
    await using peer = await Peer.open({ sources: folder() });
    const { stats, contents, status } = await receive(peer, fromContext);
    expect(status).toEqual({ code: 0, message: "" });
    expect(stats.map(({ path }) => path)).toEqual(["file", "folder", "link", "old", "pipe", "zlink"]);
    const { file, folder: dir, link, old, pipe, zlink } = byPath(stats);
    expect(file).toMatchObject({
      mode: 0o751 | (1 << 23),
      uid: 0,
      gid: 0,
      size: 5n,
      modTime: 1_700_000_000_500_000_000n,
    });
    expect(dir).toMatchObject({ mode: (0x80000000 | 0o777 | (1 << 22) | (1 << 20)) >>> 0, size: 0n });
    expect(link).toMatchObject({ mode: (1 << 27) | 0o777, linkname: "/nowhere/at all", size: 15n });
    expect(old?.modTime).toBe(-1_000_000_000n);
    expect(pipe?.mode).toBe((1 << 25) | 0o644);
    expect(zlink).toMatchObject({ linkname: "file", size: 5n });
    expect([...contents.keys()].sort()).toEqual(["file", "old"]);
    expect(contents.get("file")?.toString()).toBe("hello");
  });

  test("has its extended attributes, binary ones too", async () => {
    for (const name of ["plain", "marked é"]) writeFileSync(join(root, name), "");
    symlinkSync("marked é", join(root, "link"));
    setAttributeSync(join(root, "marked é"), "user.note", Buffer.of(0, 255, 65));
    await using peer = await Peer.open({ sources: folder() });
    const { stats } = await receive(peer, fromContext);
    expect(stats.map(({ path, xattrs }) => [path, xattrs])).toEqual([
      ["link", {}],
      ["marked é", { "user.note": Buffer.of(0, 255, 65) }],
      ["plain", {}],
    ]);
  });

  test("brings files of every size whole", async () => {
    const sizes = [0, 1, 4096, 65_535, 65_536, 65_537, 523_264, 523_265, 3_000_000];
    for (const size of sizes) writeFileSync(join(root, String(size)), Buffer.alloc(size, String(size)));
    await using peer = await Peer.open({ sources: folder() });
    const { contents } = await receive(peer, fromContext);
    for (const size of sizes)
      expect(contents.get(String(size))?.equals(Buffer.alloc(size, String(size))), String(size)).toBe(true);
  });

  test("sends a socket as an empty file", async () => {
    const server = createServer().listen(join(root, "s"));
    await using peer = await Peer.open({ sources: folder() });
    const { stats, contents } = await receive(peer, fromContext);
    server.close();
    expect(byPath(stats)["s"]?.mode).toBe(0o755);
    expect(contents.get("s")?.length).toBe(0);
  });

  test("sends what a file has when it is read, and nothing of one that is gone", async () => {
    for (const name of ["gone", "grown", "shrunk", "swapped"]) writeFileSync(join(root, name), "1234");
    await using peer = await Peer.open({ sources: folder() });
    let seen = 0;
    const { contents, status } = await receive(peer, fromContext, () => {
      if (++seen === 1) {
        unlinkSync(join(root, "gone"));
        writeFileSync(join(root, "grown"), "1234567890");
        truncateSync(join(root, "shrunk"), 1);
        unlinkSync(join(root, "swapped"));
        execFileSync("mkfifo", [join(root, "swapped")]);
      }
      return true;
    });
    expect(status.code).toBe(0);
    expect(Object.fromEntries(Array.from(contents, ([path, content]) => [path, content.toString()]))).toEqual({
      gone: "",
      grown: "1234567890",
      shrunk: "1",
      swapped: "",
    });
  });

  test("keeps apart patterns with commas and what is encoded", async () => {
    for (const name of ["a, b", "a", "b", "é+ x"]) writeFileSync(join(root, name), "");
    await using peer = await Peer.open({ sources: folder() });
    const paths = async (metadata: Record<string, string | string[]>): Promise<string[]> =>
      (await receive(peer, { ...fromContext, ...metadata })).stats.map(({ path }) => path);
    expect(await paths({ "include-patterns": ["a, b", "b"] })).toEqual(["a, b", "b"]);
    expect(await paths({ "exclude-patterns": ["a"] })).toEqual(["a, b", "b", "é+ x"]);
    expect(await paths({ followpaths: ["%C3%A9%2B+x"], "followpaths-encoded": "1" })).toEqual(["é+ x"]);
  });

  test("serves several receivers at a time", async () => {
    for (let index = 0; index < 300; index++) writeFileSync(join(root, String(index)), Buffer.alloc(5000, index));
    await using peer = await Peer.open({ sources: folder() });
    const all = await Promise.all([1, 2, 3, 4].map(() => receive(peer, fromContext)));
    for (const { stats, contents } of all) {
      expect(stats).toHaveLength(300);
      expect(contents.get("299")?.equals(Buffer.alloc(5000, 299))).toBe(true);
    }
  });

  test("reports what was sent, and the end", async () => {
    writeFileSync(join(root, "a"), Buffer.alloc(10_000));
    writeFileSync(join(root, "b"), "");
    const events: TransferEvent[] = [];
    await using peer = await Peer.open({ sources: folder(), onTransfer: (event) => events.push(event) });
    await receive(peer, fromContext, ({ path }) => path === "a");
    expect(events.at(-1)).toMatchObject({ name: "context", files: 1, done: true });
    expect(events.at(-1)?.bytes).toBeGreaterThan(10_000);
    expect(events.filter(({ done }) => done)).toHaveLength(1);
  });
});

describe("what cannot be sent", () => {
  test("an unknown name is NOT_FOUND", async () => {
    await using peer = await Peer.open();
    expect((await receive(peer, { "dir-name": "secret" })).status).toMatchObject({ code: 5 });
  });

  test("a folder that is not there is named", async () => {
    await using peer = await Peer.open({
      sources: new Map([["context", { kind: "directory", path: join(root, "no") }]]),
    });
    const { status } = await receive(peer, fromContext);
    expect(status.code).toBe(2);
    expect(status.message).toContain(join(root, "no"));
  });

  test("an invalid pattern is named", async () => {
    await using peer = await Peer.open({ sources: folder() });
    const { status } = await receive(peer, { ...fromContext, "exclude-patterns": ["a["] });
    expect(status.message).toContain('"a["');
  });

  test("a request for what was not offered ends the transfer with an error on both levels", async () => {
    await using peer = await Peer.open({ sources: folder() });
    const call = peer.call("/moby.filesync.v1.FileSync/DiffCopy", fromContext);
    call.send(encodePacket(1, 99));
    const packets = [];
    for await (const message of call.messages()) packets.push(decodePacket(message));
    expect(packets.at(-1)).toMatchObject({ type: 4 });
    expect((await call.status).message).toContain("99");
  });

  test("a receiver that goes away leaves no work behind", async () => {
    for (let index = 0; index < 100; index++) writeFileSync(join(root, String(index)), Buffer.alloc(100_000));
    const events: TransferEvent[] = [];
    let ended = (): void => undefined;
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    const onTransfer = (event: TransferEvent): void => {
      events.push(event);
      if (event.done) ended();
    };
    await using peer = await Peer.open({ sources: folder(), onTransfer });
    const call = peer.call("/moby.filesync.v1.FileSync/DiffCopy", fromContext);
    for (let index = 0; index < 100; index++) call.send(encodePacket(1, index));
    for await (const _message of call.messages()) break;
    call.stream.close(8);
    await end;
    expect((await receive(peer, fromContext)).status.code).toBe(0);
  });
});

describe("files in memory", () => {
  const served = (files: Record<string, string>): Promise<Peer> =>
    Peer.open({
      sources: new Map([
        ["dockerfile", { kind: "memory", files: new Map(Object.entries(files).map(([k, v]) => [k, Buffer.from(v)])) }],
      ]),
    });

  test("are sent with their folders, in order", async () => {
    await using peer = await served({ "b/c": "1", "b-": "2", "b/a/x": "3", a: "" });
    const { stats, contents } = await receive(peer, { "dir-name": "dockerfile" });
    expect(stats.map(({ path }) => path)).toEqual(["a", "b", "b/a", "b/a/x", "b/c", "b-"]);
    expect(contents.get("b/a/x")?.toString()).toBe("3");
  });

  test("obey the patterns of the request", async () => {
    await using peer = await served({ Dockerfile: "FROM scratch", "Dockerfile.dockerignore": "", other: "" });
    const { stats } = await receive(peer, {
      "dir-name": "dockerfile",
      followpaths: ["Dockerfile", "dockerfile", "Dockerfile.dockerignore"],
    });
    expect(stats.map(({ path }) => path)).toEqual(["Dockerfile", "Dockerfile.dockerignore"]);
  });

  test("have another time when their content is another, and the same when it is not", async () => {
    const time = async (content: string): Promise<bigint | undefined> => {
      await using peer = await served({ Dockerfile: content });
      return (await receive(peer, { "dir-name": "dockerfile" })).stats[0]?.modTime;
    };
    expect(await time("FROM a")).toBe(await time("FROM a"));
    expect(await time("FROM a")).not.toBe(await time("FROM b"));
  });

  test("can be replaced while the session runs", async () => {
    await using peer = await served({ Dockerfile: "FROM a" });
    peer.session.setSource("dockerfile", { kind: "memory", files: new Map([["Dockerfile", Buffer.from("FROM b")]]) });
    const { contents } = await receive(peer, { "dir-name": "dockerfile" });
    expect(contents.get("Dockerfile")?.toString()).toBe("FROM b");
  });
});
