import { readFile } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import type { ChokidarOptions } from "chokidar";
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

/**
 * Watches a Dockerfile and its context, without what .dockerignore leaves out; another .dockerignore counts from then on.
 * Changes while nobody waits are kept.
 */
export class BuildWatcher implements AsyncDisposable {
  private readonly root: string;
  private readonly dockerfile: string;
  private readonly ignoreFiles: readonly string[];
  private watched: Watched;
  private dockerfileTouched = false;
  private contextChanged = false;
  private ignoreChanged = false;
  private lastChange = 0;
  private wake: () => void = () => undefined;

  private constructor(root: string, dockerfile: string) {
    this.root = root;
    this.dockerfile = dockerfile;
    this.ignoreFiles = [join(root, ".dockerignore"), `${dockerfile}.dockerignore`];
    this.watched = { filter: () => true, close: async () => undefined };
  }

  /** Begins to watch. Rejects with UsageError where the build has no files on this machine. */
  static async open(request: BuildRequest): Promise<BuildWatcher> {
    const { context, dockerfilePath } = request;
    if (context.kind !== "directory" || dockerfilePath === undefined)
      throw new UsageError("--watch needs a context folder and a Dockerfile on this machine");
    const self = new BuildWatcher(resolve(context.path), resolve(dockerfilePath));
    await self.watch();
    return self;
  }

  /**
   * Waits until something changed and nothing changes any more. `known` is the Dockerfile's text that is built already.
   * Rejects with CancelledError, and with UsageError where the Dockerfile is gone: it can be waited for again.
   */
  async next(signal: AbortSignal, known: string): Promise<Change> {
    for (;;) {
      await this.settled(signal);
      const { dockerfileTouched, contextChanged } = this;
      this.dockerfileTouched = false;
      this.contextChanged = false;
      if (this.ignoreChanged) await this.watch();
      const dockerfile = await this.dockerfileText();
      const isOther = dockerfile !== known;
      // What copies the whole context copies the Dockerfile, too.
      const copied = dockerfileTouched && isOther && this.watched.filter(this.dockerfile);
      if (contextChanged || isOther) return { dockerfile, contextChanged: contextChanged || copied };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.watched.close();
  }

  /** Begins to watch by the ignore patterns of now; what was watched before is given up when that has begun. */
  private async watch(): Promise<void> {
    const { root, dockerfile } = this;
    this.ignoreChanged = false;
    const patterns = (await dockerignoreFor(root, dockerfile)).map(({ pattern }) => pattern);
    const paths = new PathFilter({ include: [], exclude: patterns, follow: [] }, undefined);
    const hasExceptions = patterns.some((pattern) => pattern.startsWith("!"));
    const filter = (path: string): boolean => {
      const name = relative(root, path).split(sep).join("/");
      return name === "" || (!name.startsWith("../") && paths.matches(name));
    };
    const always = new Set([dockerfile, ...this.ignoreFiles]);
    const { watch } = await import("chokidar");
    const options: ChokidarOptions = { ignoreInitial: true, ignorePermissionErrors: true };
    const watchers = [
      // Below an ignored folder an exception may take something back: only then it is looked into.
      watch(root, { ...options, ignored: (path) => !always.has(path) && !hasExceptions && !filter(path) }),
      // One of its own: with paths that overlap a watcher is ready before it has seen them all.
      watch([...always], options),
    ];
    await Promise.all(
      watchers.map(async (watcher) => {
        watcher.on("all", (_event, path) => this.take(path));
        watcher.on("error", () => undefined);
        await new Promise<void>((done) => watcher.once("ready", done));
      }),
    );
    const before = this.watched;
    this.watched = {
      filter,
      close: async () => {
        await Promise.all(watchers.map((watcher) => watcher.close()));
      },
    };
    await before.close();
  }

  private async settled(signal: AbortSignal): Promise<void> {
    for (;;) {
      if (signal.aborted) throw cancellation(signal);
      const since = performance.now() - this.lastChange;
      const changed = this.dockerfileTouched || this.contextChanged;
      if (changed && since >= quiet) return;
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
  }

  private async dockerfileText(): Promise<string> {
    try {
      return await readFile(this.dockerfile, "utf8");
    } catch (error) {
      throw new UsageError(`${this.dockerfile} is gone, or cannot be read`, {
        code: "DOCKERFILE_MISSING",
        cause: error,
      });
    }
  }

  private take(path: string): void {
    // What this program writes for a moment when it writes the Dockerfile.
    if (path.endsWith(".dfdebug")) return;
    if (path === this.dockerfile) this.dockerfileTouched = true;
    else if (this.ignoreFiles.includes(path)) this.ignoreChanged = this.contextChanged = true;
    else if (this.watched.filter(path)) this.contextChanged = true;
    else return;
    this.lastChange = performance.now();
    this.wake();
  }
}

interface Watched {
  /** Whether a path belongs to the context. */
  filter(path: string): boolean;
  close(): Promise<void>;
}
