import type { CommandTable, CommandWorld } from "./command-table.js";
import type { CopyFlags } from "./commands/copy.js";
import type { EntrypointFlags } from "./commands/entrypoint.js";
import type { ForwardFlags } from "./commands/forward.js";

/** `dfdebug cp`, `forward` and `entrypoint`. */
export function moveCommands({ io, finish, engine }: CommandWorld): CommandTable {
  return {
    cp: (command) =>
      command
        .summary("copy files into and out of a container, volumes and tmpfs too")
        .description(
          "Copy files between a container and this machine, by docker cp's rules, as the container's processes see them: volumes, tmpfs and the writable mounts of a read-only root too. Works for stopped containers, and out of images. - is a tar archive on standard input or output.",
        )
        .argument("<source>", "CONTAINER:PATH, a local path, or -")
        .argument("<destination>", "a local path, CONTAINER:PATH, or -")
        .option("-a, --archive", "keep numeric owners (out of a container: as root)")
        .option("-L, --follow-link", "copy what a symlink leads to, where the source is one")
        .option("-q, --quiet", "say nothing where all goes well")
        .option("-i, --image <image>", "the toolbox image")
        .action(async (source: string, destination: string, flags: CopyFlags) => {
          const { runCopy } = await import("./commands/copy.js");
          finish(await runCopy(source, destination, flags, engine(), io));
        }),

    forward: (command) =>
      command
        .summary("reach a container's ports that were never published")
        .description(
          "Listen on this machine and lead each connection into a container's network, through the engine's connection: to servers on its localhost, without a network, and on remote engines. Ends with Ctrl-C, or with the container.",
        )
        .argument("<container>", "a container's name or id, or a compose service")
        .argument(
          "<port...>",
          "[[BIND:]LOCAL:][HOST:]PORT; LOCAL 0 takes a free one, HOST is another host in its network",
        )
        .option("-i, --image <image>", "the toolbox image")
        .action(async (container: string, ports: readonly string[], flags: ForwardFlags) => {
          const { runForward } = await import("./commands/forward.js");
          finish(await runForward(container, ports, flags, engine(), io));
        }),

    entrypoint: (command) =>
      command
        .summary("what a container or image would run, and whether it can")
        .description(
          "Say what is really run: ENTRYPOINT and CMD combined, the program that PATH finds with its symlinks followed, its interpreter or loader, user and directory; and why it cannot be where it cannot. Nothing is started. Findings name the Dockerfile's line where it yields the image's own ENTRYPOINT, CMD, USER and WORKDIR. Exit code 1 where there are findings.",
        )
        .argument("<name>", "a container's name or id, a compose service, or an image")
        .option("-f, --file <path>", "the image's Dockerfile (default: ./Dockerfile, where it fits)")
        .option("--json", "print one JSON object")
        .action(async (name: string, flags: EntrypointFlags) => {
          const { runEntrypoint } = await import("./commands/entrypoint.js");
          finish(await runEntrypoint(name, flags, engine(), io));
        }),
  };
}
