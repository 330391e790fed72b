import type { DockerConnection } from "./connection.js";
import { orUndefined } from "./absent.js";

/** An image as the engine describes it; only what dfdebug reads. */
export interface ImageInfo {
  readonly Id: string;
  readonly RepoTags?: readonly string[] | null;
  readonly Os?: string;
  readonly Architecture?: string;
  readonly Variant?: string;
  readonly Config?: {
    readonly Entrypoint?: readonly string[] | null;
    readonly Cmd?: readonly string[] | null;
    /** Undefined: the default one. */
    readonly Shell?: readonly string[];
    readonly User?: string;
    readonly WorkingDir?: string;
    readonly Env?: readonly string[] | null;
    readonly Labels?: Readonly<Record<string, string>> | null;
  } | null;
}

/** By name or id; undefined where the engine has none. Rejects with EngineError. */
export function findImage(connection: DockerConnection, name: string): Promise<ImageInfo | undefined> {
  return orUndefined(connection.json<ImageInfo>("GET", `/images/${encodeReference(name)}/json`));
}

/** Docker's names may hold slashes, which the API takes as they are. */
function encodeReference(name: string): string {
  return name.split("/").map(encodeURIComponent).join("/");
}

/** `linux/arm64/v8`, or undefined where the image does not say. */
export function platformOf(image: ImageInfo): string | undefined {
  if (!image.Os || !image.Architecture) return undefined;
  return [image.Os, image.Architecture, ...(image.Variant ? [image.Variant] : [])].join("/");
}

/** The platform of the image that a container was made from, as `platformOf`. */
export async function platformOfImage(connection: DockerConnection, image: string): Promise<string | undefined> {
  const info = await findImage(connection, image);
  return info && platformOf(info);
}

/** Removes an image that dfdebug made. Already gone is success. */
export async function removeImage(connection: DockerConnection, id: string): Promise<void> {
  await orUndefined(connection.json("DELETE", `/images/${encodeReference(id)}?force=1`));
}
