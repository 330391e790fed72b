import { BuildError } from "../../errors.js";
import type { BuildRequest, ImageConfig } from "../engine.js";
import { buildMetadata, randomId, unary, type BuildkitConnection } from "./connection.js";
import { CallError } from "./failures.js";
import { planError } from "./failure-report.js";
import type { PlannedGraph } from "./planned-graph.js";
import type { BuildkitState } from "./state.js";
import { BuildGraph } from "./graph.js";

/** Makes an image of a state with a Control.Solve of its own; what is built already is not built again. Returns its id. */
export async function exportState(
  parts: { connection: BuildkitConnection; request: BuildRequest; session: { id: string } },
  planned: PlannedGraph,
  state: BuildkitState,
  name: string | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { control } = parts.connection;
  const ref = randomId();
  const attrs = {
    ...(name === undefined ? {} : { name }),
    "containerimage.config": JSON.stringify(imageOf(planned, state.config)),
  };
  try {
    const response = await unary(
      control,
      "solve",
      {
        Ref: ref,
        Definition: state.edge ? planned.graph.upTo(state.edge) : BuildGraph.empty(),
        ExporterDeprecated: "moby",
        ExporterAttrsDeprecated: attrs,
        Session: parts.session.id,
        Frontend: "",
        FrontendAttrs: {},
        Cache: { Exports: [], Imports: [] },
        Entitlements: [],
        Internal: false,
        Exporters: [{ Type: "moby", Attrs: attrs }],
      },
      buildMetadata(ref),
      signal,
    );
    return response.ExporterResponse["containerimage.digest"] ?? "";
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    if (error.message === "") throw new BuildError("The image could not be made", { code: "EXPORT", cause: error });
    throw planError(error, parts.request, planned.plan.dockerfile);
  }
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
