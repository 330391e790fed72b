import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { posix } from "node:path";
import { bytePath, fsPath, pathText } from "./byte-path.js";
import { cleanPath, Pattern } from "./pattern-matcher.js";

/**
 * The paths (text, relative to `root`) that must be sent so that `paths` can be reached: they themselves, every symbolic
 * link on the way, and what the links point at, in the tree (fsutil's FollowLinks). Wildcards may stand in any name.
 * Undefined when the root itself is among them.
 */
export function followLinks(root: string, paths: readonly string[]): string[] | undefined {
  const found = new Set<string>();
  for (const path of paths) follow(root, path, found);
  return found.has(".") ? undefined : [...found].sort();
}

function follow(root: string, path: string, found: Set<string>): void {
  let rest = relative(path);
  let current = ".";
  for (;;) {
    const slash = rest.indexOf("/");
    current = posix.join(current, slash === -1 ? rest : rest.slice(0, slash));
    rest = slash === -1 ? "" : rest.slice(slash + 1);
    const targets = linkTargets(root, current);
    if (rest !== "" && targets.length === 0) continue;
    if (found.has(current)) return;
    found.add(current);
    for (const target of targets) follow(root, posix.join(target, rest), found);
    return;
  }
}

/** A path as the tree sees it: `..` ends at the root. */
function relative(path: string): string {
  const clean = posix.join("/", path).slice(1);
  return cleanPath(clean);
}

/** Where the link at `path` points; of several where its last name has wildcards; none where there is no link. */
function linkTargets(root: string, path: string): string[] {
  const name = posix.basename(path);
  const folder = posix.dirname(path);
  if (!hasWildcards(name)) return linkTarget(root, path);
  let pattern: Pattern;
  let names: string[];
  try {
    pattern = new Pattern(name);
    names = readdirSync(onDisk(root, folder), { encoding: "latin1" }).sort();
  } catch {
    return [];
  }
  return names
    .map(pathText)
    .filter((candidate) => pattern.matches(candidate))
    .flatMap((candidate) => linkTarget(root, posix.join(folder, candidate)));
}

function linkTarget(root: string, path: string): string[] {
  if (path === ".") return [];
  try {
    const place = onDisk(root, path);
    if (!lstatSync(place).isSymbolicLink()) return [];
    const target = pathText(readlinkSync(place, { encoding: "latin1" }));
    return [posix.isAbsolute(target) ? target : posix.join("/", posix.dirname(path), target)];
  } catch {
    // Not there, or not to be read: what is missing is reported by the step that needs it.
    return [];
  }
}

function onDisk(root: string, path: string): string | Buffer {
  return fsPath(bytePath(`${root}/${path}`));
}

function hasWildcards(name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    if (name[index] === "\\") index++;
    else if ("*?[".includes(name[index] ?? "")) return true;
  }
  return false;
}
