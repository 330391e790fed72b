import { status as grpcStatus, type ServiceError } from "@grpc/grpc-js";
import { EngineError, type DfdebugError } from "../../errors.js";
import { Status } from "./gen/status.js";

/** What BuildKit says of a failed solve (errdefs.Solve): ids of states that can be mounted. */
export interface SolveDetail {
  readonly inputIDs: readonly string[];
  readonly mountIDs: readonly string[];
  /** FileOp: which action failed. */
  readonly fileIndex: number | undefined;
  /** The state whose cache key could not be computed: the searched tree of a COPY that found nothing. */
  readonly cacheIndex: number | undefined;
}

/** Lines of the Dockerfile that an error is about. */
export interface SourceDetail {
  readonly filename: string;
  readonly startLine: number;
  readonly endLine: number;
}

/**
 * A gRPC call that BuildKit answered with an error, with its typed details (BuildKit 0.9 and later; engine 20.10 sends
 * none). Not shown to people: whoever made the call translates it.
 */
export class CallError extends Error {
  readonly code: number;
  readonly vertex: string | undefined;
  readonly solve: SolveDetail | undefined;
  readonly sources: readonly SourceDetail[];
  readonly exitCode: number | undefined;

  constructor(
    message: string,
    details: {
      code: number;
      vertex?: string | undefined;
      solve?: SolveDetail | undefined;
      sources?: readonly SourceDetail[];
      exitCode?: number | undefined;
      cause?: unknown;
    },
  ) {
    super(message, { cause: details.cause });
    this.name = "CallError";
    this.code = details.code;
    this.vertex = details.vertex;
    this.solve = details.solve;
    this.sources = details.sources ?? [];
    this.exitCode = details.exitCode;
  }
}

/** Reads the details in the trailer `grpc-status-details-bin`; the engine's loss becomes an EngineError. */
export function callError(error: ServiceError): CallError | DfdebugError {
  if (error.code === grpcStatus.UNAVAILABLE) return engineLost(error);
  const collected: Collected = { sources: [] };
  for (const trailer of error.metadata?.get("grpc-status-details-bin") ?? []) {
    if (typeof trailer === "string") continue;
    for (const any of Status.decode(trailer).details) {
      const value = parseJson(any.value);
      if (value) read(collected, any.type_url, value);
    }
  }
  return new CallError(error.details, { code: error.code, cause: error, ...collected });
}

/** Where an engine has a step's filesystem mounted while it works on it. */
const engineRoots =
  /(?<![^\s"':=])\/[^\s"':]*?(?:overlay2\/\w+\/(?:merged|diff)|snapshots\/\d+\/fs|buildkit-mount\d+|executor\/\w+\/rootfs)(?=\/)/g;

/** An engine's message without the chain of functions it came through, and with a step's paths as the step sees them. */
export function cleaned(message: string): string {
  return message
    .replace(engineRoots, "")
    .replace(
      /^(?:(?:failed to (?:solve(?: with frontend [\w.]+)?|compute cache key|create LLB definition|calculate checksum of ref \S+(?=:\s)|build LLB|load cache key|do request)|rpc error: code = \w+ desc =|executor failed running)[: ]\s*)+/i,
      "",
    )
    .replace(/:? not found: not found$/, ": not found")
    .trim();
}

/** Whether the engine ran out of room, of which only the kernel's words come through. */
export function diskFull(message: string): boolean {
  return /no space left on device|disk quota exceeded/i.test(message);
}

/** What to do about it. A disk without a byte left keeps BuildKit from removing anything, too. */
export const diskFullHint =
  "`docker system df` shows what takes the room; `docker builder prune` and `docker image prune` free some (where even they fail, free some beside the engine's data first). What was built stays cached.";

/** The engine went away in the middle of something. */
export function engineLost(cause: unknown): EngineError {
  return new EngineError("The connection to the engine was lost", {
    code: "ENGINE_LOST",
    cause,
    hint: "What was built stays in the engine's cache: run the same command again when the engine is back. `dfdebug doctor` says what is reachable.",
  });
}

interface Collected {
  vertex?: string | undefined;
  solve?: SolveDetail;
  sources: SourceDetail[];
  exitCode?: number;
}

type Json = Readonly<Record<string, unknown>>;

/** One detail's JSON into what we keep of it. Go writes protobuf one-ofs and enums in several spellings over time. */
function read(into: Collected, type: string, value: Json): void {
  switch (type.replace(/^.*\//, "")) {
    case "errdefs.Vertex+json":
      into.vertex ??= text(value["digest"]);
      break;
    case "errdefs.Solve+json": {
      const subject = object(value["Subject"]) ?? value;
      const file = object(subject["file"]) ?? object(subject["File"]);
      const cache = object(subject["cache"]) ?? object(subject["Cache"]);
      into.solve ??= {
        inputIDs: strings(value["inputIDs"]),
        mountIDs: strings(value["mountIDs"]),
        fileIndex: file && Number(file["index"] ?? 0),
        cacheIndex: cache && Number(cache["index"] ?? 0),
      };
      break;
    }
    case "errdefs.Source+json": {
      const info = object(value["info"]);
      for (const range of array(value["ranges"])) {
        const start = object(object(range)?.["start"]);
        const end = object(object(range)?.["end"]);
        into.sources.push({
          filename: text(info?.["filename"]) ?? "",
          startLine: Number(start?.["line"] ?? 0),
          endLine: Number(end?.["line"] ?? start?.["line"] ?? 0),
        });
      }
      break;
    }
    case "gatewayapi.ExitMessage+json":
      into.exitCode ??= Number(value["Code"] ?? value["code"] ?? 0);
      break;
  }
}

function parseJson(bytes: Uint8Array): Json | undefined {
  try {
    return object(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch {
    return undefined;
  }
}

function object(value: unknown): Json | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

function array(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function strings(value: unknown): string[] {
  return array(value).map((entry) => (typeof entry === "string" ? entry : ""));
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
