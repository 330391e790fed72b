import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort, installed, ServerProcess } from "./servers.js";

/** Debian's docker-registry on the loopback; every request needs the user `tester` and the secret. */
export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`, as in image names and config.json. */
  readonly host: string;
}

export const registryUser = "tester";
export const registrySecret = "registry-test-secret";
/** bcrypt of the secret, cost 4: the only kind the registry takes. */
const hash = "$2b$04$7HvCnHN4BmXddTNHBg9UQe7UE1p/FhydZ3yWtoGjaIvRQcw76aOry";

/** `folder` gets its configuration and its images. */
export async function startRegistry(folder: string): Promise<TestRegistry> {
  const program = installed("/usr/bin/docker-registry", "docker-registry");
  const port = await freePort();
  const config = {
    version: "0.1",
    log: { level: "error", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, "images") } },
    http: { addr: `127.0.0.1:${String(port)}` },
    auth: { htpasswd: { realm: "dfdebug-test", path: join(folder, "htpasswd") } },
  };
  writeFileSync(join(folder, "htpasswd"), `${registryUser}:${hash}\n`);
  // JSON is YAML.
  writeFileSync(join(folder, "registry.yml"), JSON.stringify(config));
  const server = await ServerProcess.listen(port, program, ["serve", join(folder, "registry.yml")]);
  return {
    host: `127.0.0.1:${String(port)}`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
