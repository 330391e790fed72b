import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { Writable } from "node:stream";
import { sanitizeLine } from "../../frontends/terminal/sanitize.js";
import { ContainerError, UsageError, errorMessage } from "../../errors.js";
import { Lifetime } from "../../lifetime.js";
import { parseListeners } from "../../sidecar/forward/listeners.js";
import { parsePortSpec, showAddress, type PortSpec } from "../../sidecar/forward/port-spec.js";
import { RelayPool } from "../../sidecar/forward/relay-pool.js";
import type { Sidecar } from "../../sidecar/sidecar.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";
import { DebugTarget } from "./debug-target.js";

/** `dfdebug forward`'s options as commander gives them. */
export interface ForwardFlags {
  readonly image?: string;
}

/**
 * `dfdebug forward`: ports of this machine that lead into a container's network, through the engine's connection. Says on
 * standard output which addresses listen, then forwards until it is interrupted (0) or the container ends (1). Rejects with
 * UsageError, ContainerError or EngineError.
 */
export async function runForward(
  name: string,
  ports: readonly string[],
  flags: ForwardFlags,
  engine: EngineFlags,
  io: CliIo,
): Promise<number> {
  const specs = ports.map(parsePortSpec);
  const interrupted = new Promise<"interrupted">((resolve) => {
    io.signal.addEventListener("abort", () => resolve("interrupted"), { once: true });
  });
  await using target = await DebugTarget.open(name, flags, engine, io);
  if (!target.isLive)
    throw new UsageError(`${target.name} does not run: nothing listens there`, {
      hint: "Start it, or look at its files: dfdebug debug.",
    });
  const sidecar = await target.sidecar();
  await using lifetime = new Lifetime();
  const pool = new RelayPool(sidecar, target.toolbox.kit);
  await pool.warm();
  for (const spec of specs) {
    const forwarding = new Forwarding(spec, { name: target.name, pool, sidecar, io });
    lifetime.own(forwarding);
    for (const address of await forwarding.listen()) io.stdout.write(`${address} -> ${forwarding.destination}\n`);
  }
  const why = await Promise.race([interrupted, sidecar.ended.then(() => "ended" as const)]);
  if (why === "interrupted" || io.signal.aborted) return 0;
  io.stderr.write(`${(await target.end()) ?? `The toolbox container beside ${target.name} ended`}\n`);
  return 1;
}

interface Surroundings {
  readonly name: string;
  readonly pool: RelayPool;
  readonly sidecar: Sidecar;
  readonly io: CliIo;
}

/** One port of the command line. Dispose closes it, with its connections. */
class Forwarding implements AsyncDisposable {
  /** For people: `web:80`, `web -> db:5432`. */
  readonly destination: string;
  private readonly spec: PortSpec;
  private readonly around: Surroundings;
  private readonly servers: Server[] = [];
  private readonly clients = new Set<Socket>();
  private refusals = 0;

  constructor(spec: PortSpec, around: Surroundings) {
    this.spec = spec;
    this.around = around;
    this.destination =
      spec.host === undefined
        ? `${around.name}:${String(spec.port)}`
        : `${around.name} ${showAddress(spec.host, spec.port)}`;
  }

  /** The addresses that listen. Rejects with UsageError. */
  async listen(): Promise<string[]> {
    const { bind, local } = this.spec;
    if (bind !== undefined) return [await this.open(bind, local)];
    const first = await this.open("127.0.0.1", local);
    const { port } = this.servers[0]?.address() as AddressInfo;
    // A client that takes localhost for ::1 finds it too, where this machine has IPv6.
    const second = await this.open("::1", port).catch(() => undefined);
    return second === undefined ? [first] : [first, second];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.servers) server.close();
    for (const client of this.clients) client.destroy();
  }

  private async open(host: string, port: number): Promise<string> {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => void this.serve(client));
    try {
      server.listen(port, host);
      await once(server, "listening");
    } catch (error) {
      throw cannotListen(error, host, port);
    }
    server.on("error", () => undefined);
    this.servers.push(server);
    const { address, port: actual } = server.address() as AddressInfo;
    return showAddress(address, actual);
  }

  private async serve(client: Socket): Promise<void> {
    const { pool } = this.around;
    const { host = "-", port } = this.spec;
    this.clients.add(client);
    client.once("close", () => this.clients.delete(client));
    client.on("error", () => undefined);
    try {
      const relay = await pool.take();
      const end = await relay.connect(client, host, port);
      if (end.kind === "closed") this.refusals = 0;
      else await this.refused(end.reason);
    } catch (error) {
      client.resetAndDestroy();
      this.say(`A connection to ${this.destination} failed: ${errorMessage(error)}`);
    }
  }

  /** Said once, until a connection succeeds: a browser tries again and again. */
  private async refused(reason: string): Promise<void> {
    const { sidecar, io } = this.around;
    this.refusals += 1;
    if (this.refusals > 1 || io.signal.aborted) return;
    if (this.spec.host !== undefined) {
      this.say(`${this.destination} cannot be reached: ${reason}`);
      return;
    }
    const listeners = await listening(sidecar).catch(() => []);
    const here = listeners.find(({ port }) => port === this.spec.port);
    const advice = here
      ? `It listens on ${here.address} only: forward ${showAddress(here.address, here.port)} instead.`
      : listeners.length === 0
        ? "Nothing listens in its network."
        : `What listens there: ${[...new Set(listeners.map(({ address, port }) => showAddress(address, port)))].join(", ")}.`;
    this.say(`${this.destination} refused the connection: nothing listens on its localhost there. ${advice}`);
  }

  private say(text: string): void {
    const { io } = this.around;
    if (!io.signal.aborted) io.stderr.write(`${sanitizeLine(text)}\n`);
  }
}

/** What listens in the container's network. */
async function listening(sidecar: Sidecar): Promise<ReturnType<typeof parseListeners>> {
  const script = "cat /proc/net/tcp /proc/net/tcp6 2>/dev/null";
  const { exec } = await sidecar.exec({ argv: ["/bin/sh", "-c", script], view: "outside", cwd: "/" });
  exec.stdin.end();
  const chunks: Buffer[] = [];
  const stdout = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk);
      done();
    },
  });
  const stderr = new Writable({ write: (_chunk, _encoding, done) => done() });
  await exec.copyOutput({ stdout, stderr });
  exec.stdin.destroy();
  return parseListeners(Buffer.concat(chunks).toString("utf8"));
}

function cannotListen(error: unknown, host: string, port: number): ContainerError {
  const { code } = error as NodeJS.ErrnoException;
  const address = showAddress(host, port);
  const why =
    code === "EADDRINUSE"
      ? "it is in use here"
      : code === "EACCES"
        ? "ports below 1024 need root here"
        : errorMessage(error);
  return new ContainerError(`${address} cannot be listened on: ${why}`, {
    code: "FORWARD",
    hint: "Another local port: LOCAL:PORT; 0:PORT takes a free one.",
    cause: error,
  });
}
