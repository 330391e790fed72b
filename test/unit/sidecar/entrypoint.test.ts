import { describe, expect, it } from "vitest";
import { parseDockerfile } from "../../../src/dockerfile/parse.js";
import { findAccount, type Account } from "../../../src/dockerfile/accounts.js";
import { mayExecute } from "../../../src/sidecar/entrypoint/accounts.js";
import { combineCommand, originOf, shellScriptIndex } from "../../../src/sidecar/entrypoint/command.js";
import { readElf, runsOn } from "../../../src/sidecar/entrypoint/elf.js";
import { findRunLines } from "../../../src/sidecar/entrypoint/lines.js";
import { allArguments, firstCommand, lastCommand } from "../../../src/sidecar/entrypoint/shell-script.js";
import { unwrap } from "../../../src/sidecar/entrypoint/wrappers.js";
import { envProgram, hasMarkedShebang, readShebang } from "../../../src/dockerfile/shebang.js";
import { elfProgram } from "../../support/elf.js";

describe("readElf", () => {
  it.each([
    [{ machine: 62, bits: 64, little: true }, "amd64"],
    [{ machine: 183, bits: 64, little: true }, "arm64"],
    [{ machine: 40, bits: 32, little: true }, "arm"],
    [{ machine: 22, bits: 64, little: false }, "s390x"],
  ] as const)("reads %j", (shape, architecture) => {
    const elf = { bits: shape.bits, isProgram: true, architecture };
    expect(readElf(elfProgram(shape))).toMatchObject({ ...elf, loader: undefined });
    expect(readElf(elfProgram({ ...shape, loader: "/lib/ld.so.1" }))).toMatchObject({ ...elf, loader: "/lib/ld.so.1" });
  });

  it("takes what is cut for what it is", () => {
    const whole = elfProgram({ machine: 62, bits: 64, little: true, loader: "/lib/ld.so.1" });
    expect(readElf(whole.subarray(0, 178))?.loader).toBe("");
    for (let length = 0; length < 176; length++) expect(readElf(whole.subarray(0, length))).toBeUndefined();
    expect(readElf(Buffer.from("#!/bin/sh\n".repeat(10)))).toBeUndefined();
  });

  it("knows what runs without emulation", () => {
    expect(runsOn("386", "amd64")).toBe(true);
    expect(runsOn("amd64", "386")).toBe(false);
    expect(runsOn("arm64", "amd64")).toBe(false);
  });
});

describe("readShebang", () => {
  const read = (line: string) => readShebang(Buffer.from(line));

  it("reads the kernel's way", () => {
    expect(read("#! /bin/sh\necho")).toEqual({ interpreter: "/bin/sh", argument: "", isCrlf: false });
    expect(read("#!/bin/sh -e -x \n")).toMatchObject({ argument: "-e -x" });
    expect(read("#!/bin/sh\r\n")).toEqual({ interpreter: "/bin/sh", argument: "", isCrlf: true });
    expect(read("#!/usr/bin/env bash\r\n")).toEqual({ interpreter: "/usr/bin/env", argument: "bash", isCrlf: true });
    expect(read("#!\n")).toBeUndefined();
    expect(read("echo")).toBeUndefined();
    expect(hasMarkedShebang(Buffer.from("\ufeff#!/bin/sh\n"))).toBe(true);
  });

  it.each([
    ["#!/usr/bin/env python3\n", "python3"],
    ["#!/usr/bin/env -S A=1 node --inspect\n", "node"],
    ["#!/usr/bin/env -i sh\n", "-i sh"],
    ["#!/bin/sh\n", undefined],
  ])("finds env's program in %j", (line, program) => {
    const shebang = read(line);
    expect(shebang && envProgram(shebang)).toBe(program?.startsWith("-") ? undefined : program);
  });
});

describe("findAccount", () => {
  const passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/app:/bin/sh\n12:x:77:78::/:\n";
  const group = "root:x:0:\napp:x:1001:\nvideo:x:44:x,app\n";

  it.each<[string, ReturnType<typeof findAccount>]>([
    ["", { uid: 0, gid: 0, groups: [], name: "root" }],
    ["app", { uid: 1000, gid: 1001, groups: [44], name: "app" }],
    ["1000", { uid: 1000, gid: 1001, groups: [44], name: "app" }],
    ["app:video", { uid: 1000, gid: 44, groups: [], name: "app" }],
    ["5000:6000", { uid: 5000, gid: 6000, groups: [], name: undefined }],
    ["12", { uid: 77, gid: 78, groups: [], name: "12" }],
    ["ap", { missing: "user", name: "ap", near: "app" }],
    ["app:vdeo", { missing: "group", name: "vdeo", near: "video" }],
    ["4294967296", { missing: "user", name: "4294967296", near: undefined }],
  ])("looks up %j", (user, account) => {
    expect(findAccount(user, passwd, group)).toEqual(account);
  });

  it("needs no files for numbers and root", () => {
    expect(findAccount("", "", "")).toMatchObject({ uid: 0, gid: 0 });
    expect(findAccount("7", "", "")).toMatchObject({ uid: 7, gid: 0 });
  });

  it("applies the class of permissions that fits first", () => {
    const app: Account = { uid: 1000, gid: 1001, groups: [44], name: "app" };
    expect(mayExecute({ mode: 0o655, uid: 1000, gid: 0 }, app)).toBe(false);
    expect(mayExecute({ mode: 0o710, uid: 0, gid: 44 }, app)).toBe(true);
    expect(mayExecute({ mode: 0o744, uid: 0, gid: 0 }, app)).toBe(false);
    expect(mayExecute({ mode: 0o001, uid: 5, gid: 5 }, { ...app, uid: 0 })).toBe(true);
  });
});

describe("the command line", () => {
  const shell = ["/bin/sh", "-c"];

  it("is ENTRYPOINT and then CMD", () => {
    const line = combineCommand(["run.sh"], ["/bin/sh", "-c", "node x"], shell);
    expect(line.argv).toEqual(["run.sh", "/bin/sh", "-c", "node x"]);
    expect(line.parts.map(({ instruction, form }) => `${instruction} ${form}`)).toEqual([
      "ENTRYPOINT exec",
      "CMD shell",
    ]);
    expect([0, 1, 3].map((index) => originOf(line, index))).toEqual(["ENTRYPOINT", "CMD", "CMD"]);
    expect(originOf(combineCommand(null, ["x"], shell), 0)).toBe("CMD");
  });

  it("has a shell's script where -c says so", () => {
    expect(shellScriptIndex(["/bin/sh", "-c", "x"])).toBe(2);
    expect(shellScriptIndex(["bash", "-o", "-ec", "x"])).toBe(3);
    expect(shellScriptIndex(["sh", "x.sh", "-c"])).toBeUndefined();
    expect(shellScriptIndex(["node", "-c", "x"])).toBeUndefined();
  });

  it.each([
    ["node server.js", "node"],
    ["exec 'my app' --x", "my app"],
    ["A=1 B='2 3' C=$A exec node", "node"],
    ["'A=1' node", "A=1"],
    ["set -e; cd /app && exec node x", "node"],
    ["# why\n\n  echo hi >/dev/null\nnginx -g 'daemon off;'", "nginx"],
    ["/usr/bin/a\\ b", "/usr/bin/a b"],
    ["cd /app && ./run", undefined],
    ["$APP --x", undefined],
    ["PATH=/x:$PATH node", undefined],
    ["if true; then node; fi", undefined],
    ["cd /x || exit 1; node", undefined],
    ["(node)", undefined],
    ["", undefined],
  ])("starts a script's first program: %j", (script, program) => {
    expect(firstCommand(script)?.words[0]).toBe(program);
  });

  it.each([
    ["exec gosu app node server.js --port $PORT", ["gosu", "app", "node", "server.js", "--port"]],
    ['exec "$@"', [allArguments]],
    ['exec tini -- "${@}" 2>&1 >/log', ["tini", "--", allArguments]],
    ["LD_PRELOAD=/x node a && echo b", ["node", "a"]],
  ])("cuts a command where only the shell can tell: %j", (script, words) => {
    expect(firstCommand(script)?.words).toEqual(words);
  });

  it.each([
    ['#!/bin/sh\nset -e\nif [ -n "$X" ]; then\n  echo hi\nfi\n# run it\nexec "$@"\n', [allArguments]],
    ['mkdir -p /data\nchown app /data\nexec gosu app \\\n  "$@"\n\n', ["gosu", "app", allArguments]],
    ['if [ "$1" = serve ]; then shift; fi\nexec "$@"', undefined],
    ['set -- node "$@"\nexec "$@"', undefined],
    ['export PATH=/x:$PATH\nexec "$@"', undefined],
    ['. /env.sh\nexec "$@"', undefined],
    ['if true; then exec node; fi\nexec "$@"', undefined],
    ['if true; then\n  exec "$@"', undefined],
    ['npm install\nexec "$@"', undefined],
    ['"$@"', undefined],
  ])("finds what a script only prepares: %j", (script, words) => {
    expect(lastCommand(script)?.words).toEqual(words);
  });

  it.each<[string, string[] | undefined]>([
    ["tini -- node x", ["node", "x"]],
    ["/sbin/tini -g -p SIGTERM -e143 node", ["node"]],
    ["dumb-init --rewrite 15:3 -c -- node", ["node"]],
    ["env -u A B=1 PATH=/p node", ["node"]],
    ["env -i node", undefined],
    ["env -S node", undefined],
    ["gosu app node", ["node"]],
    ["timeout -k 5 --signal=TERM 10s node", ["node"]],
    ["stdbuf -oL node", ["node"]],
    ["tini", []],
    ["node tini", undefined],
    ["tini --subreaper node", undefined],
  ])("finds the command behind %j", (line, command) => {
    const argv = line.split(" ");
    const wrapped = unwrap(argv);
    expect(wrapped && argv.slice(wrapped.at)).toEqual(command);
  });
});

describe("findRunLines", () => {
  const dockerfile = parseDockerfile(
    [
      "FROM scratch AS base",
      "USER app",
      'CMD ["a"]',
      "FROM base AS tool",
      "WORKDIR /t",
      "FROM base",
      'ENTRYPOINT ["b"]',
    ].join("\n"),
    { file: "Dockerfile" },
  );
  const options = { base: () => Promise.resolve({}), platform: undefined };

  it("follows stages down to the line that counts", async () => {
    const found = await findRunLines(dockerfile, { User: "app", Entrypoint: ["b"], WorkingDir: "/" }, options);
    expect(found).toMatchObject({ stage: "stage-2" });
    expect("lines" in found && Object.fromEntries(found.lines)).toMatchObject({ USER: 2, ENTRYPOINT: 7 });
  });

  it("finds the named stage that an image was built from", async () => {
    const found = await findRunLines(dockerfile, { User: "app", Cmd: ["a"], WorkingDir: "/t" }, options);
    expect("lines" in found && Object.fromEntries(found.lines)).toEqual({ USER: 2, CMD: 3, WORKDIR: 5 });
  });

  it("says what differs, of the last stage", async () => {
    expect(await findRunLines(dockerfile, { Entrypoint: ["b"], User: "else" }, options)).toEqual({
      file: "Dockerfile",
      differs: ["USER"],
    });
  });
});
