import { homedir } from "node:os";
import { isIP } from "node:net";
import { resolve } from "node:path";
import { UsageError } from "../errors.js";
import { contextName, parseImageReference } from "../dockerfile/image-reference.js";
import { parsePlatform } from "../dockerfile/platform.js";
import { hostGateway, type ExtraHost, type SecretSource, type SshSource } from "../engine/engine.js";

/** `dfdebug build`'s options as commander parses them. */
export interface BuildFlags {
  readonly file?: string;
  readonly target?: string;
  readonly buildArg: readonly string[];
  readonly buildContext: readonly string[];
  readonly platform?: string;
  readonly tag?: readonly string[];
  readonly secret?: readonly string[];
  readonly ssh?: readonly string[];
  readonly network?: string;
  /** False with --no-cache. */
  readonly cache?: boolean;
  /** --no-cache-filter. */
  readonly cacheFilter?: readonly string[];
  readonly pull?: boolean;
  readonly addHost?: readonly string[];
  readonly label?: readonly string[];
  readonly iidfile?: string;
  readonly metadataFile?: string;
  readonly quiet?: boolean;
  readonly progress?: "auto" | "tty" | "plain" | "json";
  readonly onFailure?: "shell" | "prompt" | "report";
  readonly exec?: readonly string[];
  readonly break?: readonly string[];
  readonly step?: boolean;
  /** -x: a file of debugger commands. */
  readonly commands?: string;
  readonly watch?: boolean;
  readonly keepSteps?: string | true;
  readonly toolbox?: string;
  readonly engine?: "auto" | "buildkit";
  readonly ignoreSyntax?: boolean;
}

/** `--build-arg NAME=VALUE`; without a value it is taken from the environment, and left out where it is not set there (docker's rule). */
export function parseBuildArgs(args: readonly string[], env: NodeJS.ProcessEnv): Map<string, string> {
  const parsed = new Map<string, string>();
  for (const arg of args) {
    const { name, value } = assignment(arg, "--build-arg");
    const resolved = value ?? env[name];
    if (resolved !== undefined) parsed.set(name, resolved);
  }
  return parsed;
}

/** `--label NAME=VALUE`; without a value the label is empty (docker's rule). */
export function parseLabels(labels: readonly string[]): Map<string, string> {
  return new Map(
    labels.map((label) => {
      const { name, value } = assignment(label, "--label");
      return [name, value ?? ""] as const;
    }),
  );
}

/** `--build-context NAME=VALUE`, by the name under which BuildKit looks it up: an image's, as buildx reads it. */
export function parseBuildContexts(contexts: readonly string[], cwd: string): Map<string, string> {
  return new Map(
    contexts.map((context) => {
      const { name, value } = assignment(context, "--build-context");
      if (!value)
        throw new UsageError(`--build-context ${context}: expected NAME=FOLDER, NAME=docker-image://IMAGE or NAME=URL`);
      const remote = /^[a-z-]+:\/\//.test(value) || /^(git@|target:)/.test(value);
      if (!parseImageReference(name))
        throw new UsageError(`--build-context ${context}: invalid context name ${name}`, {
          hint: /[A-Z]/.test(name)
            ? "Write it in lower case: so are the names of images, and those of stages to the engine."
            : "It is a stage's name, or an image's: [REGISTRY/]NAME[:TAG].",
        });
      return [contextName(name), remote ? value : resolve(cwd, value)] as const;
    }),
  );
}

/**
 * docker's --secret grammar: comma-separated id, src (or source), env and type; a bare NAME is id. Without src or env the
 * environment variable ID is used where it is set, else the file ID. A variable of env that is not set is an empty secret.
 */
export function parseSecret(spec: string, env: NodeJS.ProcessEnv, cwd: string): SecretSource {
  const fields = csvFields(spec, "--secret");
  const kind = fields.get("type");
  if (kind !== undefined && kind !== "file" && kind !== "env")
    throw new UsageError(`--secret ${spec}: type=${kind} is not known`, { hint: "It is type=file or type=env." });
  for (const key of fields.keys())
    if (!["id", "src", "source", "env", "type"].includes(key))
      throw new UsageError(`--secret: unknown field ${key}`, { hint: "The fields are id, src, env and type." });
  const file = fields.get("src") ?? fields.get("source");
  const id = fields.get("id");
  if (!id)
    throw new UsageError("--secret needs id=NAME", {
      hint: "--secret id=NAME,src=FILE or --secret id=NAME,env=VARIABLE.",
    });
  const variable = fields.get("env") ?? (kind === "env" ? file : undefined);
  if (variable !== undefined) return { id, source: { env: variable } };
  if (file === undefined && kind !== "file" && env[id] !== undefined) return { id, source: { env: id } };
  if (kind === "env")
    throw new UsageError(`--secret id=${id}: the environment variable ${id} is not set`, { code: "SECRET_MISSING" });
  return { id, source: { file: resolve(cwd, expandHome(file ?? id)) } };
}

/** docker's --ssh grammar: `default` or `ID[=PATH[,PATH]]`. */
export function parseSsh(spec: string, env: NodeJS.ProcessEnv, cwd: string): SshSource {
  const [id = "", ...rest] = spec.split("=");
  const paths = rest
    .join("=")
    .split(",")
    .filter((path) => path !== "");
  if (id === "") throw new UsageError(`--ssh ${spec}: expected default or ID[=SOCKET|KEY]`);
  if (paths.length === 0 && !env["SSH_AUTH_SOCK"])
    throw new UsageError(`--ssh ${spec}: there is no SSH agent: SSH_AUTH_SOCK is not set`, {
      hint: 'Start one with eval "$(ssh-agent)" and add a key with ssh-add, or name a key: --ssh default=~/.ssh/id_ed25519.',
    });
  return { id, paths: paths.map((path) => resolve(cwd, expandHome(path))) };
}

/**
 * `--add-host HOST=IP` or `HOST:IP` as buildx reads them: several addresses have commas between them, and an IPv6 one may
 * stand in brackets.
 */
export function parseAddHosts(entries: readonly string[]): ExtraHost[] {
  return entries.flatMap((entry) => {
    const [, host = "", written = ""] = /^([^=]*)=(.*)$/.exec(entry) ?? /^([^:]*):(.*)$/.exec(entry) ?? [];
    if (!/^[^\s,="]+$/.test(host) || written === "")
      throw new UsageError(`--add-host ${entry}: expected HOST:IP`, { hint: "For example --add-host db:10.0.0.5." });
    if (written === hostGateway) return [{ host, address: hostGateway }];
    return written.split(",").map((part) => {
      const address = part.replace(/^\[(.+)\]$/, "$1");
      // What names an interface of one machine means nothing on another.
      if (isIP(address) === 0 || address.includes("%"))
        throw new UsageError(`--add-host ${entry}: ${part === "" ? "an empty text" : part} is not an IP address`, {
          hint: `For example --add-host ${host}:10.0.0.5, or ${host}:${hostGateway} for the engine's machine.`,
        });
      return { host, address };
    });
  });
}

/** `--platform`; undefined where the engine's own is meant, which is called `local` (buildx's word) or not at all. */
export function parsePlatformFlag(platform: string | undefined): string | undefined {
  if (platform === undefined || platform === "" || platform.toLowerCase() === "local") return undefined;
  const all = platform.split(",").map((one) => one.trim());
  for (const one of all)
    if (parsePlatform(one) === undefined)
      throw new UsageError(`--platform ${platform}: ${one === "" ? "an empty text" : one} is not a platform`, {
        hint: "It is OS[/ARCHITECTURE[/VARIANT]], as in linux/arm64 or linux/arm/v7.",
      });
  if (all.length > 1)
    throw new UsageError(`--platform ${platform}: dfdebug builds one platform at a time`, {
      code: "MULTI_PLATFORM",
      hint: `Choose one: --platform ${all[0] ?? ""}.`,
    });
  return all[0];
}

/** `--tag` values, checked the way the registry's reference grammar does (distribution/reference). */
export function parseTags(tags: readonly string[]): string[] {
  for (const tag of tags) {
    const reference = parseImageReference(tag);
    if (!reference || reference.digest !== undefined)
      throw new UsageError(`-t ${tag}: not a valid image name`, {
        hint: /[A-Z]/.test(tag) ? "Image names are lower-case." : "It is [REGISTRY/]NAME[:TAG].",
      });
  }
  return [...tags];
}

function assignment(text: string, flag: string): { name: string; value: string | undefined } {
  const at = text.indexOf("=");
  const name = at < 0 ? text : text.slice(0, at);
  if (name === "") throw new UsageError(`${flag} ${text}: expected NAME=VALUE`);
  return { name, value: at < 0 ? undefined : text.slice(at + 1) };
}

/** `a=b,"c=d,e"`: docker's flags are one CSV record. */
function csvFields(spec: string, flag: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const match of spec.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)) {
    const field = match[1]?.replaceAll('""', '"') ?? match[2] ?? "";
    if (field === "") continue;
    const { name, value } = assignment(field, flag);
    if (value === undefined && !fields.has("id")) fields.set("id", name);
    else fields.set(name.toLowerCase(), value ?? "");
  }
  return fields;
}

function expandHome(path: string): string {
  return path === "~" || path.startsWith("~/") ? homedir() + path.slice(1) : path;
}
