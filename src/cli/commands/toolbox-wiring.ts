import { fileURLToPath } from "node:url";
import { formatBytes } from "../../frontends/terminal/style.js";
import { toolboxImage } from "../../sidecar/toolbox.js";
import type { BuildFlags } from "../build-flags.js";
import { ConnectedEngine } from "../connect.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";

/** The toolbox's build context: beside dist/ in a package, at the root of a checkout. */
const contextFolder = fileURLToPath(new URL("../../toolbox", import.meta.url));

/** `dfdebug toolbox build`: the full toolbox, by dfdebug's own build. */
export async function toolboxBuild(
  flags: { tag?: string; cache: boolean },
  engineFlags: EngineFlags,
  io: CliIo,
): Promise<number> {
  const { runBuild } = await import("./build.js");
  const build: BuildFlags = {
    buildArg: [],
    buildContext: [],
    tag: [flags.tag ?? toolboxImage],
    cache: flags.cache,
    progress: "auto",
    onFailure: "report",
  };
  return runBuild(contextFolderOf(), build, engineFlags, io);
}

function contextFolderOf(): string {
  return process.env["DFDEBUG_TOOLBOX_CONTEXT"] ?? contextFolder;
}

interface ImageSummary {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  readonly Size: number;
}

/** `dfdebug toolbox ls`: images with the toolbox's label. */
export async function toolboxList(flags: { json?: boolean }, engineFlags: EngineFlags, io: CliIo): Promise<number> {
  await using connected = new ConnectedEngine(engineFlags, io, undefined);
  const images = await toolboxImages(connected);
  if (flags.json) {
    io.stdout.write(
      `${JSON.stringify(images.map(({ Id, RepoTags, Size }) => ({ id: Id, names: RepoTags ?? [], size: Size })))}\n`,
    );
    return 0;
  }
  if (images.length === 0) io.stdout.write("No toolbox image: `dfdebug toolbox build` makes one\n");
  for (const image of images)
    io.stdout.write(
      `${(image.RepoTags ?? ["<none>"]).join(", ")}  ${image.Id.slice(7, 19)}  ${formatBytes(image.Size)}\n`,
    );
  return 0;
}

/** `dfdebug toolbox rm`: the named images, or all toolbox images. */
export async function toolboxRemove(names: readonly string[], engineFlags: EngineFlags, io: CliIo): Promise<number> {
  await using connected = new ConnectedEngine(engineFlags, io, undefined);
  const connection = await connected.connection();
  const wanted =
    names.length > 0 ? names : (await toolboxImages(connected)).flatMap((image) => image.RepoTags ?? [image.Id]);
  for (const name of wanted) {
    await connection.json("DELETE", `/images/${name}`);
    io.stdout.write(`Removed ${name}\n`);
  }
  return 0;
}

async function toolboxImages(connected: ConnectedEngine): Promise<ImageSummary[]> {
  const connection = await connected.connection();
  const filters = JSON.stringify({ label: ["dev.dfdebug.toolbox"] });
  return connection.json<ImageSummary[]>("GET", "/images/json", { query: { filters } });
}
