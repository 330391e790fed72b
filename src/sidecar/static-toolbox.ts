import { readFile, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { Duplex } from "node:stream";
import { importImage } from "../docker/image-transfer.js";
import { findImage, type ImageInfo } from "../docker/images.js";
import { localKit } from "./local-kit.js";
import { kitLabel, staticToolboxImage, toolboxKit, type ToolboxOptions } from "./toolbox.js";

/** Node's names of architectures as images name them. */
const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/**
 * Imports this machine's static busybox into the engine as a toolbox image. Undefined where this machine has none, or the
 * engine another architecture. Rejects with EngineError.
 */
export async function importStaticToolbox(
  options: Pick<ToolboxOptions, "connection" | "env" | "signal">,
): Promise<ImageInfo | undefined> {
  const { connection, env, signal } = options;
  const kit = await localKit(env);
  if (kit === undefined) return undefined;
  const { Arch } = await connection.json<{ Arch: string }>("GET", "/version");
  if (architectures[process.arch] !== Arch) return undefined;
  await importImage(connection, await imageOf(kit), {
    name: staticToolboxImage,
    changes: [
      `LABEL dev.dfdebug.toolbox=1 ${kitLabel}=${toolboxKit}`,
      "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      'CMD ["/bin/sh"]',
    ],
    signal,
  });
  return findImage(connection, staticToolboxImage);
}

/** A root file system around the kit, as a tar archive. The kit is a few megabytes: it is held in memory. */
async function imageOf(kit: string): Promise<Duplex> {
  const { pack } = (await import("tar-stream")).default;
  const archive = pack();
  const folder = toolboxKit.slice(1);
  for (const [name, mode] of [
    [folder, 0o755],
    [`${folder}/bin`, 0o755],
    ["etc", 0o755],
    ["root", 0o700],
    ["tmp", 0o1777],
  ] as const)
    archive.entry({ name, type: "directory", mode });
  archive.entry({ name: "bin", type: "symlink", linkname: `${folder}/bin` });
  archive.entry({ name: "etc/passwd" }, "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n");
  archive.entry({ name: "etc/group" }, "root:x:0:\nnogroup:x:65534:\n");
  for (const name of await readdir(join(kit, "bin"))) {
    const path = join(kit, "bin", name);
    if (name === "busybox") archive.entry({ name: `${folder}/bin/${name}`, mode: 0o755 }, await readFile(path));
    else archive.entry({ name: `${folder}/bin/${name}`, type: "symlink", linkname: await readlink(path) });
  }
  archive.finalize();
  return Duplex.from(archive);
}
