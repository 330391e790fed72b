import type { DockerConnection } from "../docker/connection.js";
import type { PullOptions } from "../docker/image-transfer.js";
import { findImage, type ImageInfo } from "../docker/images.js";
import type { ToolboxSource } from "../engine/engine.js";
import { DfdebugError, EngineError, errorMessage } from "../errors.js";

/** The small toolbox, imported from a static busybox of this machine. */
export const staticToolboxImage = "dfdebug/toolbox:static";

/** The full toolbox's image name, and the folder in it that becomes /.dfdebug. */
export const toolboxImage = "dfdebug/toolbox:latest";
export const toolboxKit = "/dfdebug";
/** Toolbox images say with this label where their kit is; any other image is a bag of tools as a whole. */
export const kitLabel = "dev.dfdebug.toolbox.kit";

/** Images that hold a static busybox wherever they come from. */
const busyboxImages = ["busybox:musl", "busybox:latest"];

/** A toolbox that a container can be made from. */
export interface ToolboxImage {
  readonly name: string;
  readonly id: string;
  /** The folder of static tools in it, with `bin`; `/` where the image as a whole is one, or says nothing. */
  readonly kit: string;
}

export interface ToolboxOptions {
  /** Asked for by name: used, pulled or refused, never replaced by another. */
  readonly image: string | undefined;
  readonly connection: DockerConnection;
  readonly env: NodeJS.ProcessEnv;
  /** The platform to pull for; undefined: the engine's own. */
  readonly platform: () => Promise<string | undefined>;
  readonly credentials: PullOptions["credentials"];
  readonly onProgress?: PullOptions["onProgress"];
  readonly signal?: AbortSignal | undefined;
}

/**
 * What a build mounts at /.dfdebug, best first: the image asked for, the full toolbox in the engine, a static busybox of
 * this machine as a folder, a busybox image in the engine; else the reason why there is none. Rejects with EngineError
 * only where an image was asked for and is not in the engine and cannot be pulled.
 */
export async function resolveToolbox(options: ToolboxOptions): Promise<ToolboxSource> {
  const best = options.image === undefined ? await fullToolbox(options) : await namedToolbox(options, options.image);
  if (best) return { kind: "image", name: best.name, kit: best.kit };
  const { localKit } = await import("./local-kit.js");
  const path = await localKit(options.env);
  if (path !== undefined) return { kind: "directory", path };
  const busybox = await busyboxToolbox(options);
  if (busybox) return { kind: "image", name: busybox.name, kit: busybox.kit };
  return {
    kind: "none",
    reason: "there is no toolbox image in the engine and no static busybox on this machine",
    hint: "`dfdebug toolbox build` makes the full toolbox; on Debian, apt-get install busybox-static is enough for a small one.",
  };
}

/**
 * What a sidecar is made from, by the same order; the static busybox as an image that is imported once. Rejects with
 * EngineError, code TOOLBOX_MISSING.
 */
export async function resolveToolboxImage(options: ToolboxOptions): Promise<ToolboxImage> {
  if (options.image !== undefined) return namedToolbox(options, options.image);
  const [full, small] = await Promise.all([fullToolbox(options), findToolbox(options, staticToolboxImage)]);
  if (full ?? small) return (full ?? small) as ToolboxImage;
  const { importStaticToolbox } = await import("./static-toolbox.js");
  const imported = await importStaticToolbox(options);
  if (imported) return toolboxOf(staticToolboxImage, imported);
  const busybox = await busyboxToolbox(options);
  if (busybox) return busybox;
  throw new EngineError("There is no toolbox: the engine has no image of tools, and this machine no static busybox", {
    code: "TOOLBOX_MISSING",
    hint: "`dfdebug toolbox build` makes the full one; -i IMAGE takes any image with a shell, and pulls it.",
  });
}

function toolboxOf(name: string, image: ImageInfo): ToolboxImage {
  return { name, id: image.Id, kit: image.Config?.Labels?.[kitLabel] ?? "/" };
}

async function findToolbox({ connection }: ToolboxOptions, name: string): Promise<ToolboxImage | undefined> {
  const image = await findImage(connection, name);
  return image && toolboxOf(name, image);
}

function fullToolbox(options: ToolboxOptions): Promise<ToolboxImage | undefined> {
  return findToolbox(options, toolboxImage);
}

async function busyboxToolbox(options: ToolboxOptions): Promise<ToolboxImage | undefined> {
  for (const name of busyboxImages) {
    const found = await findToolbox(options, name);
    if (found) return found;
  }
  return undefined;
}

/** The engine's own where it has one, else pulled. */
async function namedToolbox(options: ToolboxOptions, name: string): Promise<ToolboxImage> {
  const local = await findToolbox(options, name);
  if (local) return local;
  const { connection, platform, credentials, onProgress, signal } = options;
  const { pullImage } = await import("../docker/image-transfer.js");
  try {
    await pullImage(connection, name, { platform: await platform(), credentials, onProgress, signal });
  } catch (error) {
    if (error instanceof DfdebugError && error.code === "CANCELLED") throw error;
    throw new EngineError(
      `The toolbox image ${name} is not in the engine and could not be pulled: ${errorMessage(error)}`,
      {
        code: "TOOLBOX_MISSING",
        cause: error,
        hint: "`dfdebug toolbox build` makes one; where none is asked for, a static busybox is used.",
      },
    );
  }
  const pulled = await findToolbox(options, name);
  if (pulled) return pulled;
  throw new EngineError(`The engine pulled ${name} and does not have it`, { code: "TOOLBOX_MISSING" });
}
