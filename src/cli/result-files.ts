import { constants } from "node:fs";
import { access, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fullName, parseImageReference } from "../dockerfile/image-reference.js";
import type { BuildResult } from "../engine/engine.js";
import { BuildError, errorMessage, UsageError } from "../errors.js";
import type { BuildFlags } from "./build-flags.js";

/** A file that a flag asks for. */
interface ResultFile {
  /** As written, for people: `--iidfile ids/app`. */
  readonly flag: string;
  readonly path: string;
  /** A device or a pipe (/dev/stdout, `>(command)`): it is written to, and never replaced. */
  readonly isStream: boolean;
}

/** The files of --iidfile and --metadata-file. */
export class ResultFiles {
  private readonly imageId: ResultFile | undefined;
  private readonly metadata: ResultFile | undefined;

  private constructor(imageId: ResultFile | undefined, metadata: ResultFile | undefined) {
    this.imageId = imageId;
    this.metadata = metadata;
  }

  /** Rejects with UsageError for a file that could not be written at the end of the build. */
  static async check(flags: Pick<BuildFlags, "iidfile" | "metadataFile">, cwd: string): Promise<ResultFiles> {
    const file = (name: string, path: string | undefined): Promise<ResultFile> | undefined =>
      path === undefined ? undefined : checked(`${name} ${path}`, path === "" ? "" : resolve(cwd, path));
    return new ResultFiles(await file("--iidfile", flags.iidfile), await file("--metadata-file", flags.metadataFile));
  }

  /** Takes the image's id of an earlier build away, as docker build does: a build that fails leaves none behind. */
  async begin(): Promise<void> {
    if (this.imageId && !this.imageId.isStream) await rm(this.imageId.path, { force: true });
  }

  /** Rejects with BuildError, code RESULT_WRITE, where one cannot be written after all. */
  async write(image: BuildResult): Promise<void> {
    if (this.imageId) await write(this.imageId, image.imageId, image);
    if (this.metadata) await write(this.metadata, `${JSON.stringify(metadataOf(image), undefined, 2)}\n`, image);
  }
}

/** docker build's metadata: the exporter's answer, and the names in full as buildx has them. */
export function metadataOf(image: BuildResult): Record<string, unknown> {
  const names = image.names.map((name) => {
    const reference = parseImageReference(name);
    return reference ? fullName(reference) : name;
  });
  return { ...image.metadata, ...(names.length > 0 ? { "image.name": names.join(",") } : {}) };
}

async function checked(flag: string, path: string): Promise<ResultFile> {
  if (path === "") throw new UsageError(`${flag}: expected a file`);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new UsageError(`${flag}: ${path} is a folder`, { hint: "Name a file in it." });
  const isStream = found !== undefined && !found.isFile();
  const folder = dirname(path);
  try {
    if (!isStream && !(await stat(folder)).isDirectory()) throw notAFolder(flag, folder);
    await access(isStream ? path : folder, isStream ? constants.W_OK : constants.W_OK | constants.X_OK);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTDIR") throw notAFolder(flag, folder);
    throw new UsageError(
      code === "ENOENT"
        ? `${flag}: the folder ${folder} does not exist`
        : `${flag}: ${isStream ? path : `the folder ${folder}`} cannot be written: ${errorMessage(error)}`,
      { cause: error, ...(code === "ENOENT" ? { hint: `Make it first: mkdir -p ${folder}` } : {}) },
    );
  }
  return { flag, path, isStream };
}

function notAFolder(flag: string, folder: string): UsageError {
  return new UsageError(`${flag}: ${folder} is not a folder`);
}

/** A file is written whole or not at all. */
async function write(file: ResultFile, content: string, image: BuildResult): Promise<void> {
  const temporary = file.isStream ? undefined : `${file.path}.${String(process.pid)}.tmp`;
  try {
    await writeFile(temporary ?? file.path, content);
    if (temporary !== undefined) await rename(temporary, file.path);
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => undefined);
    throw new BuildError(`${file.flag}: it could not be written: ${errorMessage(error)}`, {
      code: "RESULT_WRITE",
      cause: error,
      hint: `The image is built: ${image.names[0] ?? image.imageId}`,
    });
  }
}
