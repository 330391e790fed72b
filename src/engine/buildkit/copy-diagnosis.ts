import { diagnoseCopy, nearestNames } from "../context.js";
import type { BuildRequest, CopyDiagnosis, Step } from "../engine.js";
import { edge, type Edge, type Vertex } from "./graph.js";
import type { PlannedGraph, StateSource } from "./planned-graph.js";
import type { FileAction } from "./gen/ops.js";

/** Why a COPY or ADD failed to find its source; undefined where it failed for another reason. */
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
  const wanted = sources.find(({ path }) => message.includes(path)) ?? sources[0];
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
    return {
      pattern: asWritten(wanted.path, input.step),
      where: name === "context" ? "build context" : `context "${name}"`,
      ...found,
    };
  }
  return {
    pattern: asWritten(wanted.path, input.step),
    where: originName(input.step, origin),
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
  return step.instruction.args.find((arg) => arg.text.replace(/^(\.?\/)+/, "") === relative)?.text ?? relative;
}

function contextFolder(request: BuildRequest, name: string): string | undefined {
  if (name === "context") return request.context.kind === "directory" ? request.context.path : undefined;
  return request.buildContexts.get(name);
}

function originName(step: Step, origin: Vertex | undefined): string {
  const from = step.instruction.flags.find((flag) => flag.name === "from")?.value;
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
