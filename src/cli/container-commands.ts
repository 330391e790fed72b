import { Option, type Command } from "commander";
import type { CommandTable, CommandWorld } from "./command-table.js";
import type { AttachFlags } from "./commands/attach.js";
import type { WatchFlags } from "./commands/watch-container.js";
import type { EventFlags } from "./commands/events.js";
import type { ExecFlags } from "./commands/exec.js";
import type { InspectFlags } from "./commands/inspect.js";
import type { LogFlags } from "./commands/logs.js";
import type { StatsFlags } from "./commands/stats.js";
import type { TopFlags } from "./commands/top.js";
import { collect } from "./option-values.js";

const container = "a container's name or id, or a compose service";

/** What looks into containers: `ps`, `stats`, `logs`, `exec` and the like. */
export function containerCommands({ io, finish, engine }: CommandWorld): CommandTable {
  const pausing = (command: Command, action: "pause" | "unpause"): Command =>
    command
      .summary(action === "pause" ? "freeze containers" : "let paused containers go on")
      .description(
        action === "pause"
          ? "Freeze all processes of containers. dfdebug debug, inspect, ps and top work beside a paused one."
          : "Let the processes of paused containers go on.",
      )
      .argument("<container...>", container)
      .action(async (names: string[]) => {
        const { runPause } = await import("./commands/pause.js");
        finish(await runPause(action, names, engine(), io));
      });

  return {
    inspect: (command) =>
      command
        .summary("how a container is isolated, limited and connected")
        .description(
          "Report what a container is as its processes have it: state, namespaces and who shares them, control group limits with use and peak, capabilities and profiles, interfaces, routes, listeners, mounts, environment against the image's (secrets masked) and the process tree. It is seen from a sidecar; process ids and the veth of the engine's machine come from a helper there without any capability.",
        )
        .argument("<container>", container)
        .option("-i, --image <image>", "the toolbox image")
        .option("--no-host-side", "ask nothing of the engine's machine")
        .option("--json", "print one JSON object")
        .action(async (name: string, flags: InspectFlags) => {
          const { runInspect } = await import("./commands/inspect.js");
          finish(await runInspect(name, flags, engine(), io));
        }),

    ps: (command) =>
      command
        .summary("a container's processes, once")
        .description(
          "List a container's processes as docker top does, with ps options; process ids are those of the engine's machine. It needs no ps in the container. Where the engine's machine has none either, a sidecar lists them with the container's own process ids.",
        )
        .argument("<container>", container)
        .argument("[option...]", "options of ps: -o pid,args, aux")
        .option("--json", "print a JSON object a line, a process each")
        .passThroughOptions()
        .action(async (name: string, words: string[], flags: { json?: boolean }, command: Command) => {
          const [first = "", ...rest] = words;
          // Directly behind the container a word that no ps knows is dfdebug's own; behind an option of ps all is ps's.
          if (first === "-h" || first === "--help") command.help();
          const isOwn = first === "--json";
          const { runPs } = await import("./commands/ps.js");
          finish(await runPs(name, isOwn ? rest : words, { json: isOwn || flags.json === true }, engine(), io));
        }),

    top: (command) =>
      command
        .summary("a container's processes, live")
        .description(
          "Show a container's processes with their CPU use, live on a terminal, once elsewhere. They are read by a sidecar: the container needs no ps. Process ids are the container's own.",
        )
        .argument("<container>", container)
        .addOption(new Option("-s, --sort <by>", "the order").choices(["cpu", "memory", "pid"]).default("cpu"))
        .option("-d, --delay <seconds>", "seconds between two looks", "2")
        .option("-i, --image <image>", "the toolbox image")
        .option("--json", "print one JSON object")
        .action(async (name: string, flags: TopFlags) => {
          const { runTop } = await import("./commands/top.js");
          finish(await runTop(name, flags, engine(), io));
        }),

    events: (command) =>
      command
        .summary("what happens to containers, or in the engine")
        .description(
          "Print what happens as it happens; with --since what happened before, as far as the engine remembers (256 events). die comes with its exit code, and says when memory had run out.",
        )
        .argument("[container...]", `only of these: ${container}`)
        .option("-f, --filter <key=value>", "as docker's: event=die, type=network, label=...; repeatable", collect, [])
        .option("--since <time>", "from this moment on: 10m, 2026-01-02T15:04:05Z or Unix seconds")
        .option("--until <time>", "up to this moment")
        .option("--json", "print a JSON object a line")
        .action(async (names: string[], flags: EventFlags) => {
          const { runEvents } = await import("./commands/events.js");
          finish(await runEvents(names, flags, engine(), io));
        }),

    stats: (command) =>
      command
        .summary("what containers use of the machine")
        .description(
          "Show CPU, memory, network, disk and process numbers as docker stats does: live on a terminal, once with --no-stream. The first numbers come within a second.",
        )
        .argument("[container...]", `${container} (default: all that run)`)
        .option("-a, --all", "those that do not run too")
        .option("--no-stream", "print the numbers once")
        .option("--json", "print a JSON object a line for each container and sample")
        .action(async (names: string[], flags: StatsFlags) => {
          const { runStats } = await import("./commands/stats.js");
          finish(await runStats(names, flags, engine(), io));
        }),

    logs: (command) =>
      command
        .summary("what a container wrote; -f goes on over restarts")
        .description(
          "Print what a container wrote to standard output and error, byte for byte; on a terminal, control sequences other than colours are taken out. With -f it goes on over restarts: by the restart policy, and by hand (after a stop, a start is waited for during five seconds). It ends when the container ended for good or was removed.",
        )
        .argument("<container>", container)
        .option("-f, --follow", "go on with what it writes from now on")
        .option("-t, --timestamps", "the moment before each line")
        .option("-n, --tail <lines>", "only the last lines, or all")
        .option("--since <time>", "from this moment on: 10m, 2026-01-02T15:04:05Z or Unix seconds")
        .option("--until <time>", "up to this moment")
        .action(async (name: string, flags: LogFlags) => {
          const { runLogs } = await import("./commands/logs.js");
          finish(await runLogs(name, flags, engine(), io));
        }),

    attach: (command) =>
      command
        .summary("watch a container's first process, or type into it")
        .description(
          "Show what a running container writes from now on. It is read-only unless --stdin is given. Ctrl-C and the detach keys leave it; Ctrl-C never reaches the container unless --pass-interrupt says so. Ends with the container's exit code when it ends.",
        )
        .argument("<container>", container)
        .option("--stdin", "what is typed, or standard input, goes to the container (it has to have been made with -i)")
        .option("--pass-interrupt", "Ctrl-C and Ctrl-\\ go to the container's terminal, and may end it")
        .option("--detach-keys <keys>", "the keys that leave it, as docker's", "ctrl-p,ctrl-q")
        .action(async (name: string, flags: AttachFlags) => {
          const { runAttach } = await import("./commands/attach.js");
          finish(await runAttach(name, flags, engine(), io));
        }),

    watch: (command) =>
      command
        .summary("logs, events and use of a container in one timeline")
        .description(
          "Show what a container writes, what happens to it and what it uses as one timeline. It goes on over restarts, and while the container does not run; it ends when the container is removed.",
        )
        .argument("<container>", container)
        .option("-n, --tail <lines>", "lines of the log so far to begin with, or all", "10")
        .option("--since <time>", "the log from this moment on: 10m, 2026-01-02T15:04:05Z or Unix seconds")
        .option("--interval <seconds>", "seconds between two looks at its use", "5")
        .option("--json", "print a JSON object a line: log, event or stats")
        .action(async (name: string, flags: WatchFlags) => {
          const { runWatch } = await import("./commands/watch-container.js");
          finish(await runWatch(name, flags, engine(), io));
        }),

    exec: (command) =>
      command
        .summary("run a command in the container itself")
        .description(
          "Run a command in a running container, with its own files and programs, as docker exec does; on a terminal -i and -t need not be said. Exit codes are the command's own; 125, 126 and 127 as docker's. Signals are passed on. Where the container has no such program, dfdebug debug brings it along.",
        )
        .argument("<container>", container)
        .argument("<command>", "what to run")
        .argument("[arg...]", "its arguments")
        .option("-d, --detach", "start it and leave it running, without its input and output")
        .option("-i, --interactive", "pass standard input on")
        .option("-t, --tty", "give it a terminal (default: when standard input and output are one)")
        .option("-T, --no-tty", "give it no terminal")
        .option("-u, --user <user>", "as this user, user[:group]")
        .option("-w, --workdir <path>", "in this directory")
        .option(
          "-e, --env <name=value>",
          "an environment variable, or a name to take it from here; repeatable",
          collect,
          [],
        )
        .option("--privileged", "with every right")
        .option("--detach-keys <keys>", "leave it running with these keys, as docker's: ctrl-p,ctrl-q (default: none)")
        .passThroughOptions()
        .action(async (name: string, command: string, args: string[], flags: ExecFlags) => {
          const { runExec } = await import("./commands/exec.js");
          finish(await runExec(name, [command, ...args], flags, engine(), io));
        }),

    pause: (command) => pausing(command, "pause"),
    unpause: (command) => pausing(command, "unpause"),
  };
}
