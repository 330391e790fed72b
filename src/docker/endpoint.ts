import { createHash } from "node:crypto";
import { access, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../errors.js";

/** TLS material, read from files. */
export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly rejectUnauthorized: boolean;
}

export type DialTarget =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly hostname: string; readonly port: number; readonly tls: TlsMaterial | undefined }
  | { readonly kind: "ssh"; readonly destination: string; readonly args: readonly string[] };

/** Where an engine is, and how that was found out. */
export interface DockerEndpoint {
  readonly host: string;
  readonly target: DialTarget;
  /** For people: `DOCKER_HOST`, `context "colima"`, `default socket`. */
  readonly source: string;
  /** What was looked at before, each with why it does not apply. */
  readonly tried: readonly string[];
}

export interface EndpointOptions {
  readonly host?: string | undefined;
  readonly context?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/** Finds the engine as docker's CLI does: -H, DOCKER_HOST, the context, the default socket; then other engines' sockets. Rejects with UsageError for a bad value. */
export async function resolveEndpoint(options: EndpointOptions): Promise<DockerEndpoint> {
  const { env } = options;
  if (options.host !== undefined && options.context !== undefined)
    throw new UsageError("--host and --context exclude each other");
  if (options.host !== undefined) return parseHost(options.host, "--host", env, []);
  if (options.context === undefined && env["DOCKER_HOST"]) return parseHost(env["DOCKER_HOST"], "DOCKER_HOST", env, []);
  const config = await readConfig(env);
  const context = options.context ?? env["DOCKER_CONTEXT"] ?? config.currentContext;
  const tried: string[] = env["DOCKER_HOST"] ? [] : ["DOCKER_HOST: not set"];
  if (context && context !== "default") return contextEndpoint(context, env, tried);
  tried.push('docker context: "default"');
  const candidates = socketCandidates(env);
  for (const { path, name } of candidates) {
    if (await exists(path)) return { host: `unix://${path}`, target: { kind: "unix", path }, source: name, tried };
    tried.push(`${path} (${name}): there is no such socket`);
  }
  const path = "/var/run/docker.sock";
  return { host: `unix://${path}`, target: { kind: "unix", path }, source: "default socket", tried };
}

/** Sockets that engines listen on, the default one first. */
export function socketCandidates(env: NodeJS.ProcessEnv): { path: string; name: string }[] {
  const home = env["HOME"] ?? homedir();
  const runtime = env["XDG_RUNTIME_DIR"];
  return [
    { path: "/var/run/docker.sock", name: "default socket" },
    ...(runtime ? [{ path: join(runtime, "docker.sock"), name: "rootless engine" }] : []),
    { path: join(home, ".docker/run/docker.sock"), name: "Docker Desktop" },
    { path: join(home, ".docker/desktop/docker.sock"), name: "Docker Desktop for Linux" },
    { path: join(home, ".orbstack/run/docker.sock"), name: "OrbStack" },
    { path: join(home, ".colima/default/docker.sock"), name: "Colima" },
    { path: join(home, ".rd/docker.sock"), name: "Rancher Desktop" },
    ...(runtime ? [{ path: join(runtime, "podman/podman.sock"), name: "Podman" }] : []),
    { path: "/run/podman/podman.sock", name: "Podman (system)" },
  ];
}

/** docker's host strings: unix://, tcp://, http(s)://, ssh://. */
export async function parseHost(
  host: string,
  source: string,
  env: NodeJS.ProcessEnv,
  tried: readonly string[],
  contextTls?: TlsMaterial,
): Promise<DockerEndpoint> {
  const endpoint = (target: DialTarget): DockerEndpoint => ({ host, target, source, tried });
  if (host.startsWith("unix://")) return endpoint({ kind: "unix", path: host.slice("unix://".length) });
  if (host.startsWith("/")) return { ...endpoint({ kind: "unix", path: host }), host: `unix://${host}` };
  if (host.startsWith("npipe:"))
    throw new UsageError(`${source}: named pipes are not supported`, { hint: "Run dfdebug inside WSL 2." });
  let url: URL;
  try {
    url = new URL(host.includes("://") ? host : `tcp://${host}`);
  } catch (error) {
    throw new UsageError(`${source}: ${host} is not an engine's address`, {
      cause: error,
      hint: "For example unix:///var/run/docker.sock, tcp://10.0.0.5:2376 or ssh://me@host.",
    });
  }
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (url.protocol === "ssh:") {
    if (hostname === "" || hostname.startsWith("-") || url.username.startsWith("-"))
      throw new UsageError(`${source}: ${host} has no valid host name`);
    const user = url.username ? `${decodeURIComponent(url.username)}@` : "";
    return endpoint({ kind: "ssh", destination: user + hostname, args: url.port ? ["-p", url.port] : [] });
  }
  if (!["tcp:", "http:", "https:"].includes(url.protocol))
    throw new UsageError(`${source}: ${url.protocol}// is not a way to reach an engine`, {
      hint: "It is unix://, tcp:// or ssh://.",
    });
  const tls = contextTls ?? (await environmentTls(env, url.protocol === "https:"));
  const port = url.port ? Number(url.port) : tls ? 2376 : 2375;
  return endpoint({ kind: "tcp", hostname, port, tls });
}

interface DockerConfig {
  readonly currentContext?: string;
}

/** ~/.docker, or DOCKER_CONFIG. */
export function configFolder(env: NodeJS.ProcessEnv): string {
  return env["DOCKER_CONFIG"] ?? join(env["HOME"] ?? homedir(), ".docker");
}

async function readConfig(env: NodeJS.ProcessEnv): Promise<DockerConfig> {
  const path = join(configFolder(env), "config.json");
  try {
    return JSON.parse(await readFile(path, "utf8")) as DockerConfig;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw new UsageError(`${path} cannot be read`, {
      code: "DOCKER_CONFIG",
      cause: error,
      hint: "It is docker's own configuration, JSON.",
    });
  }
}

/** A context of docker's store: meta/<sha256 of the name>/meta.json, TLS files in tls/<the same>/docker. */
async function contextEndpoint(
  name: string,
  env: NodeJS.ProcessEnv,
  tried: readonly string[],
): Promise<DockerEndpoint> {
  const id = createHash("sha256").update(name).digest("hex");
  const folder = join(configFolder(env), "contexts");
  interface Meta {
    Endpoints?: { docker?: { Host?: string; SkipTLSVerify?: boolean } };
  }
  let meta: Meta;
  try {
    meta = JSON.parse(await readFile(join(folder, "meta", id, "meta.json"), "utf8")) as Meta;
  } catch (error) {
    throw new UsageError(`There is no docker context "${name}"`, {
      code: "CONTEXT_UNKNOWN",
      cause: error,
      hint: "docker context ls lists them.",
    });
  }
  const docker = meta.Endpoints?.docker;
  if (!docker?.Host) throw new UsageError(`The docker context "${name}" has no docker endpoint`);
  const tlsFolder = join(folder, "tls", id, "docker");
  const tls = (await exists(tlsFolder)) ? await readTls(tlsFolder, docker.SkipTLSVerify !== true) : undefined;
  return parseHost(docker.Host, `context "${name}"`, env, tried, tls);
}

async function environmentTls(env: NodeJS.ProcessEnv, required: boolean): Promise<TlsMaterial | undefined> {
  const verify = env["DOCKER_TLS_VERIFY"];
  if (!verify && !env["DOCKER_TLS"] && !required) return undefined;
  return readTls(env["DOCKER_CERT_PATH"] ?? configFolder(env), Boolean(verify) || required);
}

async function readTls(folder: string, verify: boolean): Promise<TlsMaterial> {
  const read = async (name: string): Promise<Buffer | undefined> => {
    try {
      return await readFile(join(folder, name));
    } catch {
      return undefined;
    }
  };
  const [ca, cert, key] = await Promise.all([read("ca.pem"), read("cert.pem"), read("key.pem")]);
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}), rejectUnauthorized: verify };
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch {
    return false;
  }
}
