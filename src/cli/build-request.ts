import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { parseDockerfile } from "../dockerfile/parse.js";
import type { BuildRequest, ContextSource, SshSource, ToolboxSource } from "../engine/engine.js";
import { UsageError, errorMessage } from "../errors.js";
import {
  parseAddHosts,
  parseBuildArgs,
  parseBuildContexts,
  parseLabels,
  parsePlatformFlag,
  parseSecret,
  parseSsh,
  parseTags,
  type BuildFlags,
} from "./build-flags.js";
import type { CliIo } from "./io.js";
import { readAll, readStandardInput } from "./build-input.js";

/** What the command line says to build, with the Dockerfile parsed where it is at hand. Rejects with UsageError and DockerfileError. */
export async function buildRequest(
  path: string,
  flags: BuildFlags,
  io: CliIo,
  toolbox: () => Promise<ToolboxSource>,
): Promise<BuildRequest> {
  const { env, cwd } = io;
  const platform = parsePlatformFlag(flags.platform);
  const input = await locate(path, flags.file, io);
  const ssh = (flags.ssh ?? []).map((spec) => parseSsh(spec, env, cwd));
  for (const source of ssh) await requireSsh(source, env);
  const secrets = (flags.secret ?? []).map((spec) => parseSecret(spec, env, cwd));
  for (const { id, source } of secrets)
    if ("file" in source) await requireSecretFile(id, source.file);
    else if (env[source.env] === undefined && !flags.quiet)
      io.stderr.write(`--secret id=${id}: the environment variable ${source.env} is not set, so the secret is empty\n`);
  const buildContexts = parseBuildContexts(flags.buildContext, cwd);
  for (const [name, value] of buildContexts)
    if (value.startsWith("/")) await requireFolder(value, `--build-context ${name}`);
  return {
    ...input,
    target: flags.target,
    buildArgs: parseBuildArgs(flags.buildArg, env),
    buildContexts,
    secrets,
    ssh,
    platform,
    network: flags.network,
    noCache: flags.cache === false,
    noCacheFilter: (flags.cacheFilter ?? []).flatMap((stages) => stages.split(",")),
    pull: flags.pull === true,
    addHosts: parseAddHosts(flags.addHost ?? []),
    labels: parseLabels(flags.label ?? []),
    names: parseTags(flags.tag ?? []),
    ignoreSyntax: flags.ignoreSyntax === true,
    toolbox,
  };
}

type Located = Pick<BuildRequest, "context" | "dockerfile" | "dockerfileName" | "dockerfilePath" | "dockerignore">;

/** Finds context and Dockerfile by docker build's rules. */
export async function locate(
  path: string,
  file: string | undefined,
  io: Pick<CliIo, "cwd" | "stdin">,
): Promise<Located> {
  if (path === "-") {
    if (file === "-") throw new UsageError("Standard input cannot be both the context and the Dockerfile");
    const { context, text } = await readStandardInput(io.stdin);
    if (text === undefined) return { context, dockerfile: undefined, dockerfileName: file ?? "Dockerfile", ...noFile };
    return { context, dockerfile: parseDockerfile(text, { file: "-" }), dockerfileName: "Dockerfile", ...noFile };
  }
  if (isRemoteContext(path)) {
    if (file !== undefined && file !== "-")
      return {
        context: { kind: "remote", url: path },
        dockerfile: undefined,
        dockerfileName: file,
        ...noFile,
      };
    const dockerfile = file === "-" ? parseDockerfile(await readAll(io.stdin), { file: "Dockerfile" }) : undefined;
    return {
      ...noFile,
      context: { kind: "remote", url: path },
      dockerfile,
      dockerfileName: "Dockerfile",
      ...noFile,
    };
  }
  const folder = resolve(io.cwd, path);
  await requireFolder(folder, "The build context");
  const context: ContextSource = { kind: "directory", path: folder };
  // Asked for by the engine, to which a file that cannot be read is none: everything would be sent.
  await readOptional(join(folder, ".dockerignore"));
  if (file === "-") {
    const dockerfile = parseDockerfile(await readAll(io.stdin), { file: "-" });
    return { context, dockerfile, dockerfileName: "Dockerfile", ...noFile };
  }
  const dockerfilePath = await findDockerfile(folder, file, io.cwd);
  const shown = shownPath(dockerfilePath, folder, file);
  const dockerfile = parseDockerfile(await readDockerfile(dockerfilePath), { file: shown });
  // `-f <(command)` is a pipe: it can be read once and is no file to write a fix to.
  if ((await kindOf(dockerfilePath)) !== "file")
    return { context, dockerfile, dockerfileName: "Dockerfile", ...noFile };
  const dockerignore = await readOptional(`${dockerfilePath}.dockerignore`);
  return { context, dockerfile, dockerfileName: basename(dockerfilePath), dockerfilePath, dockerignore };
}

/** A Dockerfile that is no file of this machine. */
const noFile = { dockerfilePath: undefined, dockerignore: undefined } as const;

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new UsageError(code === "EISDIR" ? `${path} is a folder` : `${path} cannot be read: ${errorMessage(error)}`, {
      code: "IGNORE_FILE_UNREADABLE",
      cause: error,
      hint: "Remove it, or make it a file that you can read: with it as it is, nothing would be left out of the context.",
    });
  }
}

async function readDockerfile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new UsageError(`The Dockerfile cannot be read: ${errorMessage(error)}`, {
      code: "DOCKERFILE_MISSING",
      cause: error,
      hint: "Check its owner and mode: ls -l.",
    });
  }
}

/** docker build's URLs: http(s), git, ssh, git@host and github.com/ without a scheme. */
function isRemoteContext(path: string): boolean {
  return /^(https?|git|ssh):\/\//.test(path) || /^git@[^:]+:/.test(path) || /^github\.com\//.test(path);
}

/** -f is relative to the working directory; without it the Dockerfile lies in the context (`dockerfile` is accepted as docker accepts it). */
async function findDockerfile(folder: string, file: string | undefined, cwd: string): Promise<string> {
  if (file !== undefined) {
    const path = resolve(cwd, file);
    const kind = await kindOf(path);
    if (kind === "file" || kind === "pipe") return path;
    if (kind === "folder") throw isFolder(file);
    const inContext = resolve(folder, file);
    throw new UsageError(`Dockerfile not found: ${file}`, {
      code: "DOCKERFILE_MISSING",
      hint: (await isFile(inContext))
        ? `-f is relative to the working directory, as in docker build: -f ${relative(cwd, inContext)}.`
        : `It was looked for at ${path}.`,
    });
  }
  for (const name of ["Dockerfile", "dockerfile"]) {
    const path = join(folder, name);
    const kind = await kindOf(path);
    if (kind === "file") return path;
    if (kind === "folder") throw isFolder(relative(cwd, path));
    if (kind === "pipe")
      throw new UsageError(`${relative(cwd, path)} is a pipe, not a Dockerfile`, {
        code: "DOCKERFILE_MISSING",
        hint: `To build what comes out of it, name it: -f ${relative(cwd, path)}.`,
      });
  }
  const others: string[] = [];
  for (const name of ["Containerfile", "docker/Dockerfile", "build/Dockerfile", ".docker/Dockerfile"])
    if (await isFile(join(folder, name))) others.push(relative(cwd, join(folder, name)));
  throw new UsageError(`There is no Dockerfile in ${folder}`, {
    code: "DOCKERFILE_MISSING",
    hint:
      others.length > 0
        ? `Did you mean -f ${others.join(" or -f ")}?`
        : "Name it with -f FILE, or build another folder.",
  });
}

function shownPath(path: string, folder: string, file: string | undefined): string {
  return file ?? (dirname(path) === folder ? basename(path) : path);
}

function isFolder(path: string): UsageError {
  return new UsageError(`${path} is a folder, not a Dockerfile`, {
    code: "DOCKERFILE_MISSING",
    hint: "Name the file with -f FILE. A folder of that name is what a mount of a missing file leaves.",
  });
}

/** Undefined: nothing there, or nothing that can be read as a text. */
async function kindOf(path: string): Promise<"file" | "folder" | "pipe" | undefined> {
  try {
    const found = await stat(path);
    if (found.isFile()) return "file";
    if (found.isDirectory()) return "folder";
    return found.isFIFO() || found.isCharacterDevice() ? "pipe" : undefined;
  } catch {
    return undefined;
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await kindOf(path)) === "file";
}

async function requireFolder(path: string, what: string): Promise<void> {
  try {
    if ((await stat(path)).isDirectory()) return;
  } catch (error) {
    throw new UsageError(`${what}: ${path} does not exist`, {
      code: "CONTEXT_MISSING",
      cause: error,
      hint: "It is a folder, a git or http URL, or - for standard input.",
    });
  }
  throw new UsageError(`${what}: ${path} is not a folder`, {
    code: "CONTEXT_MISSING",
    hint: "Give the folder and name the Dockerfile with -f.",
  });
}

async function requireSsh(source: SshSource, env: NodeJS.ProcessEnv): Promise<void> {
  const { checkSshSource } = await import("../engine/buildkit/session/ssh.js");
  try {
    await checkSshSource(source, env);
  } catch (error) {
    const from = source.paths.length === 0 ? " ($SSH_AUTH_SOCK)" : `=${source.paths.join(",")}`;
    throw new UsageError(`--ssh ${source.id}${from}: ${errorMessage(error)}`, { code: "SSH_MISSING", cause: error });
  }
}

async function requireSecretFile(id: string, path: string): Promise<void> {
  if (await isFile(path)) return;
  throw new UsageError(`--secret id=${id}: ${path} is not a file`, { code: "SECRET_MISSING" });
}
