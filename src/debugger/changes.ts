import type { Build, FileChange, Step } from "../engine/engine.js";

/** What a step did to the filesystem, in numbers. */
export interface ChangeSummary {
  /** Entries that are no directories. */
  readonly added: number;
  readonly changed: number;
  readonly deleted: number;
  /** What the step added to the image: sizes of new and changed files. */
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

/** Sums changes up; undefined where there are none. */
export function summarize(changes: readonly FileChange[]): ChangeSummary | undefined {
  if (changes.length === 0) return undefined;
  const counts = { added: 0, changed: 0, deleted: 0 };
  let bytes = 0;
  let folder: readonly string[] | undefined;
  for (const { kind, path, before, after } of changes) {
    const isFolder = (after ?? before)?.type === "directory";
    if (!isFolder || changes.length === 1) counts[kind] += 1;
    if (after?.type === "file") bytes += after.size;
    const parts = path.split("/").slice(1, isFolder && kind === "added" ? undefined : -1);
    folder = folder === undefined ? parts : common(folder, parts);
  }
  if (counts.added + counts.changed + counts.deleted === 0) for (const { kind } of changes) counts[kind] += 1;
  return { ...counts, bytes, folder: `/${(folder ?? []).join("/")}` };
}

function common(left: readonly string[], right: readonly string[]): readonly string[] {
  let length = 0;
  while (length < left.length && left[length] === right[length]) length += 1;
  return left.slice(0, length);
}
