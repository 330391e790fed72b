import { readFile } from "node:fs/promises";
import { relative, resolve, sep } from "node:path";
import type { FSWatcher } from "chokidar";
import { dockerignoreFor, PathFilter } from "../engine/context.js";
import type { BuildRequest } from "../engine/engine.js";
import { cancellation, UsageError } from "../errors.js";

/** Milliseconds without another change after which a change is complete: editors and git write in several strokes. */
const quiet = 200;

/** What changed on disk since it was last asked. */
export interface Change {
  /** The Dockerfile's text now. */
  readonly dockerfile: string;
  readonly contextChanged: boolean;
}

/** Watches a Dockerfile and its context, without what .dockerignore leaves out. Changes while nobody waits are kept. */
export class BuildWatcher implements AsyncDisposable {
  private readonly watcher: FSWatcher;
  private readonly dockerfilePath: string;
  private dockerfileChanged = false;
  private contextChanged = false;
  private lastChange = 0;
  private wake: () => void = () => undefined;

  private constructor(watcher: FSWatcher, dockerfilePath: string) {
    this.watcher = watcher;
    this.dockerfilePath = dockerfilePath;
  }

  /** Begins to watch. Rejects with UsageError where the build has no files on this machine. */
  static async open(request: BuildRequest): Promise<BuildWatcher> {
    const { context, dockerfilePath } = request;
    if (context.kind !== "directory" || dockerfilePath === undefined)
      throw new UsageError("--watch needs a context folder and a Dockerfile on this machine");
    const root = resolve(context.path);
    const dockerfile = resolve(dockerfilePath);
    const patterns = (await dockerignoreFor(root, dockerfile)).map(({ pattern }) => pattern);
    const filter = new PathFilter({ include: [], exclude: patterns, follow: [] }, undefined);
    const hasExceptions = patterns.some((pattern) => pattern.startsWith("!"));
    const inContext = (path: string): boolean => {
      const name = relative(root, path).split(sep).join("/");
      return name === "" || (!name.startsWith("../") && filter.matches(name));
    };
    const { watch } = await import("chokidar");
    const watcher = watch([root, dockerfile], {
      ignoreInitial: true,
      // Below an ignored folder an exception may take something back: only then it is looked into.
      ignored: (path) => path !== dockerfile && !hasExceptions && !inContext(path),
    });
    const self = new BuildWatcher(watcher, dockerfile);
    watcher.on("all", (_event, path) => self.take(path, dockerfile, inContext));
    watcher.on("error", () => undefined);
    await new Promise<void>((done) => watcher.once("ready", done));
    return self;
  }

  /** Waits until something changed and nothing changes any more. Rejects with CancelledError. */
  async next(signal: AbortSignal): Promise<Change> {
    for (;;) {
      if (signal.aborted) throw cancellation(signal);
      const since = performance.now() - this.lastChange;
      const changed = this.dockerfileChanged || this.contextChanged;
      if (changed && since >= quiet) break;
      await new Promise<void>((done) => {
        const timer = changed ? setTimeout(() => this.wake(), quiet - since) : undefined;
        const abort = (): void => this.wake();
        signal.addEventListener("abort", abort, { once: true });
        this.wake = () => {
          clearTimeout(timer);
          signal.removeEventListener("abort", abort);
          done();
        };
      });
    }
    const { contextChanged } = this;
    this.dockerfileChanged = false;
    this.contextChanged = false;
    return { dockerfile: await readFile(this.dockerfilePath, "utf8"), contextChanged };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.watcher.close();
  }

  private take(path: string, dockerfile: string, inContext: (path: string) => boolean): void {
    // What this program writes for a moment when it writes the Dockerfile.
    if (path.endsWith(".dfdebug")) return;
    if (path === dockerfile) this.dockerfileChanged = true;
    else if (inContext(path)) this.contextChanged = true;
    else return;
    this.lastChange = performance.now();
    this.wake();
  }
}
