// Issue 2: what a large context costs, the first time and again.
import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A context in three states; a folder a tool, with content of its own, so that no tool profits from the other's run. */
async function context(bench, title, fill, change) {
  const { quick } = bench;
  const text = "FROM busybox:latest\nRUN --mount=type=bind,target=/context test -e /context/note\n";
  const folders = {};
  for (const tool of ["docker", "dfdebug"]) {
    folders[tool] = bench.folder(`${title}-${tool}`, { Dockerfile: text, note: randomBytes(8).toString("hex") });
    fill(folders[tool]);
  }
  const measures = (before) => ({
    docker: () => (before(folders.docker), bench.dockerBuild([folders.docker], { memory: true })),
    dfdebug: () => (before(folders.dfdebug), bench.dfdebugBuild([folders.dfdebug], { memory: true })),
  });
  await bench.compare(
    `${title}, first`,
    1,
    measures(() => undefined),
  );
  await bench.compare(
    `${title}, unchanged`,
    quick ? 2 : 5,
    measures(() => undefined),
  );
  await bench.compare(`${title}, one file changed`, quick ? 2 : 5, measures(change));
  for (const path of Object.values(folders)) rmSync(path, { recursive: true, force: true });
}

const newNote = (path) => writeFileSync(join(path, "note"), randomBytes(8).toString("hex"));

async function contextFile(bench) {
  const { quick } = bench;
  const mebibytes = quick ? 64 : 1024;
  const fill = (path) => {
    const block = randomBytes(8 * 1024 * 1024);
    for (let written = 0; written < mebibytes; written += 8) appendFileSync(join(path, "data"), block);
  };
  await context(bench, `one file of ${mebibytes} MiB`, fill, newNote);
}

async function contextFiles(bench) {
  const { quick } = bench;
  const count = quick ? 2_000 : 50_000;
  const fill = (path) => {
    for (let number = 0; number < count; number++) {
      const below = join(path, `folder-${Math.floor(number / 500)}`);
      if (number % 500 === 0) mkdirSync(below);
      writeFileSync(join(below, `file-${number}`), randomBytes(4096));
    }
  };
  await context(bench, `${count} files of 4 KiB`, fill, newNote);
}

export const benchmarks = { "context-file": contextFile, "context-files": contextFiles };
