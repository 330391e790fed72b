import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { cancellation } from "../errors.js";
import type { DockerEndpoint } from "./endpoint.js";
import { dialError } from "./errors.js";
import { LendingSocket } from "./lending-socket.js";

export interface ConnectOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Resolves when the requests that were begun have left: what takes its time and is needed behind them is done while the engine
 * answers.
 */
export async function requestsLeft(): Promise<void> {
  // A socket is connected in the turn after its call, and written to in that one.
  await nextTurn();
  await nextTurn();
}

/** One raw connection to the engine. Rejects with EngineError. */
export async function dial(endpoint: DockerEndpoint, options: ConnectOptions): Promise<Duplex> {
  if (options.signal?.aborted) throw cancellation(options.signal);
  const { target } = endpoint;
  switch (target.kind) {
    case "unix":
      return connected(new LendingSocket().connect(target.path), "connect", endpoint, options);
    case "tcp":
      if (!target.tls)
        return connected(new LendingSocket().connect(target.port, target.hostname), "connect", endpoint, options);
      else {
        const { connect } = await import("node:tls");
        // Server names are names (RFC 6066); an address is checked against the certificate without one.
        const name = isIP(target.hostname) === 0 ? { servername: target.hostname } : {};
        let socket: Duplex;
        try {
          socket = connect({ host: target.hostname, port: target.port, ...name, ...target.tls });
        } catch (error) {
          // Certificates and keys are read here.
          throw dialError(error, endpoint);
        }
        return connected(socket, "secureConnect", endpoint, options);
      }
    case "ssh":
      return (await import("./ssh.js")).dialSsh(target, (error) => dialError(error, endpoint));
  }
}

function connected(
  socket: Duplex,
  event: "connect" | "secureConnect",
  endpoint: DockerEndpoint,
  options: ConnectOptions,
): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      socket.destroy(options.signal ? cancellation(options.signal) : undefined);
    };
    options.signal?.addEventListener("abort", abort, { once: true });
    const fail = (error: Error): void => {
      options.signal?.removeEventListener("abort", abort);
      reject(options.signal?.aborted ? cancellation(options.signal) : dialError(error, endpoint));
    };
    socket.once("error", fail);
    socket.once(event, () => {
      options.signal?.removeEventListener("abort", abort);
      socket.off("error", fail);
      resolve(socket);
    });
  });
}
