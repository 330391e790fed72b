import { readFile } from "node:fs/promises";
import { mergeTexts, unifiedDiff } from "../dockerfile/edit.js";
import type { Dockerfile } from "../dockerfile/syntax.js";
import type { Build, Step } from "../engine/engine.js";
import { SessionStateError, UsageError } from "../errors.js";
import { writeDockerfile } from "./dockerfile-file.js";
import type { MergedFix, PendingFix } from "./state.js";
import { withoutTrials } from "./trial.js";

/**
 * An instruction that a retry tried, and that has not worked. It stays in the plan as long as the session stands there, so that
 * its state, log and text can be looked at; it is no change of the Dockerfile.
 */
export interface Attempt {
  /** The number of the step that was replaced. */
  readonly number: number;
  /** What is built without it. */
  readonly dockerfile: Dockerfile;
  readonly steps: readonly Step[];
}

/** The Dockerfile that is built, beside the one in the file: what became different, and what is to become of it. */
export class Draft {
  private readonly build: Build;
  private readonly path: string | undefined;
  /** Undefined where what is built is what the user wants. */
  attempt: Attempt | undefined;
  private source: string;
  /** A change that is for this build only, as the user said. */
  private kept: string | undefined;

  constructor(build: Build, path: string | undefined) {
    this.build = build;
    this.path = path;
    this.source = build.dockerfile.source;
  }

  /** The text in the file, as far as the session knows. */
  get fileSource(): string {
    return this.source;
  }

  /** The text that is built, without what a retry tried in vain. */
  get wanted(): string {
    return (this.attempt?.dockerfile ?? this.build.dockerfile).source;
  }

  /** The text that is in the file now. Rejects with UsageError where there is none. */
  async read(): Promise<string> {
    if (this.path === undefined) throw new UsageError("The Dockerfile did not come from a file of this machine");
    try {
      return await readFile(this.path, "utf8");
    } catch (error) {
      throw new UsageError(`${this.path} is gone, or cannot be read`, { code: "DOCKERFILE_MISSING", cause: error });
    }
  }

  /** The file has another text now. */
  reloaded(source: string): void {
    this.source = source;
  }

  /** What is built differs from the file, and nobody has decided yet what becomes of it. */
  get pending(): PendingFix | undefined {
    const { difference } = this;
    return difference?.source === this.kept ? undefined : difference;
  }

  /** What is built differs from the file, decided or not. */
  get difference(): PendingFix | undefined {
    const source = withoutTrials(this.wanted);
    if (source === this.source) return undefined;
    return { source, diff: unifiedDiff(this.source, source, this.build.dockerfile.file) };
  }

  /** The pending change in the file as it is now; undefined where the file is as the session knows it, or is gone. */
  async merged(): Promise<MergedFix | undefined> {
    const { pending, source: known, build } = this;
    const onDisk = pending && (await this.read().catch(() => undefined));
    if (!pending || onDisk === undefined || onDisk === known) return undefined;
    const { text: source, conflicts } = mergeTexts(known, pending.source, onDisk);
    return { onDisk, source, conflicts, diff: unifiedDiff(onDisk, source, build.dockerfile.file) };
  }

  /**
   * Writes what is pending, or where the file was changed meanwhile, both. Rejects with SessionStateError where nothing is
   * pending, and with UsageError where it cannot be written.
   */
  async write(merged: MergedFix | undefined): Promise<void> {
    const { pending, path } = this;
    if (!pending) throw new SessionStateError("There is no change to write");
    if (path === undefined)
      throw new UsageError("The Dockerfile did not come from a file of this machine: the change cannot be written");
    if (!merged) await writeDockerfile(path, this.source, pending.source);
    else if (merged.diff !== "") await writeDockerfile(path, merged.onDisk, merged.source);
    // What others changed is not built: the next change is told from what is.
    this.source = pending.source;
  }

  discard(): void {
    this.kept = withoutTrials(this.wanted);
  }
}
