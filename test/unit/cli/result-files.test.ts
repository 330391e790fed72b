import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { metadataOf, ResultFiles } from "../../../src/cli/result-files.js";
import { UsageError } from "../../../src/errors.js";

const image = {
  imageId: "sha256:1",
  names: ["mm:1", "r.io/x", "mm"],
  metadata: { "containerimage.digest": "sha256:1" },
};
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "dfdebug-results-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

it("writes the id and buildx's metadata, relative to the working folder", async () => {
  writeFileSync(join(folder, "id"), "sha256:0");
  const files = await ResultFiles.check({ iidfile: "id", metadataFile: "metadata" }, folder);
  await files.begin();
  expect(existsSync(join(folder, "id"))).toBe(false);
  await files.write(image);
  expect(readFileSync(join(folder, "id"), "utf8")).toBe("sha256:1");
  expect(JSON.parse(readFileSync(join(folder, "metadata"), "utf8"))).toEqual(metadataOf(image));
  expect(metadataOf(image)["image.name"]).toBe("docker.io/library/mm:1,r.io/x:latest,docker.io/library/mm:latest");
  expect(readdirSync(folder).sort()).toEqual(["id", "metadata"]);
});

it("refuses what could not be written, before anything is built", async () => {
  mkdirSync(join(folder, "made"));
  writeFileSync(join(folder, "file"), "");
  const refused = async (path: string): Promise<string> => {
    const error: unknown = await ResultFiles.check({ metadataFile: path }, folder).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UsageError);
    return (error as UsageError).message;
  };
  expect(await refused("nope/x")).toBe(`--metadata-file nope/x: the folder ${folder}/nope does not exist`);
  expect(await refused("file/x")).toBe(`--metadata-file file/x: ${folder}/file is not a folder`);
  expect(await refused("made")).toBe(`--metadata-file made: ${folder}/made is a folder`);
  expect(await refused("/proc/self/nope/x")).toContain("--metadata-file /proc/self/nope/x: the folder /proc/self/nope");
  expect(await refused("")).toContain("expected a file");
});

it("writes to a pipe or device and leaves it what it is; what fails then says that the image is built", async () => {
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", [pipe]);
  const files = await ResultFiles.check({ iidfile: pipe, metadataFile: "/dev/full" }, folder);
  await files.begin();
  const read = readFile(pipe, "utf8");
  const failed: unknown = await files.write(image).catch((error: unknown) => error);
  expect(await read).toBe("sha256:1");
  expect(failed).toMatchObject({ code: "RESULT_WRITE", exitCode: 1, hint: "The image is built: mm:1" });
  expect(readdirSync(folder)).toEqual(["pipe"]);
});
