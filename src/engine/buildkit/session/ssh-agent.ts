import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { UsageError } from "../../../errors.js";
import { Lifetime } from "../../../lifetime.js";
import type { SshSource } from "../../engine.js";

const run = promisify(execFile);

/** The agents that `--ssh` names: sockets as they are, key files in an ssh-agent of their own that ends with the build. */
export class SshAgents implements AsyncDisposable {
  private readonly lifetime = new Lifetime();
  private readonly sockets = new Map<string, Promise<string>>();

  /** The socket for an entry. Rejects with UsageError. */
  socket(source: SshSource): Promise<string> {
    const known = this.sockets.get(source.id);
    if (known) return known;
    const socket = this.open(source);
    this.sockets.set(source.id, socket);
    return socket;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lifetime[Symbol.asyncDispose]();
  }

  private async open(source: SshSource): Promise<string> {
    const [first, ...rest] = source.paths;
    if (first === undefined) return process.env["SSH_AUTH_SOCK"] ?? "";
    if (rest.length === 0 && (await isSocket(first))) return first;
    for (const path of source.paths) {
      const head = (await readFile(path, "utf8")).slice(0, 200);
      if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(head))
        throw new UsageError(`--ssh ${source.id}: ${path} is neither an agent's socket nor a private key`);
    }
    return this.startAgent(source);
  }

  private async startAgent(source: SshSource): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "dfdebug-ssh-"));
    this.lifetime.defer(() => rm(folder, { recursive: true, force: true }));
    const socket = join(folder, "agent.sock");
    // In the foreground, so that it is a child that ends with us.
    const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
    const failed = new Promise<never>((_resolve, reject) => {
      agent.once("error", (error) => {
        reject(
          new UsageError("--ssh with a key file needs ssh-agent", { cause: error, hint: "Install openssh-client." }),
        );
      });
    });
    failed.catch(() => undefined);
    this.lifetime.defer(() => {
      agent.kill();
    });
    await Promise.race([failed, appears(socket)]);
    for (const path of source.paths) {
      try {
        await run("ssh-add", ["-q", path], {
          env: { ...process.env, SSH_AUTH_SOCK: socket, SSH_ASKPASS_REQUIRE: "never" },
        });
      } catch (error) {
        throw new UsageError(`--ssh ${source.id}: the key ${path} could not be loaded`, {
          cause: error,
          hint: "A key with a passphrase must be in an agent already (ssh-add), or readable only by you (chmod 600).",
        });
      }
    }
    return socket;
  }
}

async function isSocket(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isSocket();
  } catch (error) {
    throw new UsageError(`--ssh: ${path} does not exist`, { cause: error });
  }
}

async function appears(path: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    try {
      if ((await stat(path)).isSocket()) return;
    } catch {
      // Not yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new UsageError("ssh-agent did not come up");
}
