import { Containers } from "../../src/docker/containers.js";
import { DockerConnection } from "../../src/docker/connection.js";
import { resolveEndpoint } from "../../src/docker/endpoint.js";
import type { Lifetime } from "../../src/lifetime.js";
import { ownerLabels } from "../../src/sidecar/labels.js";
import { sidecarRights } from "../../src/sidecar/rights.js";
import { Sidecar } from "../../src/sidecar/sidecar.js";
import { resolveToolboxImage } from "../../src/sidecar/toolbox.js";
import type { TestEngine } from "./engines.js";

const request = { privileged: false, capAdd: [], readOnly: false, binds: [], mounts: [] };

/** The static toolbox beside a container; `lifetime` owns it. */
export async function openSidecar(engine: TestEngine, name: string, lifetime: Lifetime): Promise<Sidecar> {
  const endpoint = await resolveEndpoint({ host: engine.host, env: process.env });
  const connection = lifetime.own(await DockerConnection.connect(endpoint, {}));
  const containers = new Containers(connection);
  const toolbox = await resolveToolboxImage({
    image: undefined,
    connection,
    env: process.env,
    platform: () => Promise.resolve(undefined),
    credentials: () => Promise.resolve({ secret: undefined, reason: "none is needed" }),
  });
  const sidecar = await Sidecar.open({
    containers,
    toolbox,
    rights: sidecarRights(await containers.inspect(name), request),
    readOnly: false,
    label: name,
    labels: ownerLabels(),
    env: [],
    targetEnv: [],
    targetCwd: "/",
    signal: new AbortController().signal,
  });
  return lifetime.own(sidecar);
}
