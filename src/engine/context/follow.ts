import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { posix } from "node:path";
import { Pattern } from "./pattern.js";

/**
 * The paths that must be sent so that `paths` (which may have wildcards) can be read on the other side: themselves, and
 * what the symlinks on the way point at, inside the root (fsutil's FollowLinks). Undefined: everything.
 */
export function followPaths(root: string, paths: readonly string[]): string[] | undefined {
  const resolved = new Set<string>();
  for (const path of paths) follow(root, path, resolved);
  if (resolved.has(".") || resolved.has("")) return undefined;
  const sorted = [...resolved].sort();
  return sorted.filter((path) => !sorted.some((other) => other !== path && path.startsWith(`${other}/`)));
}

function follow(root: string, path: string, resolved: Set<string>): void {
  let rest = posix.join(".", path.replace(/^\/+/, ""));
  // A path cannot leave the root: `..` at the top stays there.
  while (rest === ".." || rest.startsWith("../")) rest = rest.slice(3) || ".";
  let current = ".";
  for (;;) {
    const slash = rest.indexOf("/");
    current = posix.join(current, slash < 0 ? rest : rest.slice(0, slash));
    rest = slash < 0 ? "" : rest.slice(slash + 1);
    const targets = symlinkTargets(root, current, true);
    if ((rest === "" || targets) && resolved.has(current)) return;
    if (targets) {
      resolved.add(current);
      for (const target of targets) follow(root, posix.join(target, rest), resolved);
      return;
    }
    if (rest === "") {
      resolved.add(current);
      return;
    }
  }
}

/** Where a path points at, absolute from the root; undefined where it is no symlink. */
function symlinkTargets(root: string, path: string, wildcards: boolean): string[] | undefined {
  const base = posix.basename(path);
  const folder = posix.dirname(path);
  if (wildcards && /[*?[\\]/.test(base)) {
    let names: string[];
    try {
      names = readdirSync(posix.join(root, folder));
    } catch {
      return undefined;
    }
    const pattern = new Pattern(base);
    const found = names
      .filter((name) => pattern.matches(name))
      .flatMap((name) => symlinkTargets(root, posix.join(folder, name), false) ?? []);
    return found.length > 0 ? found : undefined;
  }
  try {
    if (path === "." || !lstatSync(posix.join(root, path)).isSymbolicLink()) return undefined;
    const link = readlinkSync(posix.join(root, path));
    return [posix.isAbsolute(link) ? posix.normalize(link) : posix.join("/", folder, link)];
  } catch {
    return undefined;
  }
}
