import type { Build, FileChange, Step } from "../engine/engine.js";

/** What a step did to the filesystem, in numbers. */
export interface ChangeSummary {
  /** What is counted: files, links and devices; folders where nothing else changed. */
  readonly noun: "file" | "folder";
  readonly added: number;
  readonly changed: number;
  readonly deleted: number;
  /** What the step added to the image in bytes: sizes of new and changed files. */
  readonly bytes: number;
  /** The folder that all of it lies in. */
  readonly folder: string;
}

/** What steps changed, found out once for each. */
export class StepChanges {
  private readonly build: Build;
  private readonly known = new WeakMap<Step, Promise<readonly FileChange[]>>();

  constructor(build: Build) {
    this.build = build;
  }

  /** What a built step changed; nothing for FROM, which begins a filesystem. */
  of(step: Step, options: { signal?: AbortSignal } = {}): Promise<readonly FileChange[]> {
    if (!changesFiles(step)) return Promise.resolve([]);
    const known = this.known.get(step);
    if (known) return known;
    const changes = this.find(step, options);
    this.known.set(step, changes);
    changes.catch(() => this.known.delete(step));
    return changes;
  }

  private async find(step: Step, options: { signal?: AbortSignal }): Promise<readonly FileChange[]> {
    const [before, after] = await Promise.all([this.build.before(step, options), this.build.after(step, options)]);
    return this.build.compare(before, after, options);
  }
}

/** Whether an instruction can change files at all. */
export function changesFiles({ instruction }: Step): boolean {
  return ["RUN", "COPY", "ADD", "WORKDIR"].includes(instruction.keyword);
}

/** Where an engine mounts something for a RUN: it makes the folder where an image has none, and leaves it there. */
const mountPoints = new Set(["/dev", "/proc", "/sys", "/etc"]);

/** Sums up what a step did itself; undefined where that is nothing. */
export function summarize(all: readonly FileChange[]): ChangeSummary | undefined {
  const changes = all.filter((change) => !isMountPoint(change, all));
  if (changes.length === 0) return undefined;
  const files = changes.filter(({ before, after }) => (after ?? before)?.type !== "directory");
  const counted = files.length > 0 ? files : changes;
  const count = (kind: FileChange["kind"]): number => counted.filter((change) => change.kind === kind).length;
  let folder: readonly string[] | undefined;
  for (const { path } of counted) {
    const parts = path.split("/").slice(1, -1);
    folder = folder === undefined ? parts : common(folder, parts);
  }
  return {
    noun: files.length > 0 ? "file" : "folder",
    added: count("added"),
    changed: count("changed"),
    deleted: count("deleted"),
    bytes: files.reduce((sum, { after }) => sum + (after?.type === "file" ? after.size : 0), 0),
    folder: `/${(folder ?? []).join("/")}`,
  };
}

function isMountPoint({ kind, path, after }: FileChange, all: readonly FileChange[]): boolean {
  if (kind !== "added" || after?.type !== "directory" || !mountPoints.has(path)) return false;
  return !all.some((other) => other.path.startsWith(`${path}/`));
}

function common(left: readonly string[], right: readonly string[]): readonly string[] {
  let length = 0;
  while (length < left.length && left[length] === right[length]) length += 1;
  return left.slice(0, length);
}
