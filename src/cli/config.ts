import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { nearest } from "../dockerfile/suggest.js";
import { UsageError, errorMessage } from "../errors.js";

/** What configuration files say. A project's file comes with a checkout, so it may name a toolbox and nothing that gives rights. */
export interface Configuration {
  /** The toolbox image, and which file says so. */
  readonly toolbox: { readonly image: string; readonly source: string } | undefined;
}

/** The project's file, looked for in the working folder and above it. */
const projectFile = ".dfdebug.yaml";

/**
 * `.dfdebug.yaml` of the project, then `$XDG_CONFIG_HOME/dfdebug/config.yaml` (`~/.config`). Neither has to be there.
 * Rejects with UsageError, code CONFIG, for one that cannot be read.
 */
export async function readConfiguration(options: { cwd: string; env: NodeJS.ProcessEnv }): Promise<Configuration> {
  const { cwd, env } = options;
  const home = env["XDG_CONFIG_HOME"] ?? join(env["HOME"] ?? homedir(), ".config");
  const [project, user] = await Promise.all([readProject(cwd), readOne(join(home, "dfdebug/config.yaml"))]);
  return { toolbox: project?.toolbox ?? user?.toolbox };
}

async function readProject(cwd: string): Promise<Configuration | undefined> {
  for (let folder = cwd; ; folder = dirname(folder)) {
    const found = await readOne(join(folder, projectFile));
    if (found || dirname(folder) === folder) return found;
  }
}

async function readOne(path: string): Promise<Configuration | undefined> {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw wrong(path, errorMessage(error), error);
  }
  const { parseYaml } = await import("./yaml.js");
  let content: unknown;
  try {
    content = parseYaml(text);
  } catch (error) {
    throw wrong(path, errorMessage(error).split("\n")[0] ?? "", error);
  }
  const top = fields(content, path, "", ["toolbox"]);
  const toolbox = fields(top["toolbox"], path, "toolbox.", ["image"]);
  const image = toolbox["image"];
  if (image === undefined) return { toolbox: undefined };
  if (typeof image !== "string" || image.trim() === "") throw wrong(path, "toolbox.image is no image's name");
  return { toolbox: { image, source: path } };
}

/** A mapping with known keys only: a misspelt one is not ignored. */
function fields(content: unknown, path: string, prefix: string, known: readonly string[]): Record<string, unknown> {
  if (content === undefined || content === null) return {};
  if (typeof content !== "object" || Array.isArray(content))
    throw wrong(path, `${prefix === "" ? "it" : prefix.slice(0, -1)} has to be a mapping`);
  for (const key of Object.keys(content))
    if (!known.includes(key)) {
      const near = nearest(key, known);
      throw wrong(
        path,
        `there is no setting ${prefix}${key}${near === undefined ? "" : `; did you mean ${prefix}${near}?`}`,
      );
    }
  return content as Record<string, unknown>;
}

function wrong(path: string, what: string, cause?: unknown): UsageError {
  return new UsageError(`${path}: ${what}`, {
    code: "CONFIG",
    cause,
    hint: "What it may hold:\ntoolbox:\n  image: NAME[:TAG][@DIGEST]",
  });
}
