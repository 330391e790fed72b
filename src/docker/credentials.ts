import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { log } from "../log.js";
import { configFolder } from "./endpoint.js";

export interface Credentials {
  readonly username: string;
  readonly secret: string;
}

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

  /** Credentials for a registry's host name as BuildKit gives it; undefined: anonymous. */
  async lookup(host: string): Promise<Credentials | undefined> {
    const config = await this.config();
    const key =
      host === "registry-1.docker.io" || host === "docker.io" || host === "index.docker.io" ? dockerHub : host;
    const helper = config.credHelpers?.[key] ?? config.credHelpers?.[host] ?? config.credsStore;
    if (helper) {
      const found = await this.ask(helper, key);
      if (found) return found;
    }
    for (const [name, auth] of Object.entries(config.auths ?? {})) {
      if (name !== key && hostOf(name) !== hostOf(key)) continue;
      // docker's convention: an identity token is a secret without a user.
      if (auth.identitytoken) return { username: "", secret: auth.identitytoken };
      const decoded = auth.auth ? Buffer.from(auth.auth, "base64").toString("utf8") : "";
      const colon = decoded.indexOf(":");
      if (colon > 0) return { username: decoded.slice(0, colon), secret: decoded.slice(colon + 1).replace(/\0+$/, "") };
      if (auth.username && auth.password) return { username: auth.username, secret: auth.password };
    }
    return undefined;
  }

  private async config(): Promise<AuthConfig> {
    try {
      return JSON.parse(await readFile(join(configFolder(this.env), "config.json"), "utf8")) as AuthConfig;
    } catch {
      return {};
    }
  }

  /** docker-credential-helpers' protocol: the key on standard input, JSON on standard output. */
  private async ask(helper: string, key: string): Promise<Credentials | undefined> {
    const { spawn } = await import("node:child_process");
    return new Promise((resolve) => {
      const child = spawn(`docker-credential-${helper}`, ["get"], { stdio: ["pipe", "pipe", "ignore"], env: this.env });
      let output = "";
      child.stdout.setEncoding("utf8");
      child.stdout.on("data", (text: string) => {
        output += text;
      });
      child.once("error", (error: NodeJS.ErrnoException) => {
        log("docker", "credential helper", { helper, error: error.code ?? "" });
        resolve(undefined);
      });
      child.once("close", (code) => {
        if (code !== 0) {
          resolve(undefined);
          return;
        }
        try {
          const answer = JSON.parse(output) as { Username?: string; Secret?: string };
          const username = answer.Username === "<token>" ? "" : (answer.Username ?? "");
          resolve(answer.Secret ? { username, secret: answer.Secret } : undefined);
        } catch {
          resolve(undefined);
        }
      });
      child.stdin.on("error", () => undefined);
      child.stdin.end(key);
    });
  }
}

/** The host of a key in auths, which people write with and without scheme and path. */
function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}
