import { Command, CommanderError, Option } from "commander";
import { UsageError } from "../errors.js";
import type { CliIo } from "./io.js";
import { version } from "./version.js";
import type { BuildFlags } from "./build-flags.js";
import type { CommandTable, CommandWorld } from "./command-table.js";
import { containerCommands } from "./container-commands.js";
import type { PruneFlags } from "./commands/prune.js";
import { configureDebug } from "./debug-flags.js";
import { moveCommands } from "./move-commands.js";
import { collect, describeOption } from "./option-values.js";

/** Options that reach the engine; every command that talks to one has them. */
export interface EngineFlags {
  readonly host?: string;
  readonly context?: string;
}

/**
 * The command line as commander's tree: help, completion and docs/commands.md are made from it. `finish` gets the exit code of
 * the command that runs. `only`: of the commands none but this one, where there is one of that name.
 */
export function createProgram(io: CliIo, finish: (code: number) => void, only?: string): Command {
  const program = new Command("dfdebug")
    .description("docker build and a debugger at once: build a Dockerfile, and land in a shell where it fails")
    .version(version, "-V, --version", "print the version")
    .option("-H, --host <endpoint>", "the engine, as docker's -H (default: DOCKER_HOST, then docker's context)")
    .option("-c, --context <name>", "the docker context to use")
    .configureHelp({ sortSubcommands: false, showGlobalOptions: true, optionDescription: describeOption })
    // Options stand before what they are for: those after `exec web ls` are ls's.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: () => undefined,
    });

  const table = commandTable({ io, finish, engine: () => program.opts<EngineFlags>() });
  const isOne = only !== undefined && Object.hasOwn(table, only);
  for (const [name, configure] of Object.entries(table)) if (!isOne || name === only) configure(program.command(name));
  return program;
}

function commandTable(world: CommandWorld): CommandTable {
  const { io, finish, engine } = world;
  return {
    build: (command) =>
      addBuildFlags(command)
        .summary("build a Dockerfile; stop in a shell where it fails")
        .description(
          "Build a Dockerfile like docker build. When a step fails on a terminal, a shell opens on the last good layer, in the failing instruction's own environment, with that instruction typed at its prompt.",
        )
        .argument(
          "<path>",
          "the build context: a folder, a git or http URL, or - for a Dockerfile or tar archive on standard input",
        )
        .action(async (path: string, flags: BuildFlags) => {
          const { runBuild } = await import("./commands/build.js");
          finish(await runBuild(path, flags, engine(), io));
        }),

    plan: (command) =>
      addDockerfileFlags(command)
        .summary("print the steps without building")
        .description(
          "Print the steps that a build of the target has: number, stage, line, instruction and what each depends on.",
        )
        .argument("<path>", "the build context folder, or - for a Dockerfile on standard input")
        .option("--json", "print one JSON object")
        .action(async (path: string, flags: BuildFlags & { json?: boolean }) => {
          const { runPlan } = await import("./commands/plan.js");
          finish(await runPlan(path, flags, io));
        }),

    debug: (command) => configureDebug(command, world),
    ...moveCommands(world),
    ...containerCommands(world),

    toolbox: (command) => configureToolbox(command, world),
    prune: (command) =>
      command
        .description("Remove what killed runs of dfdebug left in the engine.")
        .option("-a, --all", "also what runs on other machines or still runs may be using")
        .option("-f, --force", "do not ask")
        .addOption(new Option("--session <id>").hideHelp())
        .action(async (flags: PruneFlags) => {
          const { prune } = await import("./commands/prune.js");
          finish(await prune(flags, engine(), io));
        }),

    doctor: (command) =>
      command
        .description("Say which engines are reachable, what each can do, and what to do about what is missing.")
        .option("--json", "print one JSON object")
        .action(async (flags: { json?: boolean }) => {
          const { doctor } = await import("./commands/maintenance.js");
          finish(await doctor(flags, engine(), io));
        }),

    completion: (command) =>
      command
        .description("Print a completion script.")
        .argument("[shell]", "bash, zsh or fish")
        .addOption(new Option("--names").hideHelp())
        .action(async (shell: string | undefined, flags: { names?: boolean }) => {
          const { completionScript, containerNames } = await import("./commands/completion.js");
          if (flags.names) io.stdout.write(await containerNames(engine(), io));
          else io.stdout.write(completionScript(createProgram(io, finish), shell));
          finish(0);
        }),
  };
}

function configureToolbox(command: Command, { io, finish, engine }: CommandWorld): void {
  const toolbox = command.description("The image of tools that steps and containers are looked into with.");
  toolbox
    .command("build")
    .description("Make the full toolbox image (bash, strace, gdb, tcpdump, curl, dig, ss, lsof, vim, jq and more).")
    .option("-t, --tag <name>", "its name")
    .option("--no-cache", "build every step again")
    .action(async (flags: { tag?: string; cache: boolean }) => {
      const { toolboxBuild } = await import("./commands/toolbox-wiring.js");
      finish(await toolboxBuild(flags, engine(), io));
    });
  toolbox
    .command("ls")
    .description("List the toolbox images in the engine.")
    .option("--json", "print JSON")
    .action(async (flags: { json?: boolean }) => {
      const { toolboxList } = await import("./commands/toolbox-wiring.js");
      finish(await toolboxList(flags, engine(), io));
    });
  toolbox
    .command("rm")
    .description("Remove toolbox images.")
    .argument("[image...]", "their names (default: all of dfdebug's)")
    .action(async (images: string[]) => {
      const { toolboxRemove } = await import("./commands/toolbox-wiring.js");
      finish(await toolboxRemove(images, engine(), io));
    });
}

/**
 * The command that a command line names: making the tree of all commands takes longer than to parse it. Undefined where other
 * options than the engine's stand before it.
 */
export function namedCommand(argv: readonly string[]): string | undefined {
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (!word.startsWith("-")) return word;
    if (/^(-H|--host|-c|--context)$/.test(word)) at += 1;
    else if (!/^(-H|--host=|-c|--context=)./.test(word)) return undefined;
  }
  return undefined;
}

/** Parses and runs. Resolves with the exit code; rejects with DfdebugError. */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  let code = 0;
  const finish = (result: number): void => {
    code = result;
  };
  const program = createProgram(io, finish, namedCommand(argv));
  try {
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    if (error.code === "commander.help") {
      io.stderr.write(program.helpInformation());
      return 2;
    }
    const { refusedFlag } = await import("./refused-flags.js");
    throw new UsageError(error.message.replace(/^error: /, ""), {
      hint:
        optionOfCommand(error.code, argv) ??
        refusedFlag(argv) ??
        "`dfdebug --help` lists the commands, `dfdebug COMMAND --help` their options.",
    });
  }
}

/** Behind `debug`'s target an option is meant for the command. */
function optionOfCommand(code: string, argv: readonly string[]): string | undefined {
  if (code !== "commander.unknownOption" || namedCommand(argv) !== "debug" || argv.includes("--")) return undefined;
  return "A command with options stands behind --: dfdebug debug web -- ls -la. `dfdebug debug --help` lists debug's own.";
}

/** What says which steps there are; `plan` has them too. */
function addDockerfileFlags(command: Command): Command {
  return command
    .option("-f, --file <path>", "the Dockerfile (default: PATH/Dockerfile); - reads standard input")
    .option("--target <stage>", "the stage to build")
    .option("--build-arg <name=value>", "a build-time variable; repeatable", collect, [])
    .option("--build-context <name=value>", "another context; repeatable", collect, [])
    .option("--platform <platform>", "the platform to build for");
}

function addBuildFlags(command: Command): Command {
  return (
    addDockerfileFlags(command)
      .option("-t, --tag <name>", "name the image; repeatable", collect, [])
      .option("--secret <spec>", "id=NAME[,src=FILE|,env=VARIABLE]; repeatable", collect, [])
      .option("--ssh <spec>", "default or ID[=SOCKET|KEY[,KEY]]; repeatable", collect, [])
      .option("--network <mode>", "network of RUN: default, none or host")
      .option("--no-cache", "build every step again")
      .option("--no-cache-filter <stage>", "build these stages again; repeatable, or separated by commas", collect, [])
      .option("--pull", "ask the registry for newer base images")
      .option("--add-host <host:ip>", "a line for /etc/hosts; repeatable", collect, [])
      .option("--label <name=value>", "a label of the image; repeatable", collect, [])
      .option("--iidfile <file>", "write the image's id to a file")
      .option("--metadata-file <file>", "write the build's metadata to a file")
      .option("-q, --quiet", "print only the image's id")
      // What they ask for is so with BuildKit: no container of a step stays.
      .addOption(new Option("--rm").hideHelp())
      .addOption(new Option("--force-rm").hideHelp())
      .option("--load", "accepted as docker build does: the image is always loaded")
      .addOption(
        new Option("--progress <mode>", "how progress is shown")
          .choices(["auto", "tty", "plain", "json"])
          .default("auto"),
      )
      .addOption(
        new Option(
          "--on-failure <action>",
          "what happens at a failing step (default: shell on a terminal, else report)",
        ).choices(["shell", "prompt", "report"]),
      )
      .option(
        "-b, --break <spec>",
        "stop before a step: 7, :12, STAGE, STAGE/3, RUN, /text/ or end, and `if COND`; repeatable",
        collect,
        [],
      )
      .option("--step", "stop before the first step")
      .option("-x, --commands <file>", "read debugger commands from a file (- is standard input)")
      .option(
        "--watch",
        "at a failure, wait for a change of the Dockerfile or the context, and go on from what changed",
      )
      .option("--exec <command>", "run a command at each stop, print its output, and go on; repeatable", collect, [])
      .option(
        "--keep-steps [name]",
        "tag every step's state as NAME:step-<number> (default name: dfdebug/<context folder>)",
      )
      .option("--toolbox <image>", "the image of tools to use")
      .addOption(new Option("--engine <kind>", "which engine builds").choices(["auto", "buildkit"]).default("auto"))
      .option("--ignore-syntax", "build with the engine's own frontend, whatever `# syntax=` says")
  );
}
