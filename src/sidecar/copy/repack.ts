import { createGunzip } from "node:zlib";
import { PassThrough, type Readable } from "node:stream";
import { ContainerError } from "../../errors.js";
import type { PackProgress } from "./pack.js";
import { archiveEnd, encodeHeader, padding } from "./tar-header.js";
import { readEntries } from "./tar-reader.js";

/**
 * Any tar archive, gzip or not, as one that busybox unpacks whole: names checked, long ones in GNU's form. Throws
 * ContainerError as `readEntries`; a compression that Node does not know is COPY_FAILED.
 */
export async function* repack(source: Readable, progress: PackProgress): AsyncGenerator<Buffer> {
  for await (const { header, parts, linkParts, content } of readEntries(await decompressed(source))) {
    // The destination itself: it keeps what it is, as with docker.
    if (parts.length === 0) continue;
    const name = parts.join("/");
    yield encodeHeader({ ...header, name, ...(header.type === "link" ? { linkname: linkParts.join("/") } : {}) });
    if (header.type !== "directory") progress.files += 1;
    if (header.type !== "file") continue;
    for await (const chunk of content) {
      progress.bytes += chunk.length;
      yield chunk;
    }
    yield padding(header.size);
  }
  yield archiveEnd;
}

const compressions: readonly (readonly [string, readonly number[]])[] = [
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];

/** By the first bytes, as docker does. */
async function decompressed(source: Readable): Promise<Readable> {
  const first = await firstBytes(source, 6);
  const other = compressions.find(([, magic]) => magic.every((byte, at) => first[at] === byte));
  if (other)
    throw new ContainerError(`The archive is compressed with ${other[0]}`, {
      code: "COPY_FAILED",
      hint: `Unpack it on the way: ${other[0]} -dc ARCHIVE | dfdebug cp - CONTAINER:FOLDER`,
    });
  const archive = source.pipe(new PassThrough());
  source.once("error", (error) => archive.destroy(error));
  if (first[0] !== 0x1f || first[1] !== 0x8b) return archive;
  const unzipped = createGunzip();
  archive.once("error", (error) => unzipped.destroy(error));
  return archive.pipe(unzipped);
}

/** The beginning of a stream, which stays in it. Fewer where it ends before. */
async function firstBytes(source: Readable, count: number): Promise<Buffer> {
  let first = Buffer.alloc(0);
  while (first.length < count) {
    const chunk = source.read() as Buffer | null;
    if (chunk !== null) {
      first = Buffer.concat([first, chunk]);
      continue;
    }
    if (source.readableEnded || source.destroyed) break;
    const more = await new Promise<boolean>((resolve, reject) => {
      const settle = (value: boolean): void => {
        source.off("readable", readable).off("end", ended).off("error", reject);
        resolve(value);
      };
      const readable = (): void => settle(true);
      const ended = (): void => settle(false);
      source.once("readable", readable).once("end", ended).once("error", reject);
    });
    if (!more) break;
  }
  if (first.length > 0 && !source.readableEnded) source.unshift(first);
  return first;
}
