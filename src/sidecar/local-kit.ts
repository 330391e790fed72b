import {
  chmod,
  copyFile,
  lutimes,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rename,
  rm,
  stat,
  symlink,
  utimes,
} from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { errorMessage } from "../errors.js";
import { log } from "../log.js";
import { readElf } from "./entrypoint/elf.js";

/** A folder with a static busybox and its applets' links, made once and reused; undefined where there is no static busybox. */
export async function localKit(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const candidate of [
    "/bin/busybox",
    "/usr/bin/busybox",
    "/bin/busybox.static",
    "/usr/lib/busybox/busybox-static",
  ]) {
    if (!(await isStaticElf(candidate))) continue;
    try {
      return await makeKit(candidate, env["XDG_CACHE_HOME"] ?? join(env["HOME"] ?? homedir(), ".cache"));
    } catch (error) {
      log("toolbox", "local kit", { candidate, error: errorMessage(error) });
    }
  }
  return undefined;
}

/** Made aside and renamed, so that two runs at once are no problem; times are fixed, so that the engine sees no change. */
async function makeKit(busybox: string, cache: string): Promise<string> {
  // Not of its two megabytes, which every shell would wait for.
  const [{ createHash }, { size, mtimeMs }] = await Promise.all([import("node:crypto"), stat(busybox)]);
  const id = createHash("sha256")
    .update(`${busybox}\0${String(size)}\0${String(mtimeMs)}`)
    .digest("hex")
    .slice(0, 16);
  const kit = join(cache, "dfdebug", `kit-${id}`);
  if (await exists(join(kit, "bin/sh"))) return kit;
  await mkdir(join(cache, "dfdebug"), { recursive: true });
  await removeAbandoned(join(cache, "dfdebug"));
  const fresh = await mkdtemp(join(cache, "dfdebug", "new-"));
  try {
    const bin = join(fresh, "bin");
    await mkdir(bin);
    await chmod(fresh, 0o755);
    await copyFile(busybox, join(bin, "busybox"));
    await chmod(join(bin, "busybox"), 0o755);
    for (const applet of await appletsOf(busybox)) {
      if (applet === "" || applet === "busybox") continue;
      await symlink("busybox", join(bin, applet));
      await lutimes(join(bin, applet), 0, 0);
    }
    await utimes(join(bin, "busybox"), 0, 0);
    await utimes(bin, 0, 0);
    await rename(fresh, kit);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    if (!(await exists(join(kit, "bin/sh")))) throw error;
  }
  return kit;
}

/** What was being made when its maker was killed: making takes less than a second. */
async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith("new-")) continue;
    const path = join(folder, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > 60_000) await rm(path, { recursive: true, force: true });
  }
}

async function appletsOf(busybox: string): Promise<string[]> {
  const { execFile } = await import("node:child_process");
  const { stdout } = await promisify(execFile)(busybox, ["--list"]);
  return stdout.split("\n");
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

/** A 64-bit ELF without an interpreter, which needs nothing of the image it runs in. */
async function isStaticElf(path: string): Promise<boolean> {
  let file;
  try {
    file = await open(path);
  } catch {
    return false;
  }
  try {
    const head = Buffer.alloc(4096);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    const elf = readElf(head.subarray(0, bytesRead));
    return elf?.bits === 64 && elf.loader === undefined;
  } finally {
    await file.close();
  }
}
