import { spawn, type ChildProcess } from "node:child_process";
import { log } from "../../log.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";

/**
 * A small process that outlives a killed dfdebug, and then has `dfdebug prune` remove what its session made. It is needed
 * where the engine does not see the end of a client by itself: a container between its making and its start, and the image
 * of a stopped container's files. It waits in a shell for the end of its standard input; dispose sends it away.
 */
export class Guard implements AsyncDisposable {
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.child = child;
  }

  /** `session`: the value of the session label. Never rejects: a session without a guard is still a session. */
  static start(session: string, engineFlags: EngineFlags, io: CliIo): Guard {
    const { host, context } = engineFlags;
    const engine = [...(host === undefined ? [] : ["-H", host]), ...(context === undefined ? [] : ["-c", context])];
    const prune = [process.execPath, process.argv[1] ?? "", ...engine, "prune", "--session", session];
    // A group of its own: what ends a terminal's jobs does not end it.
    const child = spawn("/bin/sh", ["-c", 'read -r _ || exec "$@"', "dfdebug", ...prune], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
      cwd: io.cwd,
      env: io.env,
    });
    child.on("error", (error) => log("guard", "not started", { error: error.message }));
    child.stdin?.on("error", () => undefined);
    child.unref();
    return new Guard(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.stdin?.end("done\n");
  }
}
