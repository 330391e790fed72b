import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmod,
  copyFile,
  lutimes,
  mkdir,
  mkdtemp,
  open,
  readFile,
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

const run = promisify(execFile);

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
  const id = createHash("sha256")
    .update(await readFile(busybox))
    .digest("hex")
    .slice(0, 16);
  const kit = join(cache, "dfdebug", `kit-${id}`);
  if (await exists(join(kit, "bin/sh"))) return kit;
  await mkdir(join(cache, "dfdebug"), { recursive: true });
  const fresh = await mkdtemp(join(cache, "dfdebug", "new-"));
  try {
    const bin = join(fresh, "bin");
    await mkdir(bin);
    await chmod(fresh, 0o755);
    await copyFile(busybox, join(bin, "busybox"));
    await chmod(join(bin, "busybox"), 0o755);
    const { stdout } = await run(busybox, ["--list"]);
    for (const applet of stdout.split("\n")) {
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
    if (bytesRead < 64 || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2) return false;
    const table = Number(head.readBigUInt64LE(32));
    const size = head.readUInt16LE(54);
    const count = head.readUInt16LE(56);
    const interpreter = 3;
    for (let index = 0; index < count; index++) {
      const at = table + index * size;
      if (at + 4 > bytesRead) return false;
      if (head.readUInt32LE(at) === interpreter) return false;
    }
    return true;
  } finally {
    await file.close();
  }
}
