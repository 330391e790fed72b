import type { Duplex } from "node:stream";
import { EngineError } from "../errors.js";
import type { DockerConnection } from "./connection.js";
import type { CredentialLookup } from "./credentials.js";
import { jsonLines } from "./json-lines.js";

/** A layer's way from the registry: bytes, where the engine tells. */
export interface PullProgress {
  readonly layer: string;
  readonly status: string;
  readonly current: number;
  readonly total: number;
}

export interface PullOptions {
  /** `linux/arm64/v8`; undefined: the engine's own. */
  readonly platform: string | undefined;
  /** Asked once. */
  readonly credentials: CredentialLookup;
  readonly onProgress?: ((progress: PullProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Pulls an image by tag or digest (`latest` where neither is given). Rejects with EngineError, code IMAGE_PULL. */
export async function pullImage(connection: DockerConnection, name: string, options: PullOptions): Promise<void> {
  const tagged = /[:@][^/]*$/.test(name) ? name : `${name}:latest`;
  const auth = await options.credentials(registryOf(tagged));
  // The Engine API's own form (X-Registry-Auth): an identity token is a secret without a user.
  const config =
    auth.secret === undefined
      ? undefined
      : auth.username === ""
        ? { identitytoken: auth.secret }
        : { username: auth.username, password: auth.secret };
  const response = await connection.stream("POST", "/images/create", {
    query: { fromImage: tagged, platform: options.platform },
    ...(config ? { headers: { "X-Registry-Auth": authHeader(config) } } : {}),
    signal: options.signal,
  });
  for await (const message of jsonLines<PullMessage>(response)) {
    if (message.errorDetail ?? message.error)
      throw new EngineError(message.errorDetail?.message ?? message.error ?? "", { code: "IMAGE_PULL" });
    if (message.id !== undefined)
      options.onProgress?.({
        layer: message.id,
        status: message.status ?? "",
        current: message.progressDetail?.current ?? 0,
        total: message.progressDetail?.total ?? 0,
      });
  }
}

/** base64url with its padding: the engine takes anything else for no credentials, without a word. */
function authHeader(config: object): string {
  return Buffer.from(JSON.stringify(config)).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

interface PullMessage {
  readonly id?: string;
  readonly status?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  readonly error?: string;
  readonly errorDetail?: { readonly message?: string };
}

/** The registry of a reference as docker reads it (distribution/reference): a first part with a dot, a colon, or `localhost`. */
function registryOf(name: string): string {
  const [first = "", ...rest] = name.split("/");
  return rest.length > 0 && (/[.:]/.test(first) || first === "localhost") ? first : "docker.io";
}

/** Makes an image of one layer from a tar archive. `changes`: Dockerfile instructions for its configuration. Rejects with EngineError. */
export async function importImage(
  connection: DockerConnection,
  archive: Duplex,
  options: { name: string; changes: readonly string[]; signal?: AbortSignal | undefined },
): Promise<void> {
  const changes = options.changes.map((change) => `&changes=${encodeURIComponent(change)}`).join("");
  // With its tag in the name: Podman does not read the parameter for it.
  const query = `fromSrc=-&repo=${encodeURIComponent(options.name)}${changes}`;
  const response = await connection.stream("POST", `/images/create?${query}`, {
    body: archive,
    headers: { "Content-Type": "application/x-tar" },
    signal: options.signal,
  });
  for await (const message of jsonLines<PullMessage>(response))
    if (message.error !== undefined) throw new EngineError(message.error, { code: "ENGINE_REFUSED" });
}
