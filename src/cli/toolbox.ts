import type { DockerConnection } from "../docker/connection.js";
import type { ToolboxOptions } from "../sidecar/toolbox.js";
import { readConfiguration } from "./config.js";
import type { CliIo } from "./io.js";
import { showPull } from "./pull-progress.js";

/** Which toolbox image was asked for, and where; `image` is undefined where none was. */
export interface ToolboxChoice {
  readonly image: string | undefined;
  readonly source: string;
}

/**
 * The option of the command line, then DFDEBUG_TOOLBOX, then the configuration files. Rejects with UsageError for a
 * configuration file that cannot be read.
 */
export async function chooseToolbox(
  option: { readonly name: string; readonly value: string | undefined },
  io: CliIo,
): Promise<ToolboxChoice> {
  if (option.value !== undefined) return { image: option.value, source: option.name };
  const fromEnvironment = io.env["DFDEBUG_TOOLBOX"];
  if (fromEnvironment) return { image: fromEnvironment, source: "DFDEBUG_TOOLBOX" };
  return (await readConfiguration(io)).toolbox ?? { image: undefined, source: "the best one there is" };
}

/** What finding, pulling or importing a toolbox needs of the command line's world. */
export function toolboxOptions(
  { image }: ToolboxChoice,
  connection: DockerConnection,
  io: CliIo,
  platform: ToolboxOptions["platform"] = () => Promise.resolve(undefined),
): ToolboxOptions {
  return {
    image,
    connection,
    env: io.env,
    platform,
    credentials: async (host) => {
      const { CredentialStore } = await import("../docker/credentials.js");
      return new CredentialStore({ env: io.env }).lookup(host);
    },
    onProgress: showPull(image ?? "", io.stderr),
    signal: io.signal,
  };
}
