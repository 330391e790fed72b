import type { Metadata } from "@grpc/grpc-js";
import { CancelledError, EngineError } from "../../errors.js";
import { log } from "../../log.js";
import { buildMetadata, randomId, unary, type BuildkitConnection } from "./connection.js";
import { CallError, engineLost } from "./failures.js";
import type { Result } from "./gen/gateway.js";
import { Solver } from "./solver.js";

/** gRPC's CANCELLED (google.rpc.Code), as BuildKit is told of a build that was given up. */
const cancelledCode = 1;

export interface SolveOptions {
  readonly session: string;
  /** Image names; empty: the image has only its id. */
  readonly names: readonly string[];
  readonly entitlements?: readonly string[];
  /** What the build as a whole fails with, for people. */
  readonly translate?: (error: CallError) => Error;
  /** Called when the engine ends it, or goes away, before it was given a result or given up. */
  readonly onLost?: (error: EngineError) => void;
}

/**
 * A Control.Solve without a frontend and without a definition: it stays open until it is given a result, for dfdebug is the
 * frontend. What it solved, and what failed in it, the engine keeps as long. It exports to the engine's images.
 */
export class OpenSolve implements AsyncDisposable {
  readonly ref = randomId();
  /** Ties calls to this solve. */
  readonly metadata: Metadata;
  readonly solver: Solver;
  /** The exporter's answer, once the solver returned a result; rejects when the solve ends otherwise. */
  readonly outcome: Promise<Readonly<Record<string, string>>>;
  private readonly ending = new AbortController();
  /** It is to end. */
  private isOver = false;
  private hasFailed = false;

  constructor(connection: BuildkitConnection, options: SolveOptions) {
    const { translate = (error: CallError): Error => error } = options;
    this.metadata = buildMetadata(this.ref);
    this.outcome = unary(
      connection.control,
      "solve",
      solveRequest(this.ref, options),
      this.metadata,
      this.ending.signal,
    ).then(
      (response) => response.ExporterResponse,
      (error: unknown) => {
        throw error instanceof CallError ? translate(error) : error;
      },
    );
    this.outcome.catch((error: unknown) => {
      this.hasFailed = true;
      log("buildkit", "solve ended", { ref: this.ref, error: String(error) });
      if (!this.isOver) options.onLost?.(error instanceof EngineError ? error : engineLost(error));
    });
    this.solver = new Solver({ connection, metadata: this.metadata, outcome: this.outcome });
  }

  /** Gives it its result. Resolves with what its exporter made of that. Rejects with what the solve fails with. */
  async finish(result: Result, signal?: AbortSignal): Promise<Readonly<Record<string, string>>> {
    this.isOver = true;
    await this.solver.return({ result, error: undefined }, signal);
    return this.outcome;
  }

  /** Gives it up, and resolves when the engine has let go of all that it kept for it. Rejects with EngineError when that is lost. */
  async close(): Promise<void> {
    const error = { code: cancelledCode, message: "the build goes on in another solve", details: [] };
    this.isOver = true;
    // The engine forgets a solve before it answers it; a call that is merely cancelled ends here first.
    try {
      await this.solver.return({ result: undefined, error });
    } catch (failure) {
      // The solve's own end, which is that error, may be here before the answer.
      if (!this.hasFailed) throw failure;
    }
    await this.outcome.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isOver = true;
    this.ending.abort(new CancelledError("The build was closed"));
  }
}

function solveRequest(ref: string, options: SolveOptions): Parameters<BuildkitConnection["control"]["solve"]>[0] {
  const { session, names, entitlements = [] } = options;
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
