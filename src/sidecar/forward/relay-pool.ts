import type { Sidecar } from "../sidecar.js";
import { Relay } from "./relay.js";

/** Relays that wait for connections that have not come yet: a connection need not wait for a process to start. */
const spare = 3;
/** Processes that the engine is asked to start at a time. */
const mostStarting = 8;

interface Waiting {
  resolve(relay: Relay): void;
  reject(error: unknown): void;
}

/** Keeps a few relays ready, and starts more where many connections come at once. They end with their sidecar. */
export class RelayPool {
  private readonly sidecar: Sidecar;
  private readonly kit: string;
  private readonly idle: Relay[] = [];
  private readonly waiting: Waiting[] = [];
  private starting = 0;

  constructor(sidecar: Sidecar, kit: string) {
    this.sidecar = sidecar;
    this.kit = kit;
  }

  /** Settles when the first relay is there. Rejects with ContainerError where the toolbox cannot forward. */
  async warm(): Promise<void> {
    this.idle.push(await this.take());
    this.fill();
  }

  /** A relay for one connection. Rejects with EngineError or ContainerError. */
  take(): Promise<Relay> {
    const ready = this.idle.shift();
    const taken =
      ready === undefined
        ? new Promise<Relay>((resolve, reject) => this.waiting.push({ resolve, reject }))
        : Promise.resolve(ready);
    this.fill();
    return taken;
  }

  private fill(): void {
    while (this.starting < mostStarting && this.idle.length + this.starting < spare + this.waiting.length) {
      this.starting += 1;
      Relay.start(this.sidecar, this.kit).then(
        (relay) => this.started(relay),
        (error: unknown) => this.failed(error),
      );
    }
  }

  private started(relay: Relay): void {
    this.starting -= 1;
    const next = this.waiting.shift();
    if (next) next.resolve(relay);
    else this.idle.push(relay);
    this.fill();
  }

  /** A spare that could not be started is missed only by a connection that needs it. */
  private failed(error: unknown): void {
    this.starting -= 1;
    this.waiting.shift()?.reject(error);
    if (this.waiting.length > 0) this.fill();
  }
}
