import { PassThrough, Readable, Writable } from "node:stream";
import type { DfdebugError } from "../../errors.js";
import { ContainerError, cancellation } from "../../errors.js";
import type { Sidecar, SidecarProcess } from "../sidecar.js";
import {
  PartialCopyError,
  type ContainerFiles,
  type FilesArchive,
  type PathStat,
  type ReadOptions,
  type WriteOptions,
} from "./container-files.js";
import {
  exitIsFolder,
  exitMissing,
  exitNoTool,
  exitNotFolder,
  fileScript,
  inTarget,
  namesScript,
  readScript,
  statScript,
  unpackScript,
} from "./live-scripts.js";
import { cancelledPartial } from "./stored-files.js";
import { uniqueDigits } from "../unique-digits.js";

/** A running container's files as its processes see them: volumes, tmpfs and all, through a sidecar. */
export class LiveFiles implements ContainerFiles {
  /** Under which a single file is unpacked until it is whole. */
  readonly entryName = `.dfdebug-${uniqueDigits(12)}`;
  private readonly sidecar: Sidecar;
  private readonly kit: string;

  /** `kit`: the toolbox's folder of static tools. The sidecar is its owner's to dispose. */
  constructor(sidecar: Sidecar, kit: string) {
    this.sidecar = sidecar;
    this.kit = kit;
  }

  async stat(path: string): Promise<PathStat | undefined> {
    const { code, stdout, stderr } = await this.run(statScript, [path]);
    if (code === exitMissing) return undefined;
    if (code !== 0) throw failed(code, stderr);
    const [head = "", ...rest] = stdout.split("\n");
    const target = rest.join("\n").replace(/\n$/, "");
    return { ...parseHead(head).stat, target: target === "" ? undefined : target };
  }

  async read(path: string, options: ReadOptions): Promise<FilesArchive | undefined> {
    const process = await this.start(readScript, [path, options.follow ? "1" : "0", options.forStream ? "1" : "0"]);
    const { exec } = process;
    exec.stdin.end();
    const stdout = new HeadedOutput();
    const stderr = new Text();
    const ended = exec.copyOutput({ stdout, stderr }).then(
      async () => {
        stdout.end();
        exec.stdin.destroy();
        return { code: await exec.exitCode().catch(() => undefined), stderr: stderr.text };
      },
      (error: Error) => {
        stdout.destroy(error);
        throw error;
      },
    );
    ended.catch(() => undefined);
    const head = await Promise.race([stdout.head, ended.then(() => stdout.head)]);
    if (head === undefined) {
      const { code, stderr: text } = await ended;
      if (code === exitMissing) return undefined;
      throw failed(code, text);
    }
    const done = ended.then(({ code, stderr: text }) => {
      if (code !== 0) throw failed(code, text);
    });
    done.catch(() => undefined);
    // A reader that gives up ends tar; one that has all of it leaves the exit code to be asked for.
    stdout.body.once("close", () => {
      if (!stdout.body.readableEnded) exec.stdin.destroy();
    });
    const { stat, leftOut } = parseHead(head);
    return { stat, archive: stdout.body, strip: stat.kind === "directory" ? 0 : 1, leftOut, done };
  }

  async write(archive: AsyncIterable<Buffer>, options: WriteOptions): Promise<void> {
    const { folder, file, root, signal } = options;
    const process =
      file === undefined
        ? await this.start(unpackScript, [folder, root ?? ""])
        : await this.start(fileScript, [folder, this.entryName, file]);
    const { exec } = process;
    const names = new LastLine();
    const stderr = new Text();
    const output = exec.copyOutput({ stdout: names, stderr });
    const source = Readable.from(archive, { objectMode: false });
    let failure: Error | undefined;
    source.once("error", (error) => {
      failure = error;
      // What it has is all that comes: tar ends, with an error.
      exec.stdin.end();
    });
    const abort = (): void => void source.destroy(cancellation(signal));
    signal.addEventListener("abort", abort, { once: true });
    source.pipe(exec.stdin);
    try {
      await output;
    } finally {
      signal.removeEventListener("abort", abort);
      source.destroy();
      exec.stdin.destroy();
    }
    const code = await exec.exitCode().catch(() => undefined);
    if (code === 0 && failure === undefined) return;
    const prefix = folder === "/" ? "" : folder;
    if (code === exitIsFolder)
      throw new ContainerError(`${prefix}/${file ?? ""} is a folder, and a file would replace it`, {
        code: "COPY_CONFLICT",
      });
    if (code === exitNotFolder)
      throw new ContainerError(`${prefix}/${root ?? ""} is not a folder, and a folder would replace it`, {
        code: "COPY_CONFLICT",
      });
    if (code === exitMissing) throw new ContainerError(`${folder} is not a folder that exists`, { code: "NOT_FOUND" });
    const last = names.last.replace(/^\.\//, "");
    const where = `${prefix}/${file ?? (last || (root ?? ""))}`;
    const reason = failure ?? failed(code, stderr.text, `Writing ${where} failed`);
    if (code === exitNoTool || (file !== undefined && code !== undefined && !signal.aborted)) throw reason;
    const partial =
      file !== undefined
        ? `nothing: ${prefix}/${file} is as it was`
        : last === ""
          ? "nothing was written"
          : `${prefix}/${last}; what comes before it is whole, the rest is missing`;
    const error = new PartialCopyError(reason.message, partial, reason);
    throw signal.aborted ? cancelledPartial(error, signal) : error;
  }

  async names(folder: string): Promise<readonly string[]> {
    const { stdout } = await this.run(namesScript, [folder]);
    return stdout.split("\n").filter((name) => !["", ".", ".."].includes(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The sidecar has an owner.
  }

  private start(script: string, args: readonly string[]): Promise<SidecarProcess> {
    return this.sidecar.exec({ argv: inTarget(this.kit, script, args), view: "outside", cwd: "/" });
  }

  private async run(
    script: string,
    args: readonly string[],
  ): Promise<{ code: number | undefined; stdout: string; stderr: string }> {
    const { exec } = await this.start(script, args);
    exec.stdin.end();
    const stdout = new Text();
    const stderr = new Text();
    await exec.copyOutput({ stdout, stderr });
    const code = await exec.exitCode();
    exec.stdin.destroy();
    return { code, stdout: stdout.text, stderr: stderr.text };
  }
}

/** The first that a tool said is the cause, what follows is its consequence. */
function failed(code: number | undefined, stderr: string, what = "The copy failed in the container"): DfdebugError {
  if (code === exitNoTool)
    return new ContainerError(
      "The toolbox has no static busybox, which reads and writes the container's files",
      { code: "NO_TOOLBOX", hint: "`dfdebug toolbox build` makes a toolbox that has; -i IMAGE names another." },
      125,
    );
  if (code === undefined || code === 137)
    return new ContainerError("The container ended, and the copy with it", { code: "COPY_FAILED" });
  const [reason = ""] = stderr.trim().split("\n");
  return new ContainerError(
    `${what}: ${reason.replace(/^(?:tar|sh|mkdir): (?:line \d+: )?/, "") || `tar ended with ${String(code)}`}`,
    {
      code: "COPY_FAILED",
    },
  );
}

/** `<st_mode in hex> <size>[ /left /out]`. */
function parseHead(line: string): { stat: PathStat; leftOut: readonly string[] } {
  const [mode = "0", size = "0", ...leftOut] = line.split(" ");
  const format = Number.parseInt(mode, 16) & 0o170000;
  const kind =
    format === 0o040000 ? "directory" : format === 0o100000 ? "file" : format === 0o120000 ? "symlink" : "other";
  return { stat: { kind, size: Number(size), target: undefined }, leftOut };
}

/** Small output, as text. */
class Text extends Writable {
  private readonly chunks: Buffer[] = [];
  private length = 0;

  get text(): string {
    return Buffer.concat(this.chunks).toString("utf8");
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.length < 1024 * 1024) this.chunks.push(chunk);
    this.length += chunk.length;
    done();
  }
}

/** tar -v's names: only the last counts. */
class LastLine extends Writable {
  last = "";
  private rest = "";

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const lines = (this.rest + chunk.toString("utf8")).split("\n");
    this.rest = lines.pop() ?? "";
    this.last = lines.at(-1) ?? this.last;
    done();
  }
}

/** A first line, then bytes for a reader. */
class HeadedOutput extends Writable {
  /** Undefined where the output ended without one. */
  readonly head: Promise<string | undefined>;
  readonly body = new PassThrough({ highWaterMark: 1024 * 1024 });
  private settle: (line: string | undefined) => void = () => undefined;
  private line: Buffer | undefined = Buffer.alloc(0);

  constructor() {
    super();
    this.head = new Promise((resolve) => (this.settle = resolve));
    // A reader that gave up needs no more.
    this.body.on("error", () => undefined);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    let rest = chunk;
    if (this.line !== undefined) {
      const whole = Buffer.concat([this.line, chunk]);
      const end = whole.indexOf(0x0a);
      if (end < 0) {
        this.line = whole;
        done();
        return;
      }
      this.line = undefined;
      this.settle(whole.subarray(0, end).toString("utf8"));
      rest = whole.subarray(end + 1);
    }
    // An empty chunk would stop the reader until somebody asks again.
    if (rest.length === 0 || this.body.destroyed || this.body.write(rest)) done();
    else {
      const go = (): void => {
        this.body.off("drain", go).off("close", go);
        done();
      };
      this.body.once("drain", go).once("close", go);
    }
  }

  override _final(done: () => void): void {
    this.settle(undefined);
    this.body.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.settle(undefined);
    // Also called after a good end, when the reader may not have all of it yet.
    if (error) this.body.destroy(error);
    done(error);
  }
}
