import { readFile, stat } from "node:fs/promises";
import { errorMessage } from "../../../errors.js";
import type { SecretSource } from "../../engine.js";
import { grpcCode, GrpcStatusError, type GrpcMethod } from "./grpc-server.js";
import { bytesField, encodeMessage } from "./protobuf.js";

/** buildx's limit for one secret, in bytes. */
const largestSecret = 500 * 1024;

/** moby.buildkit.secrets.v1.Secrets/GetSecret. A secret is read when a step asks for it, and kept nowhere. */
export function getSecret(secrets: readonly SecretSource[]): GrpcMethod {
  return {
    kind: "unary",
    answer: async (request) => {
      const id = bytesField(request, 1).toString();
      const secret = secrets.find((candidate) => candidate.id === id);
      // BuildKit goes on without a secret that is not required when it is told NOT_FOUND, and only then.
      if (!secret) throw new GrpcStatusError(grpcCode.notFound, `secret ${id}: not found`);
      const content = await read(secret);
      if (content.length > largestSecret) throw tooLarge(id, content.length);
      return encodeMessage({ 1: content });
    },
  };
}

async function read({ id, source }: SecretSource): Promise<Buffer> {
  if ("env" in source) return Buffer.from(process.env[source.env] ?? "");
  try {
    const { size } = await stat(source.file);
    if (size > largestSecret) throw tooLarge(id, size);
    return await readFile(source.file);
  } catch (error) {
    if (error instanceof GrpcStatusError) throw error;
    throw new GrpcStatusError(grpcCode.unknown, `secret ${id} cannot be read: ${errorMessage(error)}`);
  }
}

function tooLarge(id: string, size: number): GrpcStatusError {
  return new GrpcStatusError(
    grpcCode.invalidArgument,
    `secret ${id} has ${String(size)} bytes; ${String(largestSecret)} are allowed`,
  );
}
