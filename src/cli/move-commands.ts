import type { Command } from "commander";
import type { CopyFlags } from "./commands/copy.js";
import type { CliIo } from "./io.js";
import type { EngineFlags } from "./program.js";

/** Registers `dfdebug cp`, `forward` and `entrypoint`. */
export function addMoveCommands(program: Command, io: CliIo, finish: (code: number) => void): void {
  program
    .command("cp")
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
      finish(await runCopy(source, destination, flags, program.opts<EngineFlags>(), io));
    });
}
