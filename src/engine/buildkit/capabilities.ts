import { UsageError } from "../../errors.js";
import type { BuildRequest, EngineCapabilities } from "../engine.js";
import type { PongResponse } from "./gen/gateway.js";

/**
 * What a BuildKit can do, from the capabilities it lists. Error details (dirty state) came with BuildKit 0.9 and have no
 * capability of their own; `gateway.exec.signals` (0.10) is the nearest one that every engine with them lists.
 */
export function capabilitiesOf(pong: PongResponse): EngineCapabilities {
  const frontend = new Set(pong.FrontendAPICaps.filter((cap) => cap.Enabled).map((cap) => cap.ID));
  const llb = new Set(pong.LLBCaps.filter((cap) => cap.Enabled).map((cap) => cap.ID));
  const signals = frontend.has("gateway.exec.signals");
  const secretEnv = frontend.has("gateway.exec.secretenv");
  const limits: string[] = [];
  if (!signals) {
    limits.push(
      "The state that a failed step left cannot be opened: this BuildKit (before 0.10) sends no details of errors.",
    );
    limits.push("Its own Dockerfile frontend knows no heredocs, COPY --link, RUN --network or ADD --checksum.");
    limits.push("It knows no --build-context. Signals and hosts of --add-host do not reach a step's container.");
  }
  if (signals && !secretEnv) limits.push("Secrets given as environment variables are missing in a step's shell.");
  return {
    dirtyState: signals,
    heredocs: signals,
    namedContexts: signals,
    signals,
    secretEnv,
    multiPlatform: llb.has("mergeop"),
    limits,
  };
}

/** Throws UsageError, code ENGINE_LACKS, for what this engine would ignore without a word. */
export function refuseIgnored(
  request: Pick<BuildRequest, "buildContexts" | "dockerfile" | "ignoreSyntax">,
  capabilities: EngineCapabilities,
): void {
  const [name] = request.buildContexts.keys();
  const ownFrontend =
    request.ignoreSyntax || !request.dockerfile?.directives.some((directive) => directive.name === "syntax");
  if (name === undefined || capabilities.namedContexts || !ownFrontend) return;
  throw new UsageError(`--build-context ${name}: this engine's own Dockerfile frontend knows no named contexts`, {
    code: "ENGINE_LACKS",
    hint: "Docker Engine 23.0 and later do, and `# syntax=docker/dockerfile:1` as the first line brings one that does (pulled from a registry).",
  });
}
