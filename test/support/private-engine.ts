import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { docker, type TestEngine } from "./engines.js";
import { script } from "./servers.js";

const dockerd = "/usr/sbin/dockerd";

/** Whether tests can have an engine of their own, to break it: root on a Linux with Debian's dockerd, as in CI. */
export const canStartEngine = process.getuid?.() === 0 && existsSync(dockerd);

/** An engine of one test, with a disk of its own in memory. */
export class PrivateEngine implements AsyncDisposable, TestEngine {
  readonly name = "private";
  readonly host: string;
  private readonly folder: string;
  private child: ChildProcess | undefined;

  private constructor(folder: string) {
    this.folder = folder;
    this.host = `unix://${join(folder, "docker.sock")}`;
  }

  /** With busybox:latest, taken from another engine. `folder` is the engine's. */
  static async start(folder: string, size: string, from: TestEngine): Promise<PrivateEngine> {
    const engine = new PrivateEngine(folder);
    mkdirSync(join(folder, "data"));
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", join(folder, "data")]);
    try {
      await engine.startAgain();
      script('docker -H "$1" save busybox:latest | docker -H "$2" load', from.host, engine.host);
      return engine;
    } catch (error) {
      await engine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts it on the data that is there. */
  async startAgain(): Promise<void> {
    const at = (name: string): string => join(this.folder, name);
    this.killLeftovers();
    // In a network of its own: with --bridge it would delete docker0 of the machine's other engines.
    const child = spawn(
      "unshare",
      [
        ...["--net", dockerd],
        ...["--data-root", at("data"), "--exec-root", at("exec"), "--pidfile", at("pid"), "-H", this.host],
        ...["--bridge", "none", "--iptables=false", "--ip6tables=false"],
      ],
      { stdio: "ignore" },
    );
    this.child = child;
    while (!(await answers(at("docker.sock")))) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error("dockerd ended");
      await sleep(50);
    }
  }

  /** Ends it, as an administrator or a crash would. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const { child } = this;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  }

  /** Ids of containers, dfdebug's or not. */
  containers(): string {
    return docker(this, "ps", "-aq");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end("SIGTERM");
    this.killLeftovers();
    script(
      `awk -v f="$1/" 'index($2, f) == 1 {print $2}' /proc/self/mounts | sort -r | xargs -r -n1 umount -l`,
      this.folder,
    );
  }

  /** An engine that was killed leaves its containerd, its steps (known by the root that they have) and its pid files. */
  private killLeftovers(): void {
    script(
      `for pid in $(pgrep -f -- "$1/(data|exec)" || true); do [ "$pid" = $$ ] || kill -9 "$pid" 2>/dev/null || true; done
for found in $(grep -lE " / / .*[=:]$1/" /proc/[0-9]*/mountinfo 2>/dev/null || true); do
  pid=\${found#/proc/}; kill -9 "\${pid%/mountinfo}" 2>/dev/null || true
done
rm -rf "$1/pid" "$1/exec/containerd/containerd.pid" "$1/docker.sock"`,
      this.folder,
    );
  }
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request({ socketPath, path: "/_ping" }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on("error", () => resolve(false));
    call.end();
  });
}
