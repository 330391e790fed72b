import type { ContainerInfo, Containers, ContainerSummary } from "../docker/containers.js";
import { findImage, type ImageInfo } from "../docker/images.js";
import { nearest } from "../dockerfile/suggest.js";
import { DfdebugError, UsageError } from "../errors.js";

/** What a name on the command line stands for. */
export type Target =
  | { readonly kind: "container"; readonly info: ContainerInfo }
  | { readonly kind: "image"; readonly name: string; readonly image: ImageInfo };

/** The engine takes a container that ran this long for started, and begins its back-off anew (moby, restartmanager). */
const settledMs = 10_000;

/**
 * Its processes are there to be joined, and will be: one that was started again a moment ago, after it had ended by itself,
 * is going to take a session along any second.
 */
export function isLive(info: ContainerInfo): boolean {
  const { State } = info;
  if (!State.Running || State.Restarting || State.Dead) return false;
  return info.RestartCount === 0 || Date.now() - Date.parse(State.StartedAt) > settledMs;
}

/** Several containers have the name: the user has to say which. */
export class AmbiguousTargetError extends UsageError {
  readonly candidates: readonly ContainerSummary[];

  constructor(name: string, what: string, candidates: readonly ContainerSummary[]) {
    super(`${name} is ${what} of ${String(candidates.length)} containers`, {
      hint: ["Say which one:", ...candidates.map(candidateLine)].join("\n"),
    });
    this.candidates = candidates;
  }
}

/** docker compose's labels. */
const service = "com.docker.compose.service";
const projectFolder = "com.docker.compose.project.working_dir";

/**
 * A container by name, id or an id's beginning, then by compose service (the one of the project in `cwd` where several
 * projects have it), then an image. Rejects with UsageError, which lists candidates, or EngineError.
 */
export async function resolveTarget(
  containers: Containers,
  name: string,
  options: { readonly cwd: string; readonly images: boolean },
): Promise<Target> {
  if (name === "") throw new UsageError("An empty name is no container's", { hint: "Is a variable not set?" });
  // docker inspect and the API print names with a slash.
  if (/^\/[\w.-]+$/.test(name)) return resolveTarget(containers, name.slice(1), options);
  const direct = await containers.find(name).catch((error: unknown) => {
    // An id's beginning that several have: the list below tells them.
    if (error instanceof DfdebugError && error.code === "ENGINE_REFUSED") return undefined;
    throw error;
  });
  if (direct) return { kind: "container", info: direct };
  const [all, image] = await Promise.all([
    containers.list(),
    options.images && /^[\w./:@-]+$/.test(name) ? findImage(containers.connection, name) : undefined,
  ]);
  const byId = all.filter(({ Id }) => Id.startsWith(name));
  if (byId.length > 1) throw new AmbiguousTargetError(name, "the beginning of the id", byId);
  const ofService = all.filter(({ Labels }) => Labels[service] === name);
  const here = ofService.filter(({ Labels }) => Labels[projectFolder] === options.cwd);
  const candidates = preferLive(here.length > 0 ? here : ofService);
  if (candidates.length > 1) throw new AmbiguousTargetError(name, "the compose service", candidates);
  const [only] = candidates;
  if (only) return { kind: "container", info: await containers.inspect(only.Id) };
  if (image) return { kind: "image", name, image };
  throw unknownTarget(name, all, options.images);
}

/** A service's exited containers (of `compose run`) do not stand in the way of the one that runs. */
function preferLive(candidates: readonly ContainerSummary[]): readonly ContainerSummary[] {
  const live = candidates.filter(({ State }) => State === "running" || State === "paused" || State === "restarting");
  return live.length > 0 ? live : candidates;
}

function unknownTarget(name: string, all: readonly ContainerSummary[], images: boolean): UsageError {
  const names = all.flatMap((container) => [nameOf(container), container.Labels[service] ?? ""]).filter(Boolean);
  const near = nearest(name, names);
  const hint = [
    ...(near === undefined ? [] : [`Did you mean ${near}?`]),
    ...(all.length === 0 ? ["The engine has no containers."] : ["Containers:"]),
    ...all.slice(0, listed).map(candidateLine),
    ...(all.length > listed ? [`  and ${String(all.length - listed)} more`] : []),
    ...(images ? ["An image that the engine does not have can be pulled: docker pull."] : []),
  ];
  return new UsageError(
    `There is no container${images ? ", compose service or image" : " or compose service"} ${name}`,
    {
      hint: hint.join("\n"),
    },
  );
}

/** Candidates shown in a message. */
const listed = 10;

/** A container's name without the engine's slash. */
export function nameOf(container: { readonly Names?: readonly string[]; readonly Name?: string }): string {
  return (container.Name ?? container.Names?.[0] ?? "").replace(/^\//, "");
}

function candidateLine(container: ContainerSummary): string {
  return `  ${nameOf(container)}  ${container.Id.slice(0, 12)}  ${container.Image}  ${container.Status}`;
}
