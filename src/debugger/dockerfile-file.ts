import { chmod, chown, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { UsageError } from "../errors.js";

/**
 * Writes a Dockerfile whole or not at all, with its permissions; a symlink stays one. `expected` is what must be in the
 * file: rejects with UsageError DOCKERFILE_CHANGED where somebody changed it meanwhile, DOCKERFILE_WRITE where it cannot be written.
 */
export async function writeDockerfile(named: string, expected: string, source: string): Promise<void> {
  const path = await realpath(named).catch((error: unknown) => {
    throw new UsageError(`${named} is gone: the change was not written`, { code: "DOCKERFILE_WRITE", cause: error });
  });
  const onDisk = await readFile(path, "utf8");
  if (onDisk !== expected)
    throw new UsageError(`${named} has changed since the build began: the change was not written`, {
      code: "DOCKERFILE_CHANGED",
      hint: "`diff --file` shows the change: make it by hand, or build again.",
    });
  const { mode, uid, gid } = await stat(path);
  const temporary = `${path}.${String(process.pid)}.dfdebug`;
  try {
    await writeFile(temporary, source, { mode, flag: "wx" });
    await chmod(temporary, mode & 0o7777);
    // Only root may give files away; for anybody else the new file is theirs, as with every editor.
    await chown(temporary, uid, gid).catch(() => undefined);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new UsageError(`${named} could not be written`, { code: "DOCKERFILE_WRITE", cause: error });
  }
}
