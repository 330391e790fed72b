import type { Socket } from "node:net";
import { Writable } from "node:stream";
import { ContainerError } from "../../errors.js";
import type { Sidecar, SidecarProcess } from "../sidecar.js";
import { exitNoFinisher, exitNoTool, relayCommand } from "./relay-script.js";

/** How a connection ended. */
export type RelayEnd =
  | { readonly kind: "closed" }
  /** Nothing took the connection; what nc says of it. */
  | { readonly kind: "refused"; readonly reason: string };

/** A process in the sidecar that waits to become one connection. */
export class Relay {
  /** Settles when it waits for its connection. Rejects with ContainerError where the toolbox cannot do it. */
  readonly ready: Promise<void>;
  private readonly process: SidecarProcess;
  private readonly output = new Download();
  private readonly control: Control;
  private readonly ended: Promise<number | undefined>;

  private constructor(process: SidecarProcess) {
    this.process = process;
    const { exec } = process;
    this.control = new Control((bytes) => this.output.finish(bytes));
    this.ended = exec.copyOutput({ stdout: this.output, stderr: this.control }).then(
      async () => {
        const code = await exec.exitCode().catch(() => undefined);
        exec.stdin.destroy();
        return code;
      },
      () => undefined,
    );
    this.ready = Promise.race([this.control.ready, this.ended.then((code) => this.cannot(code))]);
    this.ready.catch(() => undefined);
  }

  /** Rejects with EngineError or ContainerError. */
  static async start(sidecar: Sidecar, kit: string): Promise<Relay> {
    const relay = new Relay(await sidecar.exec({ argv: relayCommand(kit), view: "outside", cwd: "/" }));
    await relay.ready;
    return relay;
  }

  /**
   * Joins a client's connection to an address of the container's network, `-` its localhost, until both are done. Each
   * side's end of output reaches the other while the opposite direction goes on; a reset is one on the other side too.
   */
  async connect(client: Socket, host: string, port: number): Promise<RelayEnd> {
    const { exec } = this.process;
    exec.stdin.write(`${host} ${String(port)}\n`);
    let clientClosed = false;
    let done = false;
    client.once("close", (hadError) => {
      clientClosed = true;
      this.output.drop();
      if (!done && (hadError || !client.readableEnded)) this.process.kill("TERM");
    });
    client.on("error", () => undefined);
    client.pipe(exec.stdin);
    this.output.attach(client);
    await this.ended;
    done = true;
    client.unpipe(exec.stdin);
    if (!this.control.isOpen) {
      client.resetAndDestroy();
      return { kind: "refused", reason: this.control.complaint };
    }
    if (clientClosed) return { kind: "closed" };
    if (this.output.isComplete) client.end(() => client.destroy());
    else client.resetAndDestroy();
    return { kind: "closed" };
  }

  private cannot(code: number | undefined): never {
    if (code === exitNoTool)
      throw new ContainerError(
        "The toolbox has no static busybox, which connects to the container's ports",
        { code: "NO_TOOLBOX", hint: "`dfdebug toolbox build` makes a toolbox that has; -i IMAGE names another." },
        125,
      );
    if (code === exitNoFinisher)
      throw new ContainerError(
        "Forwarding is not known to work on this engine's architecture (only amd64 and arm64)",
        { code: "FORWARD" },
        125,
      );
    throw new ContainerError(
      `A connection could not be prepared: ${this.control.complaint || `it ended with ${String(code)}`}`,
      { code: "FORWARD" },
    );
  }
}

/** The server's bytes on their way to the client, no faster than that reads. */
class Download extends Writable {
  private client: Socket | undefined;
  private received = 0;
  private expected: number | undefined;
  private failed = false;

  attach(client: Socket): void {
    this.client = client;
  }

  /** The client is gone: what comes is read and dropped, so that the process can end. */
  drop(): void {
    this.client = undefined;
  }

  /** The server has ended after so many bytes; undefined: not properly. */
  finish(bytes: number | undefined): void {
    if (bytes === undefined) this.failed = true;
    this.expected = bytes;
    this.endClient();
  }

  /** All that the server sent has been passed on, and it ended properly. */
  get isComplete(): boolean {
    return !this.failed && this.expected !== undefined && this.received >= this.expected;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.received += chunk.length;
    const { client } = this;
    const go = (): void => {
      client?.off("drain", go).off("close", go);
      this.endClient();
      done();
    };
    if (client === undefined || client.destroyed || client.write(chunk)) go();
    else client.once("drain", go).once("close", go);
  }

  private endClient(): void {
    if (this.failed) this.client?.resetAndDestroy();
    else if (this.isComplete) this.client?.end();
  }
}

/** What the script says beside the payload. */
class Control extends Writable {
  readonly ready: Promise<void>;
  isOpen = false;
  complaint = "";
  private rest = "";
  private settle: () => void = () => undefined;
  private readonly onDown: (bytes: number | undefined) => void;

  constructor(onDown: (bytes: number | undefined) => void) {
    super();
    this.onDown = onDown;
    this.ready = new Promise((resolve) => (this.settle = resolve));
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const lines = (this.rest + chunk.toString("utf8")).split("\n");
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.line(line);
    done();
  }

  private line(line: string): void {
    const down = /^down (\d+) (\d+|-)$/.exec(line);
    if (line === "ready") this.settle();
    else if (line === "open") this.isOpen = true;
    else if (down) this.onDown(down[1] === "0" && down[2] !== "-" ? Number(down[2]) : undefined);
    else if (line.trim() !== "") this.complaint = line.replace(/^nc: /, "").slice(0, 500);
  }
}
