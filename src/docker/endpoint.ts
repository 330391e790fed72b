import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { UsageError, errorMessage } from "../errors.js";

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
  | SshTarget;

export interface SshTarget {
  readonly kind: "ssh";
  /** `[USER@]HOST` */
  readonly destination: string;
  readonly args: readonly string[];
  /** The engine's socket over there; undefined: the one that docker finds there. */
  readonly remoteSocket: string | undefined;
}

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
  /** Where to look last; undefined: socketCandidates. */
  readonly sockets?: readonly SocketCandidate[];
}

/** A socket that some engine listens on, if it is there, and whose it is. */
export interface SocketCandidate {
  readonly path: string;
  readonly name: string;
}

const defaultSocket = "/var/run/docker.sock";

/** Finds the engine as docker's CLI does: -H, DOCKER_HOST, the context, the default socket; then other engines' sockets. Rejects with UsageError for a bad value. */
export async function resolveEndpoint(options: EndpointOptions): Promise<DockerEndpoint> {
  const { env } = options;
  if (options.host !== undefined && options.context !== undefined)
    throw new UsageError("--host and --context exclude each other");
  if (options.host !== undefined) return parseHost(options.host, "--host", env, []);
  // The context "default" is what there is without contexts, DOCKER_HOST included.
  const asked = options.context === "default" ? undefined : options.context;
  if (asked === undefined && env["DOCKER_HOST"]) return parseHost(env["DOCKER_HOST"], "DOCKER_HOST", env, []);
  const tried: string[] = env["DOCKER_HOST"] ? [] : ["DOCKER_HOST: not set"];
  const chosen = chosenContext(options.context, env);
  if (chosen && chosen.name !== "default") return contextEndpoint(chosen.name, chosen.source, env, tried);
  tried.push('docker context: "default"');
  for (const { path, name } of options.sockets ?? socketCandidates(env)) {
    if (existsSync(path)) return { host: `unix://${path}`, target: { kind: "unix", path }, source: name, tried };
    tried.push(`${path} (${name}): there is no such socket`);
  }
  return {
    host: `unix://${defaultSocket}`,
    target: { kind: "unix", path: defaultSocket },
    source: "default socket",
    tried,
  };
}

/** The context by docker's precedence: the flag, DOCKER_CONTEXT, config.json; an empty one counts as not set. */
function chosenContext(flag: string | undefined, env: NodeJS.ProcessEnv): { name: string; source: string } | undefined {
  if (flag !== undefined) return { name: flag, source: "--context" };
  const variable = env["DOCKER_CONTEXT"];
  if (variable) return { name: variable, source: "DOCKER_CONTEXT" };
  const { currentContext } = readConfig(env);
  return currentContext ? { name: currentContext, source: "docker's config.json" } : undefined;
}

/** Sockets that engines listen on, the default one first. */
export function socketCandidates(env: NodeJS.ProcessEnv): SocketCandidate[] {
  const home = env["HOME"] ?? homedir();
  const runtime = env["XDG_RUNTIME_DIR"];
  return [
    { path: defaultSocket, name: "default socket" },
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

/** docker's host strings: unix://, tcp://, http(s)://, ssh://. `tls` is asked for only where the host is a TCP one. */
function parseHost(
  host: string,
  source: string,
  env: NodeJS.ProcessEnv,
  tried: readonly string[],
  tlsOf = (required: boolean): TlsMaterial | undefined => environmentTls(env, required),
): DockerEndpoint {
  const endpoint = (target: DialTarget): DockerEndpoint => ({ host, target, source, tried });
  if (host.startsWith("unix://"))
    return endpoint({ kind: "unix", path: host.slice("unix://".length) || defaultSocket });
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
    if (url.password || url.search || url.hash)
      throw new UsageError(`${source}: an ssh address is ssh://[USER@]HOST[:PORT][/SOCKET]`, {
        hint: "Passwords are ssh's to ask for or, better, a key's.",
      });
    const user = url.username ? `${decodeURIComponent(url.username)}@` : "";
    const path = decodeURIComponent(url.pathname);
    return endpoint({
      kind: "ssh",
      destination: user + hostname,
      args: url.port ? ["-p", url.port] : [],
      remoteSocket: path === "" || path === "/" ? undefined : path,
    });
  }
  if (!["tcp:", "http:", "https:"].includes(url.protocol))
    throw new UsageError(`${source}: ${url.protocol}// is not a way to reach an engine`, {
      hint: "It is unix://, tcp:// or ssh://.",
    });
  const tls = tlsOf(url.protocol === "https:");
  const port = url.port ? Number(url.port) : tls ? 2376 : 2375;
  // `tcp://` alone is this machine to docker.
  return endpoint({ kind: "tcp", hostname: hostname || "localhost", port, tls });
}

interface DockerConfig {
  readonly currentContext?: string;
}

/** ~/.docker, or DOCKER_CONFIG. */
export function configFolder(env: NodeJS.ProcessEnv): string {
  return env["DOCKER_CONFIG"] ?? join(env["HOME"] ?? homedir(), ".docker");
}

function readConfig(env: NodeJS.ProcessEnv): DockerConfig {
  const path = join(configFolder(env), "config.json");
  try {
    return JSON.parse(readFileSync(path, "utf8")) as DockerConfig;
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
  source: string,
  env: NodeJS.ProcessEnv,
  tried: readonly string[],
): Promise<DockerEndpoint> {
  const { createHash } = await import("node:crypto");
  const id = createHash("sha256").update(name).digest("hex");
  const folder = join(configFolder(env), "contexts");
  interface Meta {
    Endpoints?: { docker?: { Host?: string; SkipTLSVerify?: boolean } };
  }
  let meta: Meta;
  try {
    meta = JSON.parse(readFileSync(join(folder, "meta", id, "meta.json"), "utf8")) as Meta;
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new UsageError(
      missing
        ? `There is no docker context "${name}" (${source})`
        : `The docker context "${name}" (${source}) cannot be read: ${errorMessage(error)}`,
      { code: "CONTEXT_UNKNOWN", cause: error, hint: "`docker context ls` lists them." },
    );
  }
  const docker = meta.Endpoints?.docker;
  if (!docker?.Host)
    throw new UsageError(`The docker context "${name}" has no docker endpoint`, { code: "CONTEXT_UNKNOWN" });
  const tlsFolder = join(folder, "tls", id, "docker");
  const verify = docker.SkipTLSVerify !== true;
  // A context brings its own TLS files: those of the environment are for DOCKER_HOST.
  return parseHost(docker.Host, `context "${name}"`, env, tried, (required) =>
    existsSync(tlsFolder) || !verify || required ? readTls(tlsFolder, verify) : undefined,
  );
}

function environmentTls(env: NodeJS.ProcessEnv, required: boolean): TlsMaterial | undefined {
  const verify = env["DOCKER_TLS_VERIFY"];
  if (!verify && !env["DOCKER_TLS"] && !required) return undefined;
  const folder = env["DOCKER_CERT_PATH"];
  if (folder && !existsSync(folder))
    throw new UsageError(`DOCKER_CERT_PATH: there is no folder ${folder}`, {
      code: "ENGINE_TLS",
      hint: "It holds ca.pem, cert.pem and key.pem.",
    });
  return readTls(folder ? folder : configFolder(env), Boolean(verify) || required);
}

/** Files that are not there are not used, as with docker: an engine may ask for none. */
function readTls(folder: string, verify: boolean): TlsMaterial {
  const read = (name: string): Buffer | undefined => {
    const path = join(folder, name);
    try {
      return readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new UsageError(`${path} cannot be read: ${errorMessage(error)}`, { code: "ENGINE_TLS", cause: error });
    }
  };
  const [ca, cert, key] = [read("ca.pem"), read("cert.pem"), read("key.pem")];
  if ((cert === undefined) !== (key === undefined))
    throw new UsageError(
      `${folder}: ${cert ? "cert.pem is there, key.pem is not" : "key.pem is there, cert.pem is not"}`,
      {
        code: "ENGINE_TLS",
        hint: "A client certificate needs both.",
      },
    );
  return { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}), rejectUnauthorized: verify };
}
