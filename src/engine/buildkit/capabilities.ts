import type { EngineCapabilities } from "../engine.js";
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
    limits.push("Signals do not reach processes in a step's container.");
  }
  if (signals && !secretEnv) limits.push("Secrets given as environment variables are missing in a step's shell.");
  return {
    dirtyState: signals,
    heredocs: signals,
    signals,
    secretEnv,
    multiPlatform: llb.has("mergeop"),
    limits,
  };
}
