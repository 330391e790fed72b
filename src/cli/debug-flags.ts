import type { Command } from "commander";
import type { CommandWorld } from "./command-table.js";
import { collect } from "./option-values.js";

/** `dfdebug debug`'s options as commander gives them. */
export interface DebugFlags {
  readonly inside?: boolean;
  readonly image?: string;
  readonly user?: string;
  readonly workdir?: string;
  readonly env: readonly string[];
  readonly volume: readonly string[];
  readonly mount: readonly string[];
  readonly readOnly?: boolean;
  readonly privileged?: boolean;
  readonly capAdd: readonly string[];
  readonly explain?: boolean;
}

/** Configures `dfdebug debug`. */
export function configureDebug(command: Command, { io, finish, engine }: CommandWorld): void {
  command
    .summary("a shell or a command in a toolbox beside a container")
    .description(
      "Open a shell, or run a command, in a toolbox container that shares the target's processes and network and sees its files live at /target. Works on any image: no shell, non-root, read-only, paused. Stopped containers and images are opened without starting them.",
    )
    .argument("[target]", "a container's name or id, a compose service, or an image; on a terminal it can be picked")
    .argument("[command...]", "what to run instead of a shell; put -- before it")
    .option("--inside", "the target's root is /, with the static tools at the end of PATH")
    .option("-i, --image <image>", "the toolbox image; pulled where the engine does not have it")
    .option(
      "-u, --user <user>",
      "the user, user[:group] (default: root; with --inside by the target's own /etc/passwd)",
    )
    .option("-w, --workdir <path>", "the working directory (default: /target; with --inside the target's own)")
    .option(
      "-e, --env <name=value>",
      "an environment variable, or a name to take it from here; repeatable",
      collect,
      [],
    )
    .option("-v, --volume <mount>", "a mount of the toolbox, as docker run -v; repeatable", collect, [])
    .option("--mount <mount>", "a mount of the toolbox, as docker run --mount; repeatable", collect, [])
    .option("--read-only", "the target's files cannot be written at /target")
    .option("--privileged", "give the toolbox every right")
    .option("--cap-add <capability>", "give the toolbox another capability; repeatable", collect, [])
    .option("--explain", "print what would be joined and allowed, and why; start nothing")
    .action(async (target: string | undefined, words: readonly string[], flags: DebugFlags) => {
      const { runDebug } = await import("./commands/debug.js");
      finish(await runDebug(target, words, flags, engine(), io));
    });
}
