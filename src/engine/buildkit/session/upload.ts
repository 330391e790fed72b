import { basename } from "node:path/posix";
import type { Readable } from "node:stream";
import { grpcCode, GrpcStatusError, type GrpcMethod } from "./grpc-server.js";
import { encodeMessage } from "./protobuf.js";

/** Bytes of a stream in one message; the receiver's limit is 4 MiB. */
const largestMessage = 1 << 20;

/**
 * moby.upload.v1.Upload/Pull: what BuildKit gets for `http://buildkit-session/<name>`, each name once. The stream is read
 * no faster than the engine takes it.
 */
export function pullUpload(uploads: Map<string, () => Readable>): GrpcMethod {
  return {
    kind: "stream",
    run: async (call) => {
      const name = basename(call.metadata("urlpath")[0] ?? "");
      const open = uploads.get(name);
      if (!open)
        throw new GrpcStatusError(
          grpcCode.notFound,
          `there is no upload named ${JSON.stringify(name)}, or it was sent before`,
        );
      uploads.delete(name);
      const stream = open();
      const abort = (): void => {
        stream.destroy();
      };
      call.signal.addEventListener("abort", abort, { once: true });
      try {
        for await (const chunk of stream as AsyncIterable<Uint8Array>) {
          for (let at = 0; at < chunk.length; at += largestMessage)
            await call.send(encodeMessage({ 1: chunk.subarray(at, at + largestMessage) }));
        }
      } finally {
        call.signal.removeEventListener("abort", abort);
        stream.destroy();
      }
    },
  };
}
