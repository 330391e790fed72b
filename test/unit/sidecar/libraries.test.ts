import { describe, expect, it } from "vitest";
import { readLibraryCache } from "../../../src/sidecar/entrypoint/ld-cache.js";
import { checkLibraries, type LibraryReport } from "../../../src/sidecar/entrypoint/libraries.js";
import { ProgramFiles } from "../../../src/sidecar/entrypoint/program-files.js";
import { elfProgram, type ElfShape } from "../../support/elf.js";
import { Link, MemoryFiles } from "../../support/memory-files.js";

const shape = { machine: 62, bits: 64, little: true } as const;
const elf = (dynamic: ElfShape["dynamic"], more: Partial<ElfShape> = {}): Buffer =>
  elfProgram({ ...shape, ...more, ...(dynamic ? { dynamic } : {}) });
const library = (name: string, needed: readonly string[] = []): Buffer => elf({ name, needed });

const glibc = "/lib64/ld-linux-x86-64.so.2";
const musl = "/lib/ld-musl-x86_64.so.1";
const base = {
  [glibc]: new Link("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
  "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2": elf({ name: "ld-linux-x86-64.so.2" }),
  "/lib/x86_64-linux-gnu/libc.so.6": elf({
    name: "libc.so.6",
    needed: ["ld-linux-x86-64.so.2"],
    versions: ["GLIBC_2.2.5", "GLIBC_2.36"],
  }),
};

/** `name path` each, as ldconfig writes them. */
function cacheOf(...entries: readonly string[]): Buffer {
  const texts = entries.flatMap((entry) => entry.split(" "));
  const header = Buffer.alloc(48 + entries.length * 24);
  header.write("glibc-ld.so.cache1.1");
  header.writeUInt32LE(entries.length, 20);
  let at = header.length;
  for (const [index, text] of texts.entries()) {
    header.writeUInt32LE(at, 48 + Math.floor(index / 2) * 24 + 4 + (index % 2) * 4);
    at += text.length + 1;
  }
  return Buffer.concat([header, Buffer.from(`${texts.join("\0")}\0`)]);
}

async function check(
  files: Readonly<Record<string, Buffer | string | Link>>,
  { env = [], loader = glibc }: { env?: readonly string[]; loader?: string } = {},
): Promise<LibraryReport | undefined> {
  const program = new ProgramFiles(new MemoryFiles(files));
  const found = await program.find(loader);
  return checkLibraries({ path: "/app/bin/x", real: "/app/bin/x" }, found, { files: program, directory: "/work", env });
}

const missing = (report: LibraryReport | undefined): readonly string[] | undefined =>
  report?.problems.map((problem) => `${problem.library} of ${problem.neededBy}`);

describe("readLibraryCache", () => {
  it("reads what ldconfig writes, behind the older format too", () => {
    const cache = cacheOf("libz.so.1 /lib/libz.so.1", "libz.so.1 /opt/libz.so.1");
    const expected = new Map([["libz.so.1", ["/lib/libz.so.1", "/opt/libz.so.1"]]]);
    expect(readLibraryCache(cache, true)).toEqual(expected);
    expect(readLibraryCache(Buffer.concat([Buffer.from("ld.so-1.7.0\0"), cache]), true)).toEqual(expected);
    for (let length = 0; length < cache.length; length += 7) readLibraryCache(cache.subarray(0, length), true);
    expect(readLibraryCache(Buffer.from("text"), true).size).toBe(0);
  });
});

describe("checkLibraries with glibc", () => {
  const program = (dynamic: ElfShape["dynamic"]) => ({ ...base, "/app/bin/x": elf(dynamic) });

  it("finds what lies where the loader looks by itself", async () => {
    expect(await check(program({ needed: ["libc.so.6"] }))).toEqual({ count: 1, problems: [] });
  });

  it("says what is missing of the program and of its libraries, once each", async () => {
    const files = {
      ...program({ needed: ["liba.so", "libgone.so.1"] }),
      "/usr/lib/liba.so": library("liba.so", ["libgone.so.1", "libdeep.so"]),
    };
    expect(missing(await check(files))).toEqual(["libgone.so.1 of /app/bin/x", "libdeep.so of /usr/lib/liba.so"]);
  });

  it.each<[string, ElfShape["dynamic"], Record<string, Buffer>, string[]]>([
    ["RUNPATH", { needed: ["liba.so"], runpath: "$ORIGIN/../lib" }, { "/app/lib/liba.so": library("liba.so") }, []],
    ["$LIB", { needed: ["liba.so"], runpath: "/o/${LIB}" }, { "/o/lib64/liba.so": library("liba.so") }, []],
    [
      "LD_LIBRARY_PATH",
      { needed: ["liba.so"] },
      { "/opt/x/liba.so": library("liba.so") },
      ["LD_LIBRARY_PATH=/y:/opt/x"],
    ],
    [
      "the working directory",
      { needed: ["liba.so"] },
      { "/work/liba.so": library("liba.so") },
      ["LD_LIBRARY_PATH=/y:"],
    ],
    ["a path", { needed: ["./liba.so"] }, { "/work/liba.so": library("liba.so") }, []],
    [
      "the cache",
      { needed: ["liba.so"] },
      { "/o/liba.so": library("liba.so"), "/etc/ld.so.cache": cacheOf("liba.so /o/liba.so") },
      [],
    ],
    [
      "a preloaded one's name",
      { needed: ["liba.so"] },
      { "/o/other.so": library("liba.so") },
      ["LD_PRELOAD=/o/other.so"],
    ],
  ])("finds it by %s", async (_how, dynamic, files, env) => {
    expect(missing(await check({ ...program(dynamic), ...files }, { env }))).toEqual([]);
  });

  it("gives a program's RPATH to its libraries, and its RUNPATH to itself alone", async () => {
    const files = {
      "/o/liba.so": library("liba.so", ["libb.so"]),
      "/o/libb.so": library("libb.so"),
    };
    expect(missing(await check({ ...program({ needed: ["liba.so"], rpath: "/o" }), ...files }))).toEqual([]);
    expect(missing(await check({ ...program({ needed: ["liba.so"], runpath: "/o" }), ...files }))).toEqual([
      "libb.so of /o/liba.so",
    ]);
  });

  it("passes over a library of another machine", async () => {
    const files = {
      ...program({ needed: ["liba.so"] }),
      "/lib/liba.so": elf({ name: "liba.so" }, { machine: 183 }),
    };
    expect(missing(await check(files))).toEqual(["liba.so of /app/bin/x"]);
  });

  it("says where it is, and which other version there is", async () => {
    const files = {
      ...program({ needed: ["liba.so.1", "libb.so.1", "libssl.so.1.1"] }),
      "/usr/local/lib/liba.so.1": library("liba.so.1"),
      "/app/lib/libb.so.1": library("libb.so.1"),
      "/etc/ld.so.conf": "# all\ninclude /etc/ld.so.conf.d/*.conf\n",
      "/etc/ld.so.conf.d/libc.conf": "/usr/local/lib\n",
      "/etc/ld.so.cache": cacheOf("libssl.so.3 /lib/libssl.so.3"),
    };
    expect((await check(files))?.problems).toMatchObject([
      { elsewhere: "/usr/local/lib", isConfigured: true },
      { elsewhere: "/app/lib", isConfigured: false },
      { elsewhere: undefined, others: ["libssl.so.3"] },
    ]);
  });

  it("compares the versions that are asked for", async () => {
    const versionsOf = { library: "libc.so.6", versions: ["GLIBC_2.2.5", "GLIBC_2.38"] };
    expect((await check(program({ needed: ["libc.so.6"], versionsOf })))?.problems).toEqual([
      { kind: "version", library: "libc.so.6", neededBy: "/app/bin/x", version: "GLIBC_2.38" },
    ]);
  });

  it("says nothing of what it cannot know", async () => {
    // What a GPU runtime mounts, variants for newer processors, a token of the machine's, a loader of another kind.
    expect(missing(await check(program({ needed: ["libcuda.so.1"] })))).toEqual([]);
    const variants = { "/usr/lib/glibc-hwcaps/x86-64-v3/liba.so": library("liba.so") };
    expect(await check({ ...program({ needed: ["liba.so"] }), ...variants })).toBeUndefined();
    expect(await check(program({ needed: ["liba.so"], runpath: "/o/$PLATFORM" }))).toBeUndefined();
    const compatible = { ...program({ needed: ["liba.so"] }), [glibc]: elf({ name: "libgcompat.so.0" }) };
    expect(await check(compatible)).toBeUndefined();
  });
});

describe("checkLibraries with musl", () => {
  const program = (dynamic: ElfShape["dynamic"]) => ({
    [musl]: elf({ name: "libc.musl-x86_64.so.1" }),
    "/app/bin/x": elf(dynamic),
  });
  const options = { loader: musl };

  it("has the C library in the loader, under glibc's names too", async () => {
    const needed = ["libc.musl-x86_64.so.1", "libc.so.6", "libpthread.so.0"];
    expect(await check(program({ needed }), options)).toEqual({ count: 0, problems: [] });
  });

  it("is recognised where glibc's name leads to it", async () => {
    const files = { ...program({ needed: ["libc.so.6"] }), [glibc]: new Link(musl) };
    expect(await check(files)).toEqual({ count: 0, problems: [] });
  });

  it("goes by its own path file, and gives paths on to libraries", async () => {
    const files = {
      ...program({ needed: ["liba.so"], runpath: "$ORIGIN" }),
      "/app/bin/liba.so": library("liba.so", ["libb.so"]),
      "/app/bin/libb.so": library("libb.so", ["libc++.so.1"]),
      "/usr/lib/libc++.so.1": library("libc++.so.1"),
    };
    expect(missing(await check(files, options))).toEqual([]);
    expect(missing(await check({ ...files, "/etc/ld-musl-x86_64.path": "/o\n" }, options))).toEqual([
      "libc++.so.1 of /app/bin/libb.so",
    ]);
  });
});
