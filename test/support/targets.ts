import { randomBytes } from "node:crypto";
import { docker, type TestEngine } from "./engines.js";

/** Containers for `dfdebug debug`; dispose removes them and their anonymous volumes. */
export class Targets implements Disposable {
  private readonly engine: TestEngine;
  private readonly names: string[] = [];

  constructor(engine: TestEngine) {
    this.engine = engine;
  }

  /** `docker run -d` of busybox; a long sleep where no command is given. The container's name. */
  run(options: readonly string[] = [], command: readonly string[] = ["sleep", "100000"]): string {
    const name = this.name();
    docker(this.engine, "run", "-d", "--name", name, ...options, "busybox", ...command);
    return name;
  }

  /** `docker create`. */
  create(options: readonly string[], command: readonly string[]): string {
    const name = this.name();
    docker(this.engine, "create", "--name", name, ...options, "busybox", ...command);
    return name;
  }

  [Symbol.dispose](): void {
    if (this.names.length > 0) docker(this.engine, "rm", "-fv", ...this.names.splice(0));
  }

  private name(): string {
    const name = `target-${randomBytes(4).toString("hex")}`;
    this.names.push(name);
    return name;
  }
}
