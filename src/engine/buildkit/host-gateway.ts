import { Metadata } from "@grpc/grpc-js";
import { UsageError } from "../../errors.js";
import { hostGateway, type ExtraHost } from "../engine.js";
import { unary } from "./connection.js";
import type { ControlClient } from "./gen/control.js";

/** Where engines from 23.0 on say what `host-gateway` is: by their --host-gateway-ip, or their default bridge. */
const label = "org.mobyproject.buildkit.worker.moby.host-gateway-ip";

/**
 * The hosts with an address in place of `host-gateway`, which docker's API puts in and BuildKit does not know. The engine is
 * asked only where there is one. `bridgeGateway`: what older engines take. Rejects with UsageError where there is no address.
 */
export async function withHostGateway(
  hosts: readonly ExtraHost[],
  control: ControlClient,
  bridgeGateway: () => Promise<string | undefined>,
  signal: AbortSignal | undefined,
): Promise<readonly ExtraHost[]> {
  const wanted = hosts.find(({ address }) => address === hostGateway);
  if (!wanted) return hosts;
  const { record } = await unary(control, "listWorkers", { filter: [] }, new Metadata(), signal);
  const address = record.map(({ Labels }) => Labels[label]).find(Boolean) ?? (await bridgeGateway());
  if (!address)
    throw new UsageError(`--add-host ${wanted.host}:${hostGateway}: this engine does not say which address that is`, {
      code: "ENGINE_LACKS",
      hint: "It has no default bridge (--bridge=none): give the address itself.",
    });
  return hosts.map((host) => (host.address === hostGateway ? { ...host, address } : host));
}
