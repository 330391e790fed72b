import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import type { Readable } from "node:stream";
import type { SecretSource, SshSource } from "../../engine.js";
import { GrpcError, grpcCode, type GrpcCall } from "./grpc-server.js";

/** BuildKit's limit for a secret (buildx refuses larger ones). */
const secretLimit = 500 * 1024;

/** Field 1 of a message as text: the ID or host that a request is about. */
export function firstString(message: Buffer): string {
  return bytesField(message)?.toString("utf8") ?? "";
}

/** Field 1, length-delimited, wherever it stands. */
function bytesField(message: Buffer): Buffer | undefined {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; at < message.length; shift += 7) {
      const byte = message[at++] ?? 0;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    return value;
  };
  while (at < message.length) {
    const tag = varint();
    if ((tag & 7) !== 2) {
      varint();
      continue;
    }
    const length = varint();
    if (tag >> 3 === 1) return message.subarray(at, at + length);
    at += length;
  }
  return undefined;
}

/** A message with length-delimited fields. */
export function fields(...values: readonly (readonly [field: number, value: Uint8Array | string])[]): Buffer {
  const parts: Buffer[] = [];
  for (const [field, value] of values) {
    const bytes = Buffer.from(value);
    if (bytes.length === 0) continue;
    const head = [(field << 3) | 2];
    let rest = bytes.length;
    while (rest >= 0x80) {
      head.push((rest & 0x7f) | 0x80);
      rest = Math.floor(rest / 128);
    }
    parts.push(Buffer.from([...head, rest]), bytes);
  }
  return Buffer.concat(parts);
}

/** moby.filesync.v1.Auth/Credentials: anonymous where there are none. */
export async function serveCredentials(
  call: GrpcCall,
  lookup: (host: string) => Promise<{ username: string; secret: string } | undefined>,
): Promise<void> {
  const found = await lookup(firstString(await call.message()));
  call.send(found ? fields([1, found.username], [2, found.secret]) : Buffer.alloc(0));
}

/** moby.buildkit.secrets.v1.Secrets/GetSecret: read now, kept nowhere. */
export async function serveSecret(call: GrpcCall, secrets: readonly SecretSource[]): Promise<void> {
  const id = firstString(await call.message());
  const secret = secrets.find((one) => one.id === id);
  if (!secret) throw new GrpcError(grpcCode.notFound, `secret ${id}: not found`);
  const value =
    "env" in secret.source
      ? Buffer.from(process.env[secret.source.env] ?? "")
      : await readSecret(id, secret.source.file);
  if (value.length > secretLimit) throw new GrpcError(grpcCode.invalidArgument, `secret ${id} is larger than 500 KiB`);
  call.send(fields([1, value]));
}

async function readSecret(id: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch {
    throw new GrpcError(grpcCode.notFound, `secret ${id}: not found`);
  }
}

/** Where an `--ssh` entry's agent listens; undefined where the entry is not known. */
export type AgentSocket = (source: SshSource) => Promise<string>;

/** moby.sshforward.v1.SSH/CheckAgent. */
export async function serveCheckAgent(
  call: GrpcCall,
  sources: readonly SshSource[],
  socket: AgentSocket,
): Promise<void> {
  await socket(requireSsh(sources, firstString(await call.message())));
  call.send(Buffer.alloc(0));
}

/** moby.sshforward.v1.SSH/ForwardAgent: bytes both ways between the step and the agent. */
export async function serveForwardAgent(
  call: GrpcCall,
  sources: readonly SshSource[],
  socket: AgentSocket,
): Promise<void> {
  const header = call.headers["buildkit.ssh.id"];
  const id = (Array.isArray(header) ? header[0] : header) ?? "default";
  const path = await socket(requireSsh(sources, id));
  const agent: Socket = connect(path);
  const reading = (async () => {
    for await (const chunk of agent as AsyncIterable<Buffer>) {
      call.send(fields([1, chunk]));
      await call.flush();
    }
  })();
  reading.catch(() => undefined);
  try {
    for await (const message of call.messages()) {
      const data = bytesField(message);
      if (data && !agent.write(data)) await new Promise((resolve) => agent.once("drain", resolve));
    }
    agent.end();
    await reading;
  } finally {
    agent.destroy();
  }
}

function requireSsh(sources: readonly SshSource[], id: string): SshSource {
  const wanted = id || "default";
  const source = sources.find((one) => one.id === wanted);
  if (!source) throw new GrpcError(grpcCode.notFound, `unset ssh forward key ${wanted}`);
  return source;
}

/** moby.upload.v1.Upload/Pull: the tar archive on standard input, once. */
export async function serveUpload(call: GrpcCall, uploads: Map<string, () => Readable>): Promise<void> {
  const path = call.headers["urlpath"];
  const id = (Array.isArray(path) ? path[0] : path)?.replace(/^\//, "") ?? "";
  const source = uploads.get(id);
  if (!source) throw new GrpcError(grpcCode.notFound, `no upload ${id}`);
  uploads.delete(id);
  for await (const chunk of source() as AsyncIterable<Buffer>)
    for (let at = 0; at < chunk.length; at += 60_000) {
      call.send(fields([1, chunk.subarray(at, at + 60_000)]));
      await call.flush();
    }
}
