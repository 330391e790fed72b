import { status as grpcStatus, type Metadata } from "@grpc/grpc-js";
import { log } from "../../log.js";
import type { ImageConfig } from "../engine.js";
import { unary, type BuildkitConnection } from "./connection.js";
import { CallError } from "./failures.js";
import type { PongResponse, Result, ReturnRequest, SolveRequest } from "./gen/gateway.js";
import { Op, type Definition, type Platform } from "./gen/ops.js";
import { BuildGraph, marshal, type Edge } from "./graph.js";

export interface SolvedState {
  readonly status: "solved";
  /** BuildKit's id of the result; empty for the empty filesystem. Valid as long as the build. */
  readonly id: string;
}

export interface SolvedFailure {
  readonly status: "failed";
  readonly error: CallError;
}

interface Registration {
  readonly pong: PongResponse;
  /** More than one: it took longer than the engine waits for it. */
  readonly attempts: number;
}

/** The LLBBridge calls of one build, and the states already solved in it. */
export class Solver {
  private readonly connection: BuildkitConnection;
  private readonly metadata: Metadata;
  private readonly solved = new Map<string, string>();
  /** Digests of ops that the engine was told of in this build. */
  private readonly known = new Set<string>();
  private registered: Promise<Registration> | undefined;
  /** Rejects when the build as a whole ends early (session lost, engine stopped): pending calls would wait for ever. */
  private readonly broken: Promise<never>;

  constructor(parts: { connection: BuildkitConnection; metadata: Metadata; outcome: Promise<unknown> }) {
    this.connection = parts.connection;
    this.metadata = parts.metadata;
    this.broken = new Promise((_resolve, reject) => {
      parts.outcome.catch((error: unknown) => {
        reject(error instanceof Error ? error : new Error(String(error)));
      });
    });
    this.broken.catch(() => undefined);
  }

  /** What this BuildKit can do, asked once. Waits until the build is registered, which is asynchronous. Rejects with CallError. */
  async ping(signal?: AbortSignal): Promise<PongResponse> {
    this.registered ??= this.register(signal);
    return (await this.registered).pong;
  }

  /**
   * Runs the Dockerfile frontend: the graph and the image's configuration, nothing built. Sent without waiting for the
   * build's registration, for which the engine itself waits up to three seconds. Rejects with CallError.
   */
  async frontend(options: Record<string, string>, signal?: AbortSignal): Promise<Result> {
    const ask = (): Promise<Result | undefined> =>
      this.solveRequest({ Frontend: "dockerfile.v0", FrontendOpt: options, Evaluate: false }, signal);
    const result = await ask().catch(async (error: unknown) => {
      const wasEarly = error instanceof CallError && ((await this.registered)?.attempts ?? 1) > 1;
      if (!wasEarly) throw error;
      return ask();
    });
    if (!result) throw new CallError("the frontend gave no result", { code: grpcStatus.INTERNAL });
    return result;
  }

  /** Builds everything up to an edge; undefined is the empty filesystem. A failed step is a value. */
  async solve(edge: Edge | undefined, graph: BuildGraph, signal?: AbortSignal): Promise<SolvedState | SolvedFailure> {
    if (!edge) return { status: "solved", id: "" };
    const key = `${edge.digest}:${String(edge.index)}`;
    const known = this.solved.get(key);
    if (known !== undefined) return { status: "solved", id: known };
    const whole = graph.result?.digest === edge.digest && graph.result.index === edge.index;
    try {
      const id = await this.solveDefinition(
        whole ? graph.toResult() : graph.upTo(edge, (digest) => this.known.has(digest)),
        signal,
      );
      this.solved.set(key, id);
      graph.addTo(this.known, edge);
      return { status: "solved", id };
    } catch (error) {
      if (error instanceof CallError) return { status: "failed", error };
      throw error;
    }
  }

  /** Solves one source by itself: an image, a folder of this machine. Rejects with CallError. */
  solveSource(identifier: string, attrs: Record<string, string>, name: string, signal?: AbortSignal): Promise<string> {
    const source = marshal(Op.fromPartial({ op: { $case: "source", value: { identifier, attrs } } }));
    const graph = BuildGraph.ofOne(source, name);
    return this.solveDefinition(graph, signal);
  }

  /** The configuration of an image, as JSON of the OCI image-spec. */
  async imageConfig(name: string, platform: Platform | undefined, signal?: AbortSignal): Promise<ImageConfig> {
    const { bridge } = this.connection;
    const response = await this.guard(
      unary(
        bridge,
        "resolveImageConfig",
        { Ref: name, Platform: platform, ResolveMode: "local", LogName: "" },
        this.metadata,
        signal,
      ),
    );
    const image = JSON.parse(Buffer.from(response.Config).toString("utf8")) as { config?: ImageConfig };
    return image.config ?? {};
  }

  /** Ends the build with a result to export, or with an error. */
  async return(request: ReturnRequest, signal?: AbortSignal): Promise<void> {
    const { bridge } = this.connection;
    await this.guard(unary(bridge, "return", request, this.metadata, signal));
  }

  private async register(signal: AbortSignal | undefined): Promise<Registration> {
    const { bridge } = this.connection;
    for (let attempts = 1; ; attempts++) {
      try {
        const pong = await this.guard(unary(bridge, "ping", {}, this.metadata, signal));
        log("buildkit", "registered", { attempts });
        return { pong, attempts };
      } catch (error) {
        if (!(error instanceof CallError) || attempts === 40) throw error;
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    }
  }

  private async solveDefinition(definition: Definition, signal?: AbortSignal): Promise<string> {
    log("buildkit", "solve", { ops: definition.def.length });
    // Without allowResultArrayRef the answer is an id alone: it has not the whole definition in it once more.
    const request = { Definition: definition, Evaluate: true, allowResultArrayRef: false };
    const result = await this.solveRequest(request, signal);
    log("buildkit", "solved", { ops: definition.def.length });
    const value = result?.result;
    if (value?.$case === "ref") return value.value.id;
    return value?.$case === "refDeprecated" ? value.value : "";
  }

  private async solveRequest(request: Partial<SolveRequest>, signal?: AbortSignal): Promise<Result | undefined> {
    const { bridge } = this.connection;
    const response = await this.guard(
      unary(
        bridge,
        "solve",
        {
          Definition: undefined,
          Frontend: "",
          FrontendOpt: {},
          allowResultReturn: true,
          allowResultArrayRef: true,
          FrontendInputs: {},
          Evaluate: true,
          ...request,
        },
        this.metadata,
        signal,
      ),
    );
    return response.result;
  }

  private guard<T>(call: Promise<T>): Promise<T> {
    return Promise.race([call, this.broken]);
  }
}
