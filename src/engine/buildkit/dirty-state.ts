import { ContainerError } from "../../errors.js";
import type { FileStat, ImageConfig, Ref, StepContainer } from "../engine.js";
import { toolboxMount } from "./container.js";
import { collect, listTrees } from "./listing.js";

/**
 * What a failed step left behind. BuildKit keeps it as a mount, which no call can read: it is looked at through a
 * container that has it as its root, opened when it is first asked for.
 */
export class DirtyState implements Ref {
  readonly config: ImageConfig;
  readonly id: string;
  private readonly open: () => Promise<StepContainer>;
  private opened: Promise<StepContainer> | undefined;

  constructor(id: string, config: ImageConfig, open: () => Promise<StepContainer>) {
    this.id = id;
    this.config = config;
    this.open = open;
  }

  async readDir(path: string, options: { signal?: AbortSignal } = {}): Promise<readonly FileStat[]> {
    const [listing] = await listTrees(await this.container(), [path], { maxDepth: 1, signal: options.signal });
    return [...(listing?.values() ?? [])].toSorted((left, right) => (left.name < right.name ? -1 : 1));
  }

  async stat(path: string, options: { signal?: AbortSignal } = {}): Promise<FileStat> {
    const at = path.lastIndexOf("/");
    const name = path.slice(at + 1);
    const found = (await this.readDir(path.slice(0, at) || "/", options)).find((entry) => entry.name === name);
    if (!found) throw new ContainerError(`${path}: no such file or directory`, { code: "NOT_FOUND" });
    return found;
  }

  async *readFile(path: string, options: { signal?: AbortSignal } = {}): AsyncIterable<Uint8Array> {
    const container = await this.container();
    const process = await container.exec({
      argv: [`${toolboxMount}/bin/cat`, "--", path],
      cwd: "/",
      user: "",
      signal: options.signal,
    });
    const errors = collect(process.stderr);
    for await (const chunk of process.stdout) yield chunk as Buffer;
    if ((await process.exited) !== 0)
      throw new ContainerError(`${path}: ${(await errors).trim().replace(/^.*: /, "") || "could not be read"}`, {
        code: /no such file/i.test(await errors) ? "NOT_FOUND" : "STATE_READ",
      });
  }

  private async container(): Promise<StepContainer> {
    this.opened ??= this.open();
    const container = await this.opened.catch((error: unknown) => {
      this.opened = undefined;
      throw error;
    });
    if (container.toolbox.available) return container;
    throw new ContainerError("What a failed step left can only be read with a toolbox", {
      code: "NO_TOOLBOX",
      hint: container.toolbox.hint,
    });
  }
}
