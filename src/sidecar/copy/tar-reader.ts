import type { Readable } from "node:stream";
import { ContainerError, errorMessage } from "../../errors.js";
import type { TarEntry, TarType } from "./tar-header.js";

/** An entry of an archive that is being read. Its content has to be consumed before the next one comes. */
export interface ReadEntry {
  readonly header: TarEntry;
  /** The name's parts: never `..`, never empty, never `.`. The root itself has none. latin1 for bytes. */
  readonly parts: readonly string[];
  /** A hard link's, likewise; empty for the rest. */
  readonly linkParts: readonly string[];
  readonly content: AsyncIterable<Buffer>;
}

const known: readonly string[] = [
  "file",
  "link",
  "symlink",
  "character-device",
  "block-device",
  "directory",
  "fifo",
] satisfies readonly TarType[];

/**
 * The entries of a tar archive (ustar, POSIX or GNU), as they come. Throws ContainerError: UNSAFE_NAME for a name that leads
 * out of the destination, COPY_FAILED for what is no archive or ends too early.
 */
export async function* readEntries(archive: Readable): AsyncGenerator<ReadEntry> {
  const { extract } = (await import("tar-stream")).default;
  // latin1 keeps every byte of a name; POSIX archives' own long names are UTF-8 by definition.
  const reader = extract({ filenameEncoding: "latin1" } as Parameters<typeof extract>[0]);
  archive.once("error", (error) => reader.destroy(error));
  archive.once("close", () => {
    if (!archive.readableEnded) reader.destroy(new Error("it ended too early"));
  });
  archive.pipe(reader);
  try {
    for await (const entry of reader) {
      const { header } = entry;
      const { pax } = header as { pax?: Readonly<Record<string, string>> | null };
      const name = pax?.["path"] === undefined ? header.name : bytes(pax["path"]);
      const linkname = pax?.["linkpath"] === undefined ? (header.linkname ?? "") : bytes(pax["linkpath"]);
      const type = header.type === "contiguous-file" ? "file" : header.type;
      if (type === null || type === undefined || !known.includes(type))
        throw new ContainerError(
          `${shown(name)}: an entry of a kind that is not supported (sparse, or of another system)`,
          {
            code: "COPY_FAILED",
          },
        );
      yield {
        header: {
          name,
          type: type,
          mode: header.mode ?? 0o644,
          uid: header.uid ?? 0,
          gid: header.gid ?? 0,
          size: type === "file" ? (header.size ?? 0) : 0,
          modified: (header.mtime?.getTime() ?? 0) / 1000,
          linkname: linkname === "" ? undefined : linkname,
          device: { major: header.devmajor ?? 0, minor: header.devminor ?? 0 },
        },
        parts: safeParts(name),
        linkParts: type === "link" ? safeParts(linkname) : [],
        content: entry as AsyncIterable<Buffer>,
      };
      entry.resume();
    }
  } catch (error) {
    if (error instanceof ContainerError) throw error;
    throw new ContainerError(`The archive cannot be read: ${errorMessage(error)}`, {
      code: "COPY_FAILED",
      cause: error,
    });
  }
}

/** A name of an archive, taken apart. Throws ContainerError (UNSAFE_NAME). */
export function safeParts(name: string): string[] {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..") || name.includes("\0"))
    throw new ContainerError(`The archive has an entry that leads out of the destination: ${shown(name)}`, {
      code: "UNSAFE_NAME",
      hint: "Nothing of that entry was written. Where does the archive come from?",
    });
  return parts;
}

function bytes(text: string): string {
  return Buffer.from(text).toString("latin1");
}

function shown(name: string): string {
  return Buffer.from(name, "latin1").toString();
}
