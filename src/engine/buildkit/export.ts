import { BuildError } from "../../errors.js";
import type { BuildRequest, ImageConfig } from "../engine.js";
import type { BuildkitConnection } from "./connection.js";
import { CallError } from "./failures.js";
import { planError } from "./plan-error.js";
import type { AskedRegistries } from "./registry-failure.js";
import { BuildGraph } from "./graph.js";
import { OpenSolve } from "./open-solve.js";
import type { PlannedGraph } from "./planned-graph.js";
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
  await using solve = new OpenSolve(parts.connection, {
    session: parts.session.id,
    names: name === undefined ? [] : [name],
  });
  const { solver } = solve;
  try {
    await solver.ping(signal);
    const graph = new BuildGraph(state.edge ? planned.graph.upTo(state.edge) : BuildGraph.empty());
    const solved = await solver.solve(graph.result, graph, signal);
    if (solved.status === "failed") throw solved.error;
    const config = Buffer.from(JSON.stringify(imageOf(planned, state.config)));
    const response = await solve.finish(
      {
        result: solved.id === "" ? undefined : { $case: "ref", value: { id: solved.id, def: undefined } },
        metadata: { "containerimage.config": config },
      },
      signal,
    );
    return response["containerimage.digest"] ?? response["containerimage.config.digest"] ?? "";
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    if (error.message === "") throw new BuildError("The image could not be made", { code: "EXPORT", cause: error });
    throw planError(error, parts, planned.plan.dockerfile);
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
