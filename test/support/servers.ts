import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { connect, createServer, type AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

/** A port of the loopback that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A program's path. Throws where it is not installed, and says which Debian package has it (scripts/test.mjs installs it). */
export function installed(path: string, debianPackage: string): string {
  if (existsSync(path)) return path;
  throw new Error(`${path} is missing: apt-get install ${debianPackage}`);
}

/** A server program of a test, up when `listen` resolved; disposing it waits for its end. */
export class ServerProcess implements AsyncDisposable {
  private readonly child: ChildProcess;
  private output = "";

  private constructor(child: ChildProcess) {
    this.child = child;
    const keep = (text: string): void => {
      this.output = (this.output + text).slice(-4000);
    };
    child.stdout?.setEncoding("utf8").on("data", keep);
    child.stderr?.setEncoding("utf8").on("data", keep);
    child.once("error", (error) => keep(error.message));
  }

  /** Starts it, and waits until its port takes connections. Rejects with what it printed when it ends before. */
  static async listen(
    port: number,
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<ServerProcess> {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
    const server = new ServerProcess(child);
    while (!(await answers(port))) {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined)
        throw new Error(`${command} ended: ${server.output}`);
      await sleep(20);
    }
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once("close", resolve));
    this.child.kill("SIGTERM");
    await ended;
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const settle = (good: boolean): void => {
      socket.destroy();
      resolve(good);
    };
    socket.once("connect", () => settle(true));
    socket.once("error", () => settle(false));
  });
}

/** Runs a bash script that has to succeed; its arguments are $1, $2, ... */
export function script(text: string, ...args: readonly string[]): string {
  return execFileSync("bash", ["-euc", text, "test", ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
