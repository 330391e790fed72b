import { once } from "node:events";
import { PassThrough, type Readable } from "node:stream";
import type { ContextSource } from "../engine/engine.js";
import { UsageError } from "../errors.js";

/**
 * What `build -` gets on standard input: a tar archive (plain, gzip, bzip2, xz), or, told apart by the first bytes as
 * docker does, a Dockerfile, whose text is given. Rejects with UsageError for zstd: BuildKit gets the archive as it is and
 * does not know that, and docker build takes it for a Dockerfile.
 */
export async function readStandardInput(
  stdin: Readable,
): Promise<{ readonly context: ContextSource; readonly text: string | undefined }> {
  const { head, rest } = await peek(stdin, 512);
  if (startsWith(head, [0x28, 0xb5, 0x2f, 0xfd]))
    throw new UsageError("The archive on standard input is compressed with zstd, which no engine unpacks", {
      code: "CONTEXT_ARCHIVE",
      hint: "Unpack it on the way: zstd -dc ARCHIVE | dfdebug build -",
    });
  if (isArchive(head))
    return { context: { kind: "archive", stream: rest, isXz: startsWith(head, xzMagic) }, text: undefined };
  return { context: { kind: "empty" }, text: await readAll(rest) };
}

const xzMagic = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];

function isArchive(head: Buffer): boolean {
  const magics = [[0x1f, 0x8b], [0x42, 0x5a, 0x68], xzMagic];
  if (magics.some((magic) => startsWith(head, magic))) return true;
  return head.length >= 262 && head.subarray(257, 262).toString("latin1") === "ustar";
}

function startsWith(head: Buffer, magic: readonly number[]): boolean {
  return magic.every((byte, index) => head[index] === byte);
}

async function peek(stream: Readable, size: number): Promise<{ head: Buffer; rest: Readable }> {
  const chunks: Buffer[] = [];
  let length = 0;
  while (length < size) {
    const chunk = stream.read() as Buffer | null;
    if (chunk !== null) {
      chunks.push(chunk);
      length += chunk.length;
    } else if (stream.readableEnded) break;
    else await Promise.race([once(stream, "readable"), once(stream, "end")]);
  }
  const head = Buffer.concat(chunks);
  const rest = new PassThrough();
  rest.write(head);
  if (stream.readableEnded) rest.end();
  else stream.pipe(rest);
  return { head, rest };
}

/** A Dockerfile from a stream; more than any Dockerfile could be is refused instead of filling the memory. */
export async function readAll(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    const bytes = chunk as Buffer;
    length += bytes.length;
    if (length > 64 * 1024 * 1024) throw new UsageError("Standard input is no Dockerfile: it is larger than 64 MiB");
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString("utf8");
}
