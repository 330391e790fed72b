import { followLinks } from "./follow-links.js";
import { PatternMatcher } from "./pattern-matcher.js";

/** What an engine asks for of a folder: the lists in the metadata of a FileSync request. */
export interface FilterPatterns {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** Included too, and so is whatever the symbolic links on the way to them point at. */
  readonly follow: readonly string[];
}

/** What both lists say about a folder, for the paths below it. */
export interface FilterState {
  readonly include: Uint8Array;
  readonly exclude: Uint8Array;
}

export interface Verdict {
  readonly wanted: boolean;
  /** Something below could be wanted, where this is a folder. */
  readonly descend: boolean;
}

/** Decides which paths of a tree are wanted: fsutil's filter, except that a folder is skipped wherever nothing in it can match. */
export class PathFilter {
  private readonly include: PatternMatcher | undefined;
  private readonly exclude: PatternMatcher | undefined;
  private readonly flags: FilterState;

  /** `root`: the tree in which links are followed; undefined for trees without links. Throws BuildError. */
  constructor(patterns: FilterPatterns, root: string | undefined) {
    let include: readonly string[] = patterns.include;
    if (patterns.follow.length > 0) {
      const followed = root === undefined ? patterns.follow : followLinks(root, patterns.follow);
      // The root itself is among them: everything is wanted.
      if (followed) include = withoutCovered([...include, ...followed].sort()) ?? [];
    }
    this.include = include.length > 0 ? new PatternMatcher(include) : undefined;
    this.exclude = patterns.exclude.length > 0 ? new PatternMatcher(patterns.exclude) : undefined;
    this.flags = {
      include: new Uint8Array(this.include?.patterns.length ?? 0),
      exclude: new Uint8Array(this.exclude?.patterns.length ?? 0),
    };
  }

  /** False: every path is wanted, and `judge` need not be asked. */
  get isActive(): boolean {
    return this.include !== undefined || this.exclude !== undefined;
  }

  /** Whether a path is wanted, without knowledge of its parents. */
  matches(path: string): boolean {
    return (this.include?.matches(path) ?? true) && !this.exclude?.matches(path);
  }

  /** What the lists say about a path whose parent folder was judged before; `parent` is that folder's state. */
  judge(path: string, parent: FilterState | undefined): Verdict {
    let wanted = true;
    if (this.include && !this.include.evaluate(path, parent?.include, this.flags.include)) {
      if (!this.include.mayMatchInside(path)) return { wanted: false, descend: false };
      wanted = false;
    }
    if (this.exclude?.evaluate(path, parent?.exclude, this.flags.exclude)) {
      if (!this.exclude.mayTakeBackInside(path)) return { wanted: false, descend: false };
      wanted = false;
    }
    return { wanted, descend: true };
  }

  /** What was found about the path judged last, to be kept for the paths below it. */
  state(): FilterState {
    return { include: this.flags.include.slice(), exclude: this.flags.exclude.slice() };
  }
}

/** Leaves out what lies below another of the sorted paths; undefined when the root is among them. */
export function withoutCovered(sorted: readonly string[]): string[] | undefined {
  const kept: string[] = [];
  let last = "";
  for (const path of sorted) {
    if (path === ".") return undefined;
    if (path.startsWith(`${last}/`)) continue;
    kept.push(path);
    last = path;
  }
  return kept;
}
