import type { ContainerInfo } from "../../docker/containers.js";
import { nameOf } from "../target.js";

/** The kinds in the order in which they matter to someone who debugs. */
const kinds = ["pid", "net", "ipc", "uts", "mnt", "user", "cgroup", "time"] as const;
type Kind = (typeof kinds)[number];

/** A namespace of a container and who else is in it. */
export interface Namespace {
  readonly kind: Kind;
  /** The kernel's number; undefined where the container does not run. */
  readonly id: number | undefined;
  /** Whether the engine's machine itself is in it; undefined where that is not known. */
  readonly host: boolean | undefined;
  /** Names of other running containers that were made to share it. */
  readonly containers: readonly string[];
  /** Whether the sidecar that looked is in it. */
  readonly toolbox: boolean;
}

/** Namespace numbers by kind: `pid -> 4026532354`. */
export type NamespaceIds = ReadonlyMap<string, number>;

/** From `/proc/PID/ns` links; `folder`: `/proc/1/ns`. */
export function namespaceIds(links: ReadonlyMap<string, string>, folder: string): NamespaceIds {
  const ids = new Map<string, number>();
  for (const [path, target] of links) {
    const match = /^(\w+):\[(\d+)\]$/.exec(target);
    if (match?.[1] !== undefined && path === `${folder}/${match[1]}`) ids.set(match[1], Number(match[2]));
  }
  return ids;
}

/** `ids` and `toolbox` are empty for a container that does not run; `host` undefined where it could not be asked. */
export function readNamespaces(
  info: ContainerInfo,
  others: readonly ContainerInfo[],
  ids: NamespaceIds,
  toolbox: NamespaceIds,
  host: NamespaceIds | undefined,
): Namespace[] {
  const all = [info, ...others];
  return kinds.flatMap((kind) => {
    const id = ids.get(kind);
    if (kind === "time" && id === undefined) return [];
    const owner = ownerOf(info, kind, all);
    const hostId = host?.get(kind);
    return [
      {
        kind,
        id,
        host: id !== undefined && hostId !== undefined ? id === hostId : configuredHost(info, kind),
        containers: others.filter((other) => owner !== "host" && ownerOf(other, kind, all) === owner).map(nameOf),
        toolbox: id !== undefined && toolbox.get(kind) === id,
      },
    ];
  });
}

/** The id of the container that a namespace was made for, over chains of `container:` modes, or `host`. */
function ownerOf(info: ContainerInfo, kind: Kind, all: readonly ContainerInfo[]): string {
  let current = info;
  for (let hops = 0; hops < all.length; hops++) {
    const mode = modeOf(current, kind);
    if (mode === "host") return "host";
    const reference = /^container:(.+)$/.exec(mode)?.[1];
    if (reference === undefined) break;
    const next = all.find((other) => other.Id.startsWith(reference) || nameOf(other) === reference);
    if (!next) return reference;
    current = next;
  }
  return current.Id;
}

function modeOf(info: ContainerInfo, kind: Kind): string {
  const settings = info.HostConfig as unknown as Readonly<Record<string, string | undefined>>;
  switch (kind) {
    case "pid":
      return settings["PidMode"] ?? "";
    case "net":
      return settings["NetworkMode"] ?? "";
    case "ipc":
      return settings["IpcMode"] ?? "";
    case "uts":
      return settings["UTSMode"] ?? "";
    case "cgroup":
      return settings["CgroupnsMode"] ?? "";
    // The engine shares neither; a user namespace is one for all containers or the machine's.
    case "mnt":
    case "user":
    case "time":
      return "";
  }
}

function configuredHost(info: ContainerInfo, kind: Kind): boolean | undefined {
  if (kind === "mnt") return false;
  if (kind === "user" || kind === "time") return undefined;
  return modeOf(info, kind) === "host";
}
