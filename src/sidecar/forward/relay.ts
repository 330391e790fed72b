import { randomBytes } from "node:crypto";
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
    this.control = new Control(() => this.output.fail());
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
    exec.stdin.write(`${host} ${String(port)} ${this.output.mark.toString()}\n`);
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

/** The server's bytes on their way to the client, no faster than that reads, up to the mark that ends them. */
class Download extends Writable {
  /** What the script writes behind the server's last byte. No server can know it. */
  readonly mark = Buffer.from(randomBytes(16).toString("hex"));
  /** The server ended properly, and all that it sent has been passed on. */
  isComplete = false;
  private client: Socket | undefined;
  /** The mark's beginning, or bytes that look like it. */
  private held = Buffer.alloc(0);

  attach(client: Socket): void {
    this.client = client;
  }

  /** The client is gone: what comes is read and dropped, so that the process can end. */
  drop(): void {
    this.client = undefined;
  }

  /** The server's side broke: so does the client's. */
  fail(): void {
    this.client?.resetAndDestroy();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const bytes = this.held.length > 0 ? Buffer.concat([this.held, chunk]) : chunk;
    const keep = overlap(bytes, this.mark);
    this.isComplete = keep === this.mark.length;
    this.held = Buffer.from(bytes.subarray(bytes.length - keep));
    const payload = bytes.subarray(0, bytes.length - keep);
    const { client } = this;
    const go = (): void => {
      client?.off("drain", go).off("close", go);
      if (this.isComplete) this.client?.end();
      done();
    };
    if (payload.length === 0 || client === undefined || client.destroyed || client.write(payload)) go();
    else client.once("drain", go).once("close", go);
  }
}

/** How many last bytes are the mark's first ones. */
export function overlap(bytes: Buffer, mark: Buffer): number {
  for (let length = Math.min(bytes.length, mark.length); length > 0; length--)
    if (bytes.subarray(bytes.length - length).equals(mark.subarray(0, length))) return length;
  return 0;
}

/** What the script says beside the payload. */
class Control extends Writable {
  readonly ready: Promise<void>;
  isOpen = false;
  complaint = "";
  private rest = "";
  private settle: () => void = () => undefined;
  private readonly onReset: () => void;

  constructor(onReset: () => void) {
    super();
    this.onReset = onReset;
    this.ready = new Promise((resolve) => (this.settle = resolve));
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const lines = (this.rest + chunk.toString("utf8")).split("\n");
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.line(line);
    done();
  }

  private line(line: string): void {
    if (line === "ready") this.settle();
    else if (line === "open") this.isOpen = true;
    else if (line === "reset") this.onReset();
    else if (line.trim() !== "") this.complaint = line.replace(/^nc: /, "").slice(0, 500);
  }
}
