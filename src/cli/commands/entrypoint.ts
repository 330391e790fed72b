import type { DockerConnection } from "../../docker/connection.js";
import { Containers } from "../../docker/containers.js";
import { findImage, platformOf, type ImageInfo } from "../../docker/images.js";
import type { ImageConfig } from "../../dockerfile/image-config.js";
import { DockerfileError, DfdebugError } from "../../errors.js";
import { detectStyle } from "../../frontends/terminal/style.js";
import { checkEntrypoint, type EntrypointReport } from "../../sidecar/entrypoint/check.js";
import type { RunInstruction } from "../../sidecar/entrypoint/finding.js";
import { findRunLines, runInstructions, valueOf, type NoLines, type RunLines } from "../../sidecar/entrypoint/lines.js";
import { StoredFiles } from "../../sidecar/copy/stored-files.js";
import { lastRun, type LastRun } from "../../sidecar/crash.js";
import { ownerLabels } from "../../sidecar/labels.js";
import { nameOf, resolveTarget, type Target } from "../../sidecar/target.js";
import { writeAll } from "../../write-all.js";
import { locate } from "../build-request.js";
import { ConnectedEngine } from "../connect.js";
import { maskArguments } from "../../sidecar/report/environment.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";
import { wrapText } from "../../frontends/terminal/width.js";
import { entrypointText } from "./entrypoint-text.js";
import { lastRunMeaning } from "./last-run-text.js";

export interface EntrypointFlags {
  readonly file?: string;
  readonly json?: boolean;
}

/** The report with what only the command knows: whose it is, and where it stands. */
export interface LocatedReport extends EntrypointReport {
  readonly name: string;
  readonly kind: Target["kind"];
  /** How a container that does not run for long ended last. Undefined for the rest. */
  readonly lastRun: (LastRun & { readonly meaning: string | undefined }) | undefined;
  /** It is started again each time it ends. */
  readonly isLooping: boolean;
  /** Undefined where none was there, or none fits. */
  readonly dockerfile: string | undefined;
  /** Dockerfile lines of the values that are the image's. */
  readonly lines: Partial<Record<RunInstruction, number>>;
}

/** `dfdebug entrypoint`. Resolves with 0, or 1 with findings. Rejects with UsageError, DockerfileError (only of -f) or EngineError. */
export async function runEntrypoint(
  name: string,
  flags: EntrypointFlags,
  engineFlags: EngineFlags,
  io: CliIo,
): Promise<number> {
  await using engine = new ConnectedEngine(engineFlags, io);
  const connection = await engine.connection();
  const containers = new Containers(connection);
  const target = await resolveTarget(containers, name, { cwd: io.cwd, images: true });
  const [image, { Arch }] = await Promise.all([
    target.kind === "image" ? target.image : findImage(connection, target.info.Image),
    connection.json<{ Arch: string }>("GET", "/version"),
  ]);
  const imageConfig = configOf(image);
  const config = target.kind === "image" ? imageConfig : containerConfig(target, imageConfig);
  await using files = await StoredFiles.open(target, containers, ownerLabels());
  const report = await checkEntrypoint(files, config, Arch);
  const found = image && (await linesFor(image, flags.file, containers, io));
  const notes = [...report.notes, ...lineNotes(found, flags.file)];
  const located: LocatedReport = {
    name: target.kind === "image" ? name : nameOf(target.info),
    kind: target.kind,
    ...report,
    argv: maskArguments(report.argv),
    lastRun: await lastRunOf(target, connection),
    isLooping: target.kind === "container" && (target.info.State.Running || target.info.State.Restarting),
    notes,
    dockerfile: found && "lines" in found ? found.file : undefined,
    lines: found && "lines" in found ? linesOf(found, config, imageConfig) : {},
  };
  const style = detectStyle(io.stdout, io.env);
  await writeAll(
    io.stdout,
    flags.json ? `${JSON.stringify(asJson(located))}\n` : wrapText(entrypointText(located, style), io.stdout),
  );
  return report.findings.length === 0 ? 0 : 1;
}

function configOf(image: ImageInfo | undefined): ImageConfig {
  const { Env, ...config } = image?.Config ?? {};
  return { ...config, Env: Env ?? [], Labels: {} };
}

/** docker run's own arguments count, and stand in the container's configuration. */
function containerConfig({ info }: Extract<Target, { kind: "container" }>, image: ImageConfig): ImageConfig {
  const { Entrypoint, Cmd, User, WorkingDir, Env } = info.Config;
  const entrypoint = typeof Entrypoint === "string" ? [Entrypoint] : Entrypoint;
  return { ...image, Entrypoint: entrypoint ?? null, Cmd, User, WorkingDir, Env };
}

/** Undefined where there is no Dockerfile here. A file that was only guessed may be wrong, or another's. */
async function linesFor(
  image: ImageInfo,
  file: string | undefined,
  containers: Containers,
  io: CliIo,
): Promise<RunLines | NoLines | undefined> {
  try {
    const { dockerfile } = await locate(".", file, io);
    return (
      dockerfile &&
      (await findRunLines(dockerfile, configOf(image), {
        platform: platformOf(image),
        base: async (name) => {
          const base = await findImage(containers.connection, name);
          return base && configOf(base);
        },
      }))
    );
  } catch (error) {
    const isGuess = file === undefined;
    const isOfFile =
      error instanceof DockerfileError || (error instanceof DfdebugError && error.code.startsWith("DOCKERFILE_"));
    if (isGuess && isOfFile) return undefined;
    throw error;
  }
}

function linesOf(
  { lines }: RunLines,
  config: ImageConfig,
  image: ImageConfig,
): Partial<Record<RunInstruction, number>> {
  const entries = runInstructions.flatMap((name) => {
    const line = lines.get(name);
    return line !== undefined && valueOf(config, name) === valueOf(image, name) ? [[name, line] as const] : [];
  });
  return Object.fromEntries(entries);
}

async function lastRunOf(target: Target, connection: DockerConnection): Promise<LocatedReport["lastRun"]> {
  const run = target.kind === "container" ? await lastRun(target.info, connection) : undefined;
  return run && { ...run, meaning: lastRunMeaning(run) };
}

function lineNotes(found: RunLines | NoLines | undefined, file: string | undefined): string[] {
  if (!found || "lines" in found || file === undefined) return [];
  const why =
    found.differs.length > 0
      ? `it yields another ${found.differs.join(" and ")}`
      : "its base image is not in the engine";
  return [`${found.file} is not this image's Dockerfile: ${why}. So no lines are given.`];
}

function asJson({ findings, lines, dockerfile, isLooping: _, ...report }: LocatedReport): object {
  return {
    ...report,
    argv: maskArguments(report.argv),
    canRun: findings.length === 0,
    dockerfile,
    lines,
    findings: findings.map((finding) => ({
      ...finding,
      ...(lines[finding.instruction] === undefined ? {} : { file: dockerfile, line: lines[finding.instruction] }),
    })),
  };
}
