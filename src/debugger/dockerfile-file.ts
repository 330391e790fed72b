import { constants } from "node:fs";
import { access, chown, open, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { UsageError } from "../errors.js";

/**
 * Writes a Dockerfile whole or not at all, with its permissions; a symlink stays one. `expected` is what must be in the
 * file: rejects with UsageError DOCKERFILE_CHANGED where somebody changed it meanwhile, DOCKERFILE_WRITE where it cannot be
 * written, is read-only, or is not UTF-8.
 */
export async function writeDockerfile(named: string, expected: string, source: string): Promise<void> {
  const path = await realpath(named).catch((error: unknown) => {
    throw notWritten(`${named} is gone`, error);
  });
  const onDisk = await readFile(path);
  const text = onDisk.toString("utf8");
  if (text !== expected)
    throw new UsageError(`${named} has changed since the build began: the change was not written`, {
      code: "DOCKERFILE_CHANGED",
      hint: "`diff --file` shows the change: make it by hand, or build again.",
    });
  // Bytes that are no text would come back as others.
  if (!Buffer.from(text, "utf8").equals(onDisk)) throw notWritten(`${named} is not UTF-8`);
  // A rename would take the place of a file that is protected.
  await access(path, constants.W_OK).catch((error: unknown) => {
    throw notWritten(`${named} is read-only`, error);
  });
  const { mode, uid, gid } = await stat(path);
  const temporary = `${path}.${String(process.pid)}.dfdebug`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(source);
      await file.chmod(mode & 0o7777);
      await file.sync();
    } finally {
      await file.close();
    }
    // Only root may give files away; for anybody else the new file is theirs, as with every editor.
    await chown(temporary, uid, gid).catch(() => undefined);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw notWritten(`${named} could not be written`, error);
  }
}

function notWritten(why: string, cause?: unknown): UsageError {
  return new UsageError(`${why}: the change was not written`, {
    code: "DOCKERFILE_WRITE",
    hint: "`diff --file` shows the change.",
    cause,
  });
}
