import { posix } from "node:path";
import { ContainerError, UsageError } from "../../errors.js";

/** One end of a copy as the command line names it. */
export type CopyEnd =
  /** A tar archive on standard input or output. */
  | { readonly kind: "stream" }
  | { readonly kind: "local"; readonly path: string }
  /** `path` is absolute and clean; a last `/` or `/.` is kept, for it means something. */
  | { readonly kind: "container"; readonly name: string; readonly path: string };

/** An image's reference, with registry, tag or digest, and an absolute path in it. */
const imagePath = /^((?:[\w.-]+(?::\d+)?\/)*[\w.-]+(?::[\w.-]+)?(?:@sha256:[0-9a-f]+)?):(\/.*)$/s;

/**
 * docker cp's grammar (splitCpArg): `CONTAINER:PATH`, `-`, or a local path. What begins with `/` or `.` is local, colons or
 * not. An image's name may hold colons, before an absolute path. Throws UsageError.
 */
export function parseCopyEnd(text: string): CopyEnd {
  if (text === "") throw new UsageError("An empty path names nothing to copy");
  if (text === "-") return { kind: "stream" };
  if (text.startsWith("/") || text.startsWith(".")) return { kind: "local", path: text };
  const first = text.indexOf(":");
  if (first < 0) return { kind: "local", path: text };
  const withTag = imagePath.exec(text);
  const [name, path] = withTag ? [withTag[1] ?? "", withTag[2] ?? ""] : [text.slice(0, first), text.slice(first + 1)];
  if (name === "" || path === "")
    throw new UsageError(`${text}: ${name === "" ? "the container" : "the path in it"} is missing`, {
      hint: "It is CONTAINER:PATH; a local file with a colon in its name is ./NAME.",
    });
  return { kind: "container", name, path: cleanContainerPath(path) };
}

/** Absolute (paths in containers begin at /), without `..`, `//` and inner `.`; a last `/` or `/.` stays. */
export function cleanContainerPath(path: string): string {
  const clean = posix.normalize(`/${path}`).replace(/(.)\/+$/, "$1");
  if (clean === "/") return "/";
  if (/(^|\/)\.$/.test(path)) return `${clean}/.`;
  return path.endsWith("/") ? `${clean}/` : clean;
}

/** Which way a copy goes. Throws UsageError, with docker's reasons, where it goes none. */
export function checkDirection(source: CopyEnd, destination: CopyEnd): "out" | "in" {
  if (source.kind === "container" && destination.kind === "container")
    throw new UsageError("Copying between containers is not supported", {
      hint: "Through a tar stream it is: dfdebug cp ONE:PATH - | dfdebug cp - OTHER:FOLDER",
    });
  if (source.kind === "container") return "out";
  if (destination.kind === "container") return "in";
  throw new UsageError("One of the two paths has to be in a container", {
    hint: "It is dfdebug cp CONTAINER:PATH LOCAL, or dfdebug cp LOCAL CONTAINER:PATH.",
  });
}

/** What a destination is before the copy; undefined: nothing is there. */
export type DestinationKind = "directory" | "file" | undefined;

/** Where a copy's entries go: into `folder`, the source's root as `name`; undefined: its content goes there directly. */
export interface Placement {
  readonly folder: string;
  readonly name: string | undefined;
}

/**
 * docker cp's rules of placement (its documentation, and PrepareArchiveCopy). `source.path` and `destination.path` keep a
 * last `/` or `/.`; symlinks of the destination are followed already. `shown` names the destination in errors. Throws
 * ContainerError, code COPY_CONFLICT.
 */
export function placeCopy(
  source: { readonly path: string; readonly isDirectory: boolean },
  destination: { readonly path: string; readonly kind: DestinationKind },
  shown: string,
): Placement {
  const clean = posix.normalize(destination.path).replace(/(.)\/+$/, "$1");
  const beside: Placement = { folder: posix.dirname(clean), name: posix.basename(clean) };
  if (destination.kind === "directory") return { folder: clean, name: baseName(source.path) };
  if (!source.isDirectory && assertsDirectory(destination.path))
    throw conflict(`${shown} is not a folder that exists`, "A last / says that the destination is a folder.");
  if (destination.kind === "file" && source.isDirectory)
    throw conflict(`${shown} is a file: a folder cannot be copied over it`);
  return beside;
}

/** The name that a source has at its destination; undefined where only its content is meant (`/`, `.` and `x/.`). */
export function baseName(path: string): string | undefined {
  if (specifiesContent(path)) return undefined;
  const name = posix.basename(path);
  return name === "" || name === ".." ? undefined : name;
}

/** `x/.`: the folder's content, not the folder. */
export function specifiesContent(path: string): boolean {
  return posix.basename(path) === ".";
}

/** `x/` and `x/.` say that x is a folder. */
export function assertsDirectory(path: string): boolean {
  return path.endsWith("/") || specifiesContent(path);
}

function conflict(message: string, hint?: string): ContainerError {
  return new ContainerError(message, { code: "COPY_CONFLICT", hint });
}
