import { randomBytes } from "node:crypto";
import { ContainerError } from "../../errors.js";
import type { FileStat, Process, StepContainer } from "../engine.js";
import { toolboxMount } from "./container.js";

/** Where `listTrees` and its callers mount what they look at. */
export const lookMount = (index: number): string => `/.dfdebug-look/${String(index)}`;

/**
 * Lists folders with the toolbox's find and stat: one process for all, many times faster than a call for each folder.
 * Gives, for each root, its entries by path below it (`/etc/passwd`). Rejects with ContainerError.
 */
export async function listTrees(
  container: StepContainer,
  roots: readonly string[],
  options: { maxDepth?: number; signal?: AbortSignal | undefined } = {},
): Promise<readonly Map<string, FileStat>[]> {
  const listings: Map<string, FileStat>[] = [];
  for (const root of roots) {
    const listing = new Map<string, FileStat>();
    // Names may hold anything but NUL, which stat cannot print: a word that nobody can guess stands between records.
    const token = `:${randomBytes(12).toString("hex")}:`;
    const depth = options.maxDepth === undefined ? [] : ["-maxdepth", String(options.maxDepth)];
    const bin = `${toolboxMount}/bin`;
    const format = `${token}%f %u %g %s %y${token}%n${token}%N`;
    const process = await container.exec({
      argv: [`${bin}/find`, root, "-mindepth", "1", ...depth, "-exec", `${bin}/stat`, "-c", format, "{}", "+"],
      env: ["TZ=UTC"],
      cwd: "/",
      user: "",
      signal: options.signal,
    });
    const reader = new RecordReader(token, root, listing);
    const errors = collect(process.stderr);
    for await (const chunk of process.stdout) reader.push(chunk as Buffer);
    reader.end();
    if ((await process.exited) !== 0 && listing.size === 0) {
      const text = (await errors).trim();
      if (/no such file/i.test(text))
        throw new ContainerError(`${root}: no such file or directory`, { code: "NOT_FOUND" });
      if (text !== "")
        throw new ContainerError(`The state could not be listed: ${text.split("\n")[0] ?? ""}`, { code: "STATE_READ" });
    }
    listings.push(listing);
  }
  return listings;
}

/** The text of a stream that is short. */
export async function collect(stream: Process["stderr"]): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

/** Reads `TOKEN mode uid gid size time TOKEN name TOKEN quoted-name LF` records from chunks. */
class RecordReader {
  private readonly token: Buffer;
  private readonly root: string;
  private readonly listing: Map<string, FileStat>;
  private rest: Buffer = Buffer.alloc(0);

  constructor(token: string, root: string, listing: Map<string, FileStat>) {
    this.token = Buffer.from(token);
    this.root = root;
    this.listing = listing;
  }

  push(chunk: Buffer): void {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    // A record is complete when the next one has begun.
    const parts = split(this.rest, this.token);
    const complete = Math.floor((parts.length - 2) / 3);
    if (complete <= 0) return;
    this.take(parts.slice(1, 1 + complete * 3));
    this.rest = Buffer.concat(parts.slice(1 + complete * 3).flatMap((part) => [this.token, part]));
  }

  end(): void {
    this.take(split(this.rest, this.token).slice(1));
  }

  private take(parts: readonly Buffer[]): void {
    for (let index = 0; index + 2 < parts.length; index += 3) {
      const [mode = "0", uid, gid, size, ...time] = (parts[index]?.toString("latin1") ?? "").split(" ");
      const path = parts[index + 1]?.toString("utf8") ?? "";
      const quoted = (parts[index + 2]?.toString("utf8") ?? "").replace(/\n$/, "");
      const bits = Number.parseInt(mode, 16);
      const type = typeOf(bits);
      const below = path.slice(this.root === "/" ? 0 : this.root.length);
      this.listing.set(below, {
        name: below.slice(below.lastIndexOf("/") + 1),
        type,
        mode: bits & 0o7777,
        uid: Number(uid),
        gid: Number(gid),
        size: Number(size),
        modified: milliseconds(time.join(" ")),
        linkTarget: type === "symlink" ? quoted.slice(path.length + "'' -> '".length, -1) : undefined,
      });
    }
  }
}

function split(data: Buffer, token: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let from = 0;
  for (let at = data.indexOf(token); at >= 0; at = data.indexOf(token, from)) {
    parts.push(data.subarray(from, at));
    from = at + token.length;
  }
  parts.push(data.subarray(from));
  return parts;
}

/** `2026-11-24 02:28:59.151201621 +0000`. */
function milliseconds(time: string): number {
  const [day = "", clock = ""] = time.split(" ");
  return Date.parse(`${day}T${clock.slice(0, 12).padEnd(8, "0")}Z`) || 0;
}

/** The file type bits of stat(2). */
const types: Readonly<Record<number, FileStat["type"]>> = {
  0o14: "socket",
  0o12: "symlink",
  0o10: "file",
  0o6: "block",
  0o4: "directory",
  0o2: "character",
  0o1: "fifo",
};

function typeOf(mode: number): FileStat["type"] {
  return types[mode >> 12] ?? "file";
}
