import type { Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { errorMessage } from "../../../errors.js";
import type { SshSource } from "../../engine.js";
import { grpcCode, GrpcStatusError, type GrpcCall, type GrpcMethod } from "./grpc-server.js";
import { bytesField, encodeMessage } from "./protobuf.js";

/** A key agent as ssh-agent's protocol sees it: one answer to each request, both without their length. */
export interface SshAgent extends AsyncDisposable {
  answer(request: Buffer): Promise<Buffer>;
}

/** moby.sshforward.v1.SSH: lets RUN --mount=type=ssh use the user's agent or key files, for signing and nothing else. */
export class SshAgents {
  private readonly sources: ReadonlyMap<string, SshSource>;

  constructor(sources: readonly SshSource[]) {
    this.sources = new Map(sources.map((source) => [source.id, source]));
  }

  /** Whether there is an agent by that id, and it can be used; the step fails at once where not. */
  check(): GrpcMethod {
    return {
      kind: "unary",
      answer: async (request) => {
        await using _agent = await this.open(this.source(bytesField(request, 1).toString()));
        return new Uint8Array();
      },
    };
  }

  /** One connection of a step to its agent. */
  forward(): GrpcMethod {
    return {
      kind: "stream",
      run: async (call) => {
        await using agent = await this.open(this.source(call.metadata("buildkit.ssh.id")[0] ?? ""));
        await serveAgent(call, agent);
      },
    };
  }

  private source(id: string): SshSource {
    const found = this.sources.get(id === "" ? "default" : id);
    if (!found)
      throw new GrpcStatusError(grpcCode.notFound, `no ssh agent or key was given for the id ${JSON.stringify(id)}`);
    return found;
  }

  /** Opened anew for each connection: keys are in memory only while a step uses them. */
  private async open(source: SshSource): Promise<SshAgent> {
    const paths = pathsOf(source, process.env);
    if (paths.length === 0)
      throw new GrpcStatusError(
        grpcCode.notFound,
        "no ssh agent is running: SSH_AUTH_SOCK is not set, and --ssh names no key",
      );
    try {
      const socket = await socketOf(paths);
      return socket === undefined ? await keyAgent(paths) : await SocketAgent.connect(socket);
    } catch (error) {
      throw new GrpcStatusError(grpcCode.unknown, `--ssh ${source.id}: ${errorMessage(error)}`);
    }
  }
}

/**
 * Whether there is an agent's socket, or keys that can be used, as docker and buildx look before they build: an agent that
 * does not answer is found out by the step that asks it. Rejects with Error, which says what is wrong with which path.
 */
export async function checkSshSource(source: SshSource, env: NodeJS.ProcessEnv): Promise<void> {
  const paths = pathsOf(source, env);
  if ((await socketOf(paths)) !== undefined) return;
  const keys = await keyAgent(paths);
  await keys[Symbol.asyncDispose]();
}

function pathsOf({ paths }: SshSource, env: NodeJS.ProcessEnv): readonly string[] {
  return paths.length > 0 ? paths : [env["SSH_AUTH_SOCK"] ?? ""].filter((path) => path !== "");
}

/** The agent's socket among the paths; undefined where all are to be keys. */
async function socketOf(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    if (!(await kindOf(path)).isSocket()) continue;
    if (paths.length > 1) throw new Error(`${path} is an agent's socket, and cannot be used together with other paths`);
    return path;
  }
  return undefined;
}

async function kindOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new Error(`${path} does not exist`, { cause: error });
    throw error;
  }
}

async function keyAgent(paths: readonly string[]): Promise<SshAgent> {
  const { KeyAgent } = await import("./ssh-key-agent.js");
  return KeyAgent.load(paths);
}

/** ssh-agent's messages that a build may send: list the keys, sign with one. Everything else is answered with a failure. */
const requestIdentities = 11;
const signRequest = 13;
const failure = Buffer.of(5);
/** An agent's message beyond this is none. Bytes. */
const largestRequest = 256 * 1024;

async function serveAgent(call: GrpcCall, agent: SshAgent): Promise<void> {
  let pending: Buffer = Buffer.alloc(0);
  for await (const batch of call.messages) {
    for (const message of batch) pending = Buffer.concat([pending, bytesField(message, 1)]);
    while (pending.length >= 4) {
      const length = pending.readUInt32BE(0);
      if (length > largestRequest) throw new Error("a request to the ssh agent is too large");
      if (pending.length < 4 + length) break;
      const request = pending.subarray(4, 4 + length);
      pending = pending.subarray(4 + length);
      const isAllowed = request[0] === requestIdentities || request[0] === signRequest;
      const answer = isAllowed ? await agent.answer(request) : failure;
      const size = Buffer.alloc(4);
      size.writeUInt32BE(answer.length);
      await call.send(encodeMessage({ 1: Buffer.concat([size, answer]) }));
    }
  }
}

/** The user's own agent behind its socket. */
class SocketAgent implements SshAgent {
  private readonly socket: Socket;
  private readonly answers: AsyncGenerator<Buffer, void, undefined>;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.answers = readAnswers(socket);
  }

  static connect(path: string): Promise<SocketAgent> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new SocketAgent(socket));
      });
    });
  }

  async answer(request: Buffer): Promise<Buffer> {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(request.length);
    this.socket.write(Buffer.concat([size, request]));
    const { value } = await this.answers.next();
    if (!value) throw new Error("the ssh agent closed the connection");
    return value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
  }
}

async function* readAnswers(socket: Socket): AsyncGenerator<Buffer, void, undefined> {
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of socket) {
    pending = Buffer.concat([pending, chunk as Buffer]);
    while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE(0)) {
      const end = 4 + pending.readUInt32BE(0);
      yield pending.subarray(4, end);
      pending = pending.subarray(end);
    }
  }
}
