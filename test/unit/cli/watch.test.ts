import { mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BuildWatcher } from "../../../src/cli/watch.js";
import type { BuildRequest } from "../../../src/engine/engine.js";
import { CancelledError, UsageError } from "../../../src/errors.js";

const first = "FROM scratch\n";
const second = "FROM scratch\nCOPY . /\n";

describe("--watch", () => {
  let folder: string;
  const never = new AbortController().signal;

  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "dfdebug-watch-")));
    write("Dockerfile", first);
    write(".dockerignore", "*.tmp\nout\n");
    mkdirSync(join(folder, "src"));
    mkdirSync(join(folder, "out"));
    write("src/a.txt", "a");
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function write(name: string, text: string): void {
    writeFileSync(join(folder, name), text);
  }

  function open(dockerfile = "Dockerfile"): Promise<BuildWatcher> {
    const context = { kind: "directory", path: folder } as const;
    return BuildWatcher.open({ context, dockerfilePath: join(folder, dockerfile) } as unknown as BuildRequest);
  }

  it("sees files of the context, new folders included, not what is ignored", async () => {
    await using watcher = await open();
    write("b.tmp", "ignored");
    write("out/c", "ignored");
    write("src/a.txt", "b");
    expect(await watcher.next(never, first)).toEqual({ dockerfile: first, contextChanged: true });
    mkdirSync(join(folder, "new"));
    write("new/d", "d");
    expect(await watcher.next(never, first)).toEqual({ dockerfile: first, contextChanged: true });
  });

  it("sees a Dockerfile that an editor saves by renaming, which what copies the context copies, too", async () => {
    await using watcher = await open();
    write("Dockerfile.new", second);
    renameSync(join(folder, "Dockerfile.new"), join(folder, "Dockerfile"));
    expect(await watcher.next(never, first)).toEqual({ dockerfile: second, contextChanged: true });
  });

  it("sees the Dockerfile through a symlink", async () => {
    write("src/real", first);
    symlinkSync("src/real", join(folder, "Linked"));
    write(".dockerignore", "*\n");
    await using watcher = await open("Linked");
    write("src/real", second);
    expect(await watcher.next(never, first)).toEqual({ dockerfile: second, contextChanged: false });
  });

  it("takes what is known already for no change", async () => {
    write(".dockerignore", "Dockerfile\n");
    await using watcher = await open();
    write("Dockerfile", second);
    const stop = new AbortController();
    const next = watcher.next(stop.signal, second);
    write("Dockerfile", `${second}#\n`);
    expect(await next).toEqual({ dockerfile: `${second}#\n`, contextChanged: false });
    const known = watcher.next(stop.signal, `${second}#\n`);
    write("Dockerfile", `${second}#\n`);
    stop.abort(new CancelledError());
    await expect(known).rejects.toBeInstanceOf(CancelledError);
  });

  it("says that the Dockerfile is gone, and waits for it to come back", async () => {
    await using watcher = await open();
    rmSync(join(folder, "Dockerfile"));
    await expect(watcher.next(never, first)).rejects.toBeInstanceOf(UsageError);
    write("Dockerfile", second);
    expect(await watcher.next(never, first)).toMatchObject({ dockerfile: second });
  });

  it("follows the .dockerignore", async () => {
    await using watcher = await open();
    write(".dockerignore", "src\n");
    expect(await watcher.next(never, first)).toEqual({ dockerfile: first, contextChanged: true });
    write("src/a.txt", "ignored now");
    write("out/c", "not ignored any more");
    expect(await watcher.next(never, first)).toEqual({ dockerfile: first, contextChanged: true });
    const stop = new AbortController();
    const next = watcher.next(stop.signal, first);
    write("src/a.txt", "ignored still");
    stop.abort(new CancelledError());
    await expect(next).rejects.toBeInstanceOf(CancelledError);
  });
});
