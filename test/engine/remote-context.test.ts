import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { describeEngines, expectNothingLeft, isOld } from "../support/engines.js";
import { dfdebug, type Run } from "../support/run-dfdebug.js";
import { freePort, installed, script, ServerProcess } from "../support/servers.js";

/** A Dockerfile that shows which context it was built from, and fails so that --exec can look. */
const showing = "FROM busybox:latest\nCOPY f /f\nRUN exit 3\n";

/** A file f, and a Dockerfile that copies it to /x, as `tar -cJ` packs them. */
const xzArchive = [
  "/Td6WFoAAATm1rRGAgAhARYAAAB0L+Wj4Cf/ALZdABcLvBx9AZXAHUo+eRXCzCajYxw38612dcex7eDWCTtNWdx+B0jAp5v20hK0",
  "+S9WKqT00slbfcbM9tAdfzycACQvLTN6qPLi1zfWmWcdt6D9t1oyW4Jn8yhmvqVYXee4v9G42o4MYK+pER7S6rLEaIYPYOt9686b",
  "LU1gMga3WqkT924A1gYy2fxlre+0weQODsrekOM+zFCP5OU0Apt5MSIDHkp1sN/0KGHBCJ03Uk2/0N5k1xLhAAAAFAbHwq7Fbf8A",
  "AdIBgFAAAMLYJiCxxGf7AgAAAAAEWVo=",
].join("");

describeEngines("a context that is not a folder of this machine", (engine) => {
  let folder: string;
  let daemon: ServerProcess;
  let web: Server;
  let git: string;
  let http: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-remote-"));
    mkdirSync(join(folder, "work/sub"), { recursive: true });
    const write = (name: string, text: string): void => writeFileSync(join(folder, "work", name), text);
    write("Dockerfile", showing);
    write("Other", "FROM busybox:latest\nRUN exit 4\n");
    write("f", "of the root\n");
    write("sub/Dockerfile", showing);
    write("sub/f", "of the branch's folder\n");
    script(
      `cd "$1/work"; g() { git -c user.name=t -c user.email=t@example.com "$@"; }
tar -czf ../context.tar.gz Dockerfile f
g init -q -b master; g add .; g commit -qm one
g checkout -q -b other; echo of the other branch > f; g commit -qam two; g checkout -q master
git clone -q --bare . ../repo.git`,
      folder,
    );
    const port = await freePort();
    git = `git://127.0.0.1:${String(port)}`;
    daemon = await ServerProcess.listen(port, installed("/usr/bin/git", "git"), [
      ...["daemon", "--export-all", "--listen=127.0.0.1", `--port=${String(port)}`, `--base-path=${folder}`],
    ]);
    web = createServer((request, response) => {
      const files: Record<string, string> = { "/context.tar.gz": "context.tar.gz", "/Dockerfile": "work/Other" };
      const file = files[request.url ?? ""];
      response.statusCode = file === undefined ? 404 : 200;
      response.end(file === undefined ? "no" : execFileSync("cat", [join(folder, file)]));
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => web.once("listening", resolve));
    http = `http://127.0.0.1:${String((web.address() as AddressInfo).port)}`;
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await new Promise((resolve) => web.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });

  afterEach(() => {
    expectNothingLeft(engine);
  });

  const build = (args: readonly string[], input?: string | Buffer): Promise<Run> =>
    dfdebug(engine, ["build", ...args], { cwd: folder, ...(input === undefined ? {} : { input }) });
  const look = (context: string): Promise<Run> => build(["--exec", "cat /f", context]);

  it("is a git repository, its branch and its folder", async () => {
    const root = await look(`${git}/repo.git`);
    expect(root).toMatchObject({ code: 1, stdout: "of the root\n" });
    expect(root.stderr).toContain("▸ 3 │ RUN exit 3");
    expect((await look(`${git}/repo.git#other`)).stdout).toBe("of the other branch\n");
    const inFolder = await look(`${git}/repo.git#master:sub`);
    if (isOld(engine)) expect(inFolder.stderr).toContain("builds no subdirectory of a git repository");
    else expect(inFolder.stdout).toBe("of the branch's folder\n");
    expect((await build(["-f", "Other", `${git}/repo.git`])).stderr).toContain("RUN exit 4");
  });

  it("says what of a git repository is missing", async () => {
    const said = async (...args: string[]): Promise<string> => {
      const run = await build(args);
      expect(run.code).toBe(1);
      return run.stderr;
    };
    expect(await said(`${git}/repo.git#nowhere`)).toContain("has no branch, tag or commit nowhere");
    expect(await said("-f", "Missing", `${git}/repo.git`)).toContain("There is no Missing in the context git://");
    expect(await said(`${git}/none.git`)).toContain("could not be read");
    const refused = await said("git://user:token-in-url@127.0.0.1:1/x.git");
    expect(refused).toContain("The context git://127.0.0.1:1/x.git could not be read");
    expect(refused).not.toContain("token-in-url");
    expect(refused).not.toContain("registry");
  });

  it("is an archive or a Dockerfile of a web server", async () => {
    expect(await look(`${http}/context.tar.gz`)).toMatchObject({ code: 1, stdout: "of the root\n" });
    expect((await build([`${http}/Dockerfile`])).stderr).toContain("▸ 2 │ RUN exit 4");
    const missing = await build([`${http}/none`]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain(`404`);
    expect(missing.stderr).toContain(`${http}/none`);
  });

  it("is an archive on standard input, packed or not", async () => {
    for (const pack of ["-c", "-cz"]) {
      const archive = execFileSync("tar", ["-C", join(folder, "work"), pack, "Dockerfile", "f", "Other"]);
      const run = await build(["--exec", "cat /f", "-"], archive);
      expect(run, pack).toMatchObject({ code: 1, stdout: "of the root\n" });
      if (pack !== "-c") continue;
      expect((await build(["-f", "Other", "-"], archive)).stderr).toContain("RUN exit 4");
      expect((await build(["-f", "None", "-"], archive)).stderr).toContain("There is no None in the context on");
    }
    // Only an engine with xz beside it unpacks this; the others say nothing of it, to docker build either.
    const xz = await build(["--exec", "cat /x", "-"], Buffer.from(xzArchive, "base64"));
    if (xz.code === 0) expect(xz.stderr).toContain("Built sha256:");
    else expect(xz.stderr).toContain("xz -dc ARCHIVE | dfdebug build -");
    const cut = execFileSync("tar", ["-C", join(folder, "work"), "-cz", "Dockerfile", "f"]);
    const broken = await build(["-"], cut.subarray(0, cut.length / 2));
    expect(broken.code).toBe(1);
    expect(broken.stderr).toMatch(/The context on standard input could not be read|There is no Dockerfile/);
  });

  it("is nothing, where only a Dockerfile is on standard input", async () => {
    const alone = await build(["-f", "-", "work"], showing);
    expect(alone.stderr).toContain("Step 3/3 failed");
    const nothing = await build(["-"], showing);
    expect(nothing.code).toBe(1);
    expect(nothing.stderr).toContain("f was not found in the build context, which is empty");
    const empty = await build(["-"], "");
    expect(empty.code).toBe(1);
    expect(empty.stderr).toContain("holds no instruction");
    expect((await build(["-f", "-", "-"], showing)).code).toBe(2);
  });
});
