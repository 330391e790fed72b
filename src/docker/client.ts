import { Agent } from "node:http";
import type { Duplex } from "node:stream";
import Dockerode from "dockerode";
import { dial, type DockerConnection } from "./connection.js";

/**
 * dockerode over dfdebug's own way to the engine (contexts, TLS, ssh through ssh itself), with the version that was
 * negotiated. For containers; a build needs none of it and does not load it. Its connections are closed by the
 * connection's end.
 */
export function dockerClient(connection: DockerConnection): Dockerode {
  const agent = new DialingAgent(connection);
  connection.own({
    [Symbol.asyncDispose]: async () => {
      agent.destroy();
    },
  });
  // dockerode passes every option on to docker-modem, whose `agent` its types do not know.
  const options = { protocol: "http" as const, host: "docker", port: 80, version: `v${connection.apiVersion}`, agent };
  return new Dockerode(options);
}

class DialingAgent extends Agent {
  private readonly connection: DockerConnection;

  constructor(connection: DockerConnection) {
    // Kept alive: over ssh each connection is a process of its own.
    super({ keepAlive: true, maxFreeSockets: 4 });
    this.connection = connection;
  }

  override createConnection(_options: object, callback?: (error: Error | null, socket: Duplex) => void): undefined {
    dial(this.connection.endpoint, {}).then(
      (socket) => callback?.(null, socket),
      (error: unknown) => callback?.(error as Error, undefined as unknown as Duplex),
    );
    return undefined;
  }
}
