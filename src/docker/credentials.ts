import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { log } from "../log.js";
import { configFolder } from "./endpoint.js";

export interface Credentials {
  /** Empty: the secret is an identity token. */
  readonly username: string;
  readonly secret: string;
  /** Where they are from, for people: a file's path or a helper's name. */
  readonly source: string;
}

/** There are none for a registry. */
export interface NoCredentials {
  readonly secret: undefined;
  /** What was looked at, for people: `/root/.docker/config.json has no entry for it`. */
  readonly reason: string;
}

/** Credentials for a registry's host name; asked when a registry wants some. */
export type CredentialLookup = (host: string) => Promise<Credentials | NoCredentials>;

interface AuthConfig {
  readonly auths?: Readonly<
    Record<string, { auth?: string; username?: string; password?: string; identitytoken?: string }>
  >;
  readonly credsStore?: string;
  readonly credHelpers?: Readonly<Record<string, string>>;
}

/** Docker Hub's key in config.json and in credential helpers. */
const dockerHub = "https://index.docker.io/v1/";

/** docker's registry credentials: config.json, credsStore and credHelpers. Read when a registry asks, kept nowhere. */
export class CredentialStore {
  private readonly env: NodeJS.ProcessEnv;

  constructor(options: { env: NodeJS.ProcessEnv }) {
    this.env = options.env;
  }

  /** Credentials for a registry's host name as BuildKit gives it. Never rejects: without any the registry is asked as nobody. */
  async lookup(host: string): Promise<Credentials | NoCredentials> {
    const path = join(configFolder(this.env), "config.json");
    const config = await readConfig(path);
    if (typeof config === "string") return { secret: undefined, reason: config };
    const key =
      host === "registry-1.docker.io" || host === "docker.io" || host === "index.docker.io" ? dockerHub : host;
    const helper = config.credHelpers?.[key] ?? config.credHelpers?.[host] ?? config.credsStore;
    const asked = helper ? await this.ask(helper, key) : undefined;
    if (asked?.secret !== undefined) return asked;
    for (const [name, auth] of Object.entries(config.auths ?? {})) {
      if (name !== key && hostOf(name) !== hostOf(key)) continue;
      // docker's convention: an identity token is a secret without a user.
      if (auth.identitytoken) return { username: "", secret: auth.identitytoken, source: path };
      const decoded = auth.auth ? Buffer.from(auth.auth, "base64").toString("utf8") : "";
      const colon = decoded.indexOf(":");
      if (colon > 0) {
        const secret = decoded.slice(colon + 1).replace(/\0+$/, "");
        return { username: decoded.slice(0, colon), secret, source: path };
      }
      if (auth.username && auth.password) return { username: auth.username, secret: auth.password, source: path };
    }
    return asked ?? { secret: undefined, reason: `${path} has no entry for it` };
  }

  /** docker-credential-helpers' protocol: the key on standard input, JSON on standard output; what fails is not repeated, it may be a secret. */
  private async ask(helper: string, key: string): Promise<Credentials | NoCredentials> {
    const { spawn } = await import("node:child_process");
    const source = `docker-credential-${helper}`;
    return new Promise((resolve) => {
      const none = (what: string): void => {
        log("docker", "credential helper", { helper, what });
        resolve({ secret: undefined, reason: `${source} ${what}` });
      };
      const child = spawn(source, ["get"], { stdio: ["pipe", "pipe", "ignore"], env: this.env });
      let output = "";
      child.stdout.setEncoding("utf8");
      child.stdout.on("data", (text: string) => {
        output += text;
      });
      child.once("error", (error: NodeJS.ErrnoException) => {
        none(error.code === "ENOENT" ? "is configured but not on PATH" : `could not be started: ${error.message}`);
      });
      child.once("close", (code) => {
        // The protocol's own words for "none"; any other failure is one of the helper.
        if (code !== 0 && /credentials not found/i.test(output)) none("has none for it");
        else if (code !== 0) none(`failed with exit code ${String(code)}`);
        else {
          const answer = parseAnswer(output);
          if (!answer?.Secret) none(answer ? "has none for it" : "answered something that is no JSON");
          else {
            const username = answer.Username === "<token>" ? "" : (answer.Username ?? "");
            resolve({ username, secret: answer.Secret, source });
          }
        }
      });
      child.stdin.on("error", () => undefined);
      child.stdin.end(key);
    });
  }
}

/** docker's configuration; a text says why there is none. */
async function readConfig(path: string): Promise<AuthConfig | string> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as AuthConfig;
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    return missing ? `there is no ${path}` : `${path} cannot be read`;
  }
}

function parseAnswer(output: string): { Username?: string; Secret?: string } | undefined {
  try {
    return JSON.parse(output) as { Username?: string; Secret?: string };
  } catch {
    return undefined;
  }
}

/** The host of a key in auths, which people write with and without scheme and path. */
function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}
