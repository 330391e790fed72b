import { BuildError } from "../../errors.js";
import type { BuildRequest, ImageConfig } from "../engine.js";
import { buildMetadata, randomId, unary, type BuildkitConnection } from "./connection.js";
import { CallError } from "./failures.js";
import { planError } from "./failure-report.js";
import type { AskedRegistries } from "./registry-failure.js";
import { BuildGraph } from "./graph.js";
import type { PlannedGraph } from "./planned-graph.js";
import { Solver } from "./solver.js";
import type { BuildkitState } from "./state.js";

/**
 * Makes an image of a state, in a build of its own beside the one that is open; what is built already is not built again.
 * The configuration goes with the result, for the engine's exporter reads it nowhere else. Returns the image's id.
 */
export async function exportState(
  parts: {
    connection: BuildkitConnection;
    request: BuildRequest;
    session: { id: string };
    registries: AskedRegistries;
  },
  planned: PlannedGraph,
  state: BuildkitState,
  name: string | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { connection } = parts;
  const { control } = connection;
  const ref = randomId();
  const metadata = buildMetadata(ref);
  const ending = new AbortController();
  const outcome = unary(
    control,
    "solve",
    openSolve(ref, parts.session.id, name === undefined ? [] : [name], []),
    metadata,
    ending.signal,
  ).then((response) => response.ExporterResponse);
  outcome.catch(() => undefined);
  try {
    const solver = new Solver({ connection, metadata, outcome });
    await solver.ping(signal);
    const graph = new BuildGraph(state.edge ? planned.graph.upTo(state.edge) : BuildGraph.empty());
    const solved = await solver.solve(graph.result, graph, signal);
    if (solved.status === "failed") throw solved.error;
    const config = Buffer.from(JSON.stringify(imageOf(planned, state.config)));
    await solver.return(
      {
        result: {
          result: solved.id === "" ? undefined : { $case: "ref", value: { id: solved.id, def: undefined } },
          metadata: { "containerimage.config": config },
        },
        error: undefined,
      },
      signal,
    );
    const response = await outcome;
    return response["containerimage.digest"] ?? response["containerimage.config.digest"] ?? "";
  } catch (error) {
    ending.abort();
    if (!(error instanceof CallError)) throw error;
    if (error.message === "") throw new BuildError("The image could not be made", { code: "EXPORT", cause: error });
    throw planError(error, parts, planned.plan.dockerfile);
  }
}

/** The solve that stays open: no frontend and no definition, for dfdebug is the frontend; it exports to the engine's images. */
export function openSolve(
  ref: string,
  session: string,
  names: readonly string[],
  entitlements: readonly string[],
): Parameters<BuildkitConnection["control"]["solve"]>[0] {
  const attrs: Record<string, string> = names.length > 0 ? { name: names.join(",") } : {};
  return {
    Ref: ref,
    Definition: undefined,
    ExporterDeprecated: "moby",
    ExporterAttrsDeprecated: attrs,
    Session: session,
    Frontend: "",
    FrontendAttrs: {},
    Cache: { Exports: [], Imports: [] },
    Entitlements: [...entitlements],
    Internal: false,
    Exporters: [{ Type: "moby", Attrs: attrs }],
  };
}

/** An image-spec Image for a state: the exporter adds layers and history for them. */
function imageOf(planned: PlannedGraph, config: ImageConfig): object {
  const final = planned.resultMetadata["containerimage.config"];
  const { architecture, os, variant } = final
    ? (JSON.parse(final.toString("utf8")) as { architecture?: string; os?: string; variant?: string })
    : {};
  return {
    architecture,
    os,
    ...(variant ? { variant } : {}),
    config,
    rootfs: { type: "layers", diff_ids: [] },
    history: [],
  };
}
