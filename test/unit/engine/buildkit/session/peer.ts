import { once } from "node:events";
import {
  connect as connectHttp2,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
} from "node:http2";
import { connect, createServer, type Server, type Socket } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { Stat } from "../../../../../src/engine/buildkit/gen/stat.js";
import { BuildkitSession, type SessionOptions } from "../../../../../src/engine/buildkit/session/session.js";

/** The engine's end of a session, speaking gRPC over a real socket. */
export class Peer implements AsyncDisposable {
  readonly session: BuildkitSession;
  readonly client: ClientHttp2Session;
  private readonly server: Server;
  private readonly folder: string;

  private constructor(session: BuildkitSession, client: ClientHttp2Session, server: Server, folder: string) {
    this.session = session;
    this.client = client;
    this.server = server;
    this.folder = folder;
  }

  static async open(options: Partial<SessionOptions> = {}): Promise<Peer> {
    const session = new BuildkitSession({
      id: "session",
      name: "test",
      sharedKey: "key",
      sources: new Map(),
      credentials: async () => ({ secret: undefined, reason: "none" }),
      secrets: [],
      ssh: [],
      uploads: new Map(),
      ...options,
    });
    const folder = mkdtempSync(join(tmpdir(), "dfdebug-peer-"));
    const server = createServer();
    server.listen(join(folder, "s"));
    await once(server, "listening");
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const socket = connect(join(folder, "s"));
    const client = connectHttp2("http://session", { createConnection: () => socket });
    const [served] = await accepted;
    session.serve(served);
    return new Peer(session, client, server, folder);
  }

  /** Opens a call. Metadata values are sent each under its own header. */
  call(method: string, metadata: Record<string, string | string[]> = {}): Call {
    return new Call(
      this.client.request({ ":method": "POST", ":path": method, "content-type": "application/grpc", ...metadata }),
    );
  }

  async unary(method: string, request: Uint8Array = new Uint8Array()): Promise<{ status: Status; answer: Buffer }> {
    const call = this.call(method);
    call.send(request);
    call.end();
    const messages = [];
    for await (const message of call.messages()) messages.push(message);
    return { status: await call.status, answer: messages[0] ?? Buffer.alloc(0) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.destroy();
    await this.session[Symbol.asyncDispose]();
    this.server.close();
    rmSync(this.folder, { recursive: true });
  }
}

export interface Status {
  readonly code: number;
  readonly message: string;
}

/** One call from the engine's side. */
export class Call {
  readonly stream: ClientHttp2Stream;
  readonly status: Promise<Status>;

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream;
    this.status = new Promise((resolve) => {
      const read = (headers: IncomingHttpHeaders): void => {
        if (headers["grpc-status"] !== undefined)
          resolve({
            code: Number(headers["grpc-status"]),
            message: decodeURIComponent([headers["grpc-message"] ?? ""].join()),
          });
      };
      stream.on("response", read);
      stream.on("trailers", read);
      stream.on("error", (error: Error) => {
        resolve({ code: -1, message: error.message });
      });
    });
  }

  send(message: Uint8Array): void {
    const header = Buffer.alloc(5);
    header.writeUInt32BE(message.length, 1);
    this.stream.write(Buffer.concat([header, message]));
  }

  end(): void {
    this.stream.end();
  }

  async *messages(): AsyncGenerator<Buffer> {
    let data: Buffer = Buffer.alloc(0);
    for await (const chunk of this.stream) {
      data = Buffer.concat([data, chunk as Buffer]);
      while (data.length >= 5 && data.length >= 5 + data.readUInt32BE(1)) {
        const end = 5 + data.readUInt32BE(1);
        yield data.subarray(5, end);
        data = data.subarray(end);
      }
    }
  }
}

/** A packet of fsutil's protocol. */
export interface Packet {
  type: number;
  stat: Stat | undefined;
  id: number;
  data: Buffer;
}

export function decodePacket(message: Buffer): Packet {
  const reader = new BinaryReader(message);
  const packet: Packet = { type: 0, stat: undefined, id: 0, data: Buffer.alloc(0) };
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 8) packet.type = reader.int32();
    else if (tag === 18) packet.stat = Stat.decode(reader.bytes());
    else if (tag === 24) packet.id = reader.uint32();
    else if (tag === 34) packet.data = Buffer.from(reader.bytes());
    else throw new Error(`unknown field ${String(tag)}`);
  }
  return packet;
}

export function encodePacket(type: number, id = 0): Uint8Array {
  return new BinaryWriter().uint32(8).int32(type).uint32(24).uint32(id).finish();
}

/** What a transfer brought: all descriptions, and the contents of the files that `wants` picks. */
export interface Received {
  readonly stats: Stat[];
  readonly contents: Map<string, Buffer>;
  readonly error: string | undefined;
  readonly status: Status;
}

/** Receives a source as BuildKit does: asks for what it wants by number, and ends with FIN. */
export async function receive(
  peer: Peer,
  metadata: Record<string, string | string[]>,
  wants: (stat: Stat) => boolean = (stat) => (stat.mode & 0x8f200000) === 0 && stat.linkname === "",
): Promise<Received> {
  const call = peer.call("/moby.filesync.v1.FileSync/DiffCopy", metadata);
  const stats: Stat[] = [];
  const contents = new Map<string, Buffer>();
  const pieces = new Map<number, Buffer[]>();
  let error: string | undefined;
  let complete = false;
  for await (const message of call.messages()) {
    const packet = decodePacket(message);
    if (packet.type === 0 && packet.stat) {
      if (wants(packet.stat)) {
        pieces.set(stats.length, []);
        call.send(encodePacket(1, stats.length));
      }
      stats.push(packet.stat);
    } else if (packet.type === 0) complete = true;
    else if (packet.type === 2 && packet.data.length > 0) pieces.get(packet.id)?.push(packet.data);
    else if (packet.type === 2) {
      contents.set(stats[packet.id]?.path ?? "", Buffer.concat(pieces.get(packet.id) ?? []));
      pieces.delete(packet.id);
    } else if (packet.type === 4) error = packet.data.toString();
    else if (packet.type === 3) call.end();
    if (complete && pieces.size === 0 && packet.type !== 3) {
      complete = false;
      call.send(encodePacket(3));
    }
  }
  return { stats, contents, error, status: await call.status };
}
