import type { CredentialLookup, Credentials, NoCredentials } from "../../docker/credentials.js";
import type { ErrorDetails } from "../../errors.js";

/** Registries' refusals come through BuildKit as words under the code UNKNOWN. */
const refused =
  /401 Unauthorized|403 Forbidden|unauthorized: |authorization failed|insufficient_scope|access denied|no basic auth credentials/i;

/** The registries that wanted credentials in one build, and whose they got: for the message when they refuse. Keeps no secret. */
export class AskedRegistries {
  private readonly answers = new Map<string, string>();
  private readonly credentials: CredentialLookup;

  constructor(credentials: CredentialLookup) {
    this.credentials = credentials;
  }

  async lookup(host: string): Promise<Credentials | NoCredentials> {
    const found = await this.credentials(host);
    this.answers.set(host, whose(found));
    return found;
  }

  /** What to say where `error` is a registry's refusal; `words` is the same without the engine's wrapping. */
  refusal(error: string, words: string): (ErrorDetails & { message: string; host: string | undefined }) | undefined {
    if (!refused.test(error)) return undefined;
    const hosts = [...this.answers.keys()];
    const host = hosts.find((one) => error.includes(one)) ?? (hosts.length === 1 ? hosts[0] : undefined);
    const name = host === undefined ? undefined : shown(host);
    const login = `docker login${name === undefined ? " REGISTRY" : name === "docker.io" ? "" : ` ${name}`}`;
    const account = host === undefined ? undefined : this.answers.get(host);
    const who = name === undefined ? "A registry" : `The registry ${name}`;
    return {
      host,
      code: "REGISTRY_UNAUTHORIZED",
      message: `${who} refused to give the image${account === undefined ? "" : ` ${account}`}: ${words}`,
      hint: `Log in with \`${login}\`: dfdebug reads the same config.json and credential helpers. Check the image's name, too: registries answer so for an image that does not exist.`,
    };
  }
}

function whose(found: Credentials | NoCredentials): string {
  if (found.secret === undefined) return `without credentials (${found.reason})`;
  return `to ${found.username === "" ? "the identity token" : `the user "${found.username}"`} of ${found.source}`;
}

/** Docker Hub's registry as people name it. */
function shown(host: string): string {
  return host === "registry-1.docker.io" || host === "index.docker.io" ? "docker.io" : host;
}
