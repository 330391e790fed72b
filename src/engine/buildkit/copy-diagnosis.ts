import { posix } from "node:path";
import { diagnoseCopy, nearestNames } from "../context.js";
import type { BuildRequest, CopyDiagnosis, Step } from "../engine.js";
import { mountField, mountFields } from "../../dockerfile/mount.js";
import type { Flag } from "../../dockerfile/syntax.js";
import { localContexts } from "./build-session.js";
import { edge, type Edge, type Vertex } from "./graph.js";
import type { PlannedGraph, StateSource } from "./planned-graph.js";
import type { FileAction } from "./gen/ops.js";

/** Why a COPY, an ADD or the bind mount of a RUN failed to find its source; undefined where it failed for another reason. */
export async function diagnoseCopyStep(
  input: {
    step: Step;
    planned: PlannedGraph;
    source: StateSource;
    request: BuildRequest;
    signal: AbortSignal | undefined;
  },
  message: string,
): Promise<CopyDiagnosis | undefined> {
  const { vertex } = input.planned.place(input.step);
  if (!vertex || !/not found|no such file|no source files/i.test(message)) return undefined;
  const sources = copySources(vertex);
  // A RUN may miss something else: BuildKit quotes what it looked for in a mount.
  const isRun = vertex.op.op?.$case === "exec";
  const wanted = isRun
    ? sources.find(({ path }) => message.includes(`"${path}": not found`) || message.includes(`"${path}" not found`))
    : (sources.find(({ path }) => message.includes(path)) ?? sources[0]);
  if (!wanted) return undefined;
  const origin = input.planned.graph.vertex(wanted.state?.digest);
  const source = origin?.op.op;
  if (source?.$case === "source" && source.value.identifier.startsWith("local://")) {
    const name = source.value.identifier.slice("local://".length);
    if (name === "context" && input.request.context.kind === "empty")
      return {
        pattern: asWritten(wanted.path, input.step),
        where: "build context, which is empty: a Dockerfile on standard input comes without one",
        near: [],
        excludedBy: undefined,
      };
    const folder = contextFolder(input.request, name);
    if (folder === undefined) return undefined;
    const found = await diagnoseCopy({
      pattern: wanted.path,
      contextDir: folder,
      dockerfilePath: input.request.dockerfilePath,
    });
    const pattern = asWritten(wanted.path, input.step);
    return {
      pattern,
      ...(leavesRoot(pattern) ? { insideContext: wanted.path.replace(/^\//, "") } : {}),
      where: name === "context" ? "build context" : `context "${name.replace(/^_/, "")}"`,
      ...found,
    };
  }
  return {
    pattern: asWritten(wanted.path, input.step),
    where: originName(input.step, origin, wanted.path),
    near: await nearInState(input, wanted),
    excludedBy: undefined,
  };
}

interface CopySource {
  /** Absolute in its tree. */
  readonly path: string;
  readonly state: Edge | undefined;
}

function copySources(vertex: Vertex): CopySource[] {
  const { op } = vertex.op;
  if (op?.$case === "exec")
    return op.value.mounts.flatMap(({ selector, input, dest }) =>
      selector === "" || dest === "/" ? [] : [{ path: selector, state: edge(vertex.op, input) }],
    );
  if (op?.$case !== "file") return [];
  return op.value.actions.flatMap((action: FileAction) =>
    action.action?.$case === "copy"
      ? [{ path: action.action.value.src, state: edge(vertex.op, action.secondaryInput) }]
      : [],
  );
}

/** The source as the user wrote it, where it can be told; else as the engine looked for it. */
function asWritten(path: string, step: Step): string {
  const relative = path.replace(/^\//, "");
  const { args, json, flags } = step.instruction;
  const written = [...(json ?? args.map(({ text }) => text)), ...flags.flatMap((flag) => mountSource(flag) ?? [])];
  return written.find((text) => posix.join("/", text) === `/${relative}`) ?? relative;
}

/** Whether a path's `..` lead above where it begins. */
function leavesRoot(path: string): boolean {
  return posix.normalize(path.replace(/^\/+/, "")).split("/")[0] === "..";
}

/** The `source` of a --mount. */
function mountSource({ name, value }: Flag): string | undefined {
  return name === "mount" ? mountField(mountFields(value ?? "") ?? [], "source", "src") : undefined;
}

/** The stage or image that the instruction reads a path from. */
function fromOf(step: Step, path: string): string | undefined {
  for (const flag of step.instruction.flags) {
    if (flag.name === "from") return flag.value;
    if (mountSource(flag)?.replace(/^(\.?\/)*/, "/") === path)
      return mountField(mountFields(flag.value ?? "") ?? [], "from");
  }
  return undefined;
}

function contextFolder(request: BuildRequest, name: string): string | undefined {
  if (name === "context") return request.context.kind === "directory" ? request.context.path : undefined;
  return localContexts(request.buildContexts).get(name);
}

function originName(step: Step, origin: Vertex | undefined, path: string): string {
  const from = fromOf(step, path);
  if (from === undefined) return "build context";
  return origin?.op.op?.$case === "source" && step.dependsOn.length < 2 ? `image "${from}"` : `stage "${from}"`;
}

/** Names beside the missing one, in the folder of the other tree that does exist. */
async function nearInState(
  input: { planned: PlannedGraph; source: StateSource; step: Step; signal: AbortSignal | undefined },
  wanted: CopySource,
): Promise<string[]> {
  const parts = wanted.path.split("/").filter((part) => part !== "");
  try {
    const state = await input.planned.state(input.source, wanted.state, input.step, "before", input.signal);
    let folder = "";
    for (const part of parts) {
      const names = (await state.readDir(folder || "/")).map((entry) => entry.name);
      if (names.includes(part)) folder += `/${part}`;
      else return nearestNames(part, names).map((name) => `${folder}/${name}`);
    }
  } catch {
    // The tree itself cannot be read: the card does without suggestions.
  }
  return [];
}
