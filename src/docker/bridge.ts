import { isIPv4 } from "node:net";
import { orUndefined } from "./absent.js";
import type { DockerConnection } from "./connection.js";

interface NetworkInfo {
  readonly IPAM?: { readonly Config?: readonly { readonly Gateway?: string }[] | null };
}

/** The engine's own IPv4 address on its default bridge; undefined where it has none. Rejects with EngineError. */
export async function bridgeGateway(
  connection: DockerConnection,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const bridge = await orUndefined(connection.json<NetworkInfo>("GET", "/networks/bridge", { signal }));
  const gateways = (bridge?.IPAM?.Config ?? []).flatMap(({ Gateway }) => Gateway ?? []);
  // Engines before 24 write some with the length of the subnet.
  return gateways.map((gateway) => gateway.replace(/\/.*$/, "")).find((gateway) => isIPv4(gateway));
}
