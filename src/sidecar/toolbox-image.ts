import { Duplex } from "node:stream";
import { readFile, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { DockerConnection } from "../docker/connection.js";
import { findImage, importImage, platformOf, pullImage, type ImageInfo, type PullOptions } from "../docker/images.js";
import { DfdebugError, EngineError, errorMessage } from "../errors.js";
import { kitLabel, localKit, toolboxImage, toolboxKit } from "./toolbox.js";

/** The small toolbox, imported from a static busybox of this machine. */
export const staticToolboxImage = "dfdebug/toolbox:static";

/** A toolbox that a container can be made from. */
export interface ToolboxImage {
  readonly name: string;
  readonly id: string;
  /** The folder of static tools in it, with `bin`; `/` where the image as a whole is one, or says nothing. */
  readonly kit: string;
}

export interface ToolboxImageOptions {
  /** Asked for by name: used, pulled or refused, never replaced by another. */
  readonly image: string | undefined;
  readonly connection: DockerConnection;
  readonly env: NodeJS.ProcessEnv;
  /** The target's, for a pull. */
  readonly platform: () => Promise<string | undefined>;
  readonly credentials: PullOptions["credentials"];
  readonly onProgress?: PullOptions["onProgress"];
  readonly signal?: AbortSignal | undefined;
}

/**
 * The image that a sidecar is made from, best first: the one asked for (pulled where the engine has none), the full
 * toolbox, a small one imported from this machine's static busybox, a busybox image. Rejects with EngineError,
 * code TOOLBOX_MISSING.
 */
export async function resolveToolboxImage(options: ToolboxImageOptions): Promise<ToolboxImage> {
  const { connection, image } = options;
  if (image !== undefined) return found(image, (await findImage(connection, image)) ?? (await pull(image, options)));
  const [full, small] = await Promise.all(
    [toolboxImage, staticToolboxImage].map((name) => findImage(connection, name)),
  );
  if (full) return found(toolboxImage, full);
  if (small) return found(staticToolboxImage, small);
  const imported = await importStatic(options);
  if (imported) return found(staticToolboxImage, imported);
  for (const name of ["busybox:musl", "busybox:latest"]) {
    const busybox = await findImage(connection, name);
    if (busybox) return found(name, busybox);
  }
  throw new EngineError("There is no toolbox: the engine has no image of tools, and this machine no static busybox", {
    code: "TOOLBOX_MISSING",
    hint: "`dfdebug toolbox build` makes the full one; -i IMAGE takes any image with a shell, and pulls it.",
  });
}

function found(name: string, image: ImageInfo): ToolboxImage {
  return { name, id: image.Id, kit: image.Config?.Labels?.[kitLabel] ?? "/" };
}

async function pull(name: string, options: ToolboxImageOptions): Promise<ImageInfo> {
  const { connection, platform, credentials, onProgress, signal } = options;
  try {
    await pullImage(connection, name, { platform: await platform(), credentials, onProgress, signal });
  } catch (error) {
    if (error instanceof DfdebugError && error.code === "CANCELLED") throw error;
    throw new EngineError(
      `The toolbox image ${name} is not in the engine and could not be pulled: ${errorMessage(error)}`,
      {
        code: "TOOLBOX_MISSING",
        cause: error,
        hint: "`dfdebug toolbox build` makes one; without -i a static busybox is used.",
      },
    );
  }
  const image = await findImage(connection, name);
  if (image) return image;
  throw new EngineError(`The engine pulled ${name} and does not have it`, { code: "TOOLBOX_MISSING" });
}

/** Node's names of architectures as images name them. */
const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** Undefined where this machine has no static busybox, or the engine another architecture. */
async function importStatic(options: ToolboxImageOptions): Promise<ImageInfo | undefined> {
  const { connection, env, signal } = options;
  const kit = await localKit(env);
  if (kit === undefined) return undefined;
  const { Arch } = await connection.json<{ Arch: string }>("GET", "/version");
  if (architectures[process.arch] !== Arch) return undefined;
  const [repository = "", tag = ""] = staticToolboxImage.split(":");
  await importImage(connection, await imageOf(kit), {
    repository,
    tag,
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

/** `linux/amd64` of the image that a container was made from. */
export async function platformOfImage(connection: DockerConnection, image: string): Promise<string | undefined> {
  const info = await findImage(connection, image);
  return info && platformOf(info);
}
