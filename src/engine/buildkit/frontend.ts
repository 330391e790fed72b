import type { BuildRequest } from "../engine.js";
import { UsageError } from "../../errors.js";

/** Names under which the session serves the build's own files; a second plan asks under new names, so that nothing stale is used. */
export interface LocalNames {
  readonly context: string;
  readonly dockerfile: string;
  /** The first plan of the build: later ones keep what this build has built, even with --no-cache. */
  readonly first: boolean;
}

/**
 * docker build's options as dockerfile.v0 takes them (names are BuildKit's: frontend/dockerui/config.go, attr.go).
 * `contextUrl` is set where the context is fetched by the engine (git, http, an archive on standard input);
 * `servesDockerfile` where the Dockerfile's text comes from the session, whatever lies in the context.
 */
export function frontendOptions(
  request: BuildRequest,
  names: LocalNames,
  contextUrl: string | undefined,
  servesDockerfile: boolean,
): Record<string, string> {
  const options: Record<string, string> = { filename: request.dockerfileName };
  if (contextUrl !== undefined) options["context"] = contextUrl;
  if (names.context !== "context") options["contextkey"] = names.context;
  if (servesDockerfile) options["dockerfilekey"] = names.dockerfile;
  if (request.target !== undefined) options["target"] = request.target;
  if (request.platform !== undefined) options["platform"] = request.platform;
  if (request.network !== undefined) options["force-network-mode"] = networkMode(request.network);
  if (names.first && request.noCache) options["no-cache"] = "";
  else if (names.first && request.noCacheFilter.length > 0) options["no-cache"] = request.noCacheFilter.join(",");
  if (request.pull) options["image-resolve-mode"] = "pull";
  if (request.addHosts.length > 0)
    options["add-hosts"] = request.addHosts.map(({ host, address }) => `${host}=${address}`).join(",");
  for (const [name, value] of request.buildArgs) options[`build-arg:${name}`] = value;
  for (const [name, value] of request.labels) options[`label:${name}`] = value;
  return options;
}

/** BuildKit knows host, none and its own sandbox; docker's other networks exist only for the classic builder. */
function networkMode(network: string): string {
  if (network === "host" || network === "none") return network;
  if (network === "default" || network === "bridge" || network === "sandbox") return "sandbox";
  throw new UsageError(`--network ${network} is not supported by BuildKit`, {
    hint: "BuildKit builds with --network default, none or host.",
  });
}
