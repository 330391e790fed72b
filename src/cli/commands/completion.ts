import type { Command, Option } from "commander";
import { Containers } from "../../docker/containers.js";
import { UsageError } from "../../errors.js";
import { sessionLabel } from "../../sidecar/labels.js";
import { nameOf } from "../../sidecar/target.js";
import { ConnectedEngine } from "../connect.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";

/** A completion script made from the command tree. Throws UsageError for an unknown shell. */
export function completionScript(program: Command, shell: string | undefined): string {
  switch (shell) {
    case "bash":
      return bash(program);
    case "zsh":
      return `#compdef dfdebug\n(( $+functions[compdef] )) || { autoload -U +X compinit && compinit -u; }\nautoload -U +X bashcompinit && bashcompinit\n${bash(program)}`;
    case "fish":
      return fish(program);
    default:
      throw new UsageError(shell === undefined ? "Which shell?" : `There is no completion for ${shell}`, {
        hint: "It is bash, zsh or fish.",
      });
  }
}

/** The names of the engine's containers, a line each, for the scripts; none where no engine answers. */
export async function containerNames(engineFlags: EngineFlags, io: CliIo): Promise<string> {
  await using engine = new ConnectedEngine(engineFlags, io);
  try {
    const all = await new Containers(await engine.connection()).list();
    const others = all.filter(({ Labels }) => !(sessionLabel in Labels));
    return others.map((container) => `${nameOf(container)}\n`).join("");
  } catch {
    return "";
  }
}

/** What the scripts ask for these; bash and zsh of the engine that the line names. */
const askNames = "dfdebug completion --names 2>/dev/null";
const askItsNames = 'dfdebug "${engine[@]}" completion --names 2>/dev/null';

/** Commands whose words are containers: all of them, or the first one only. */
function commandsOfContainers(program: Command): {
  readonly all: readonly string[];
  readonly first: readonly string[];
} {
  const taking = program.commands.filter(
    (command) =>
      command.name() === "entrypoint" || /^(container|target)$/.test(command.registeredArguments[0]?.name() ?? ""),
  );
  const named = (isVariadic: boolean): string[] =>
    taking
      .filter((command) => (command.registeredArguments[0]?.variadic ?? false) === isVariadic)
      .map((command) => command.name());
  return { all: named(true), first: named(false) };
}

/** Commands with their path: `build`, `toolbox build`. */
function commandsOf(command: Command, path: readonly string[] = []): { path: readonly string[]; command: Command }[] {
  return command.commands.flatMap((child) => {
    const childPath = [...path, child.name()];
    return [{ path: childPath, command: child }, ...commandsOf(child, childPath)];
  });
}

function flagsOf(command: Command): string[] {
  return command.options
    .filter(isShown)
    .flatMap((option) =>
      [option.long, option.short].filter((flag): flag is string => flag !== undefined && flag !== null),
    );
}

function bash(program: Command): string {
  const cases = commandsOf(program).map(({ path, command }) => {
    const words = [...flagsOf(command), "--help", ...command.commands.map((child) => child.name())].join(" ");
    return `    "${path.join(" ")}") candidates="${words}" ;;`;
  });
  const values = new Map<string, readonly string[]>();
  for (const { command } of commandsOf(program))
    for (const option of command.options)
      if (option.argChoices && option.long) values.set(option.long, option.argChoices);
  const choices = [...values].map(
    ([flag, options]) =>
      `    ${flag}) COMPREPLY=($(compgen -P "$prefix" -W "${options.join(" ")}" -- "$cur")); return ;;`,
  );
  const top = program.commands.map((child) => child.name()).join(" ");
  const containers = commandsOfContainers(program);
  return `_dfdebug() {
  # Not "path" and "words": zsh has variables of these names.
  local cur prev command candidates word before= arguments=0 prefix=
  local -a engine=()
  cur=\${COMP_WORDS[COMP_CWORD]}
  prev=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  # Readline takes --flag=value apart at the sign; zsh does not.
  if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}
  elif [[ $cur == --*=* ]]; then prev=\${cur%%=*}; cur=\${cur#*=}; prefix="$prev="; fi
  case $prev in
    completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$cur")); return ;;
${choices.join("\n")}
    --target)
      local file=Dockerfile i
      for ((i = 1; i < COMP_CWORD; i++)); do [[ \${COMP_WORDS[i]} == -f || \${COMP_WORDS[i]} == --file ]] && file=\${COMP_WORDS[i+1]}; done
      [[ -r $file ]] && COMPREPLY=($(compgen -P "$prefix" -W "$(sed -n 's/^[Ff][Rr][Oo][Mm] .* [Aa][Ss] *\\([^ ]*\\).*/\\1/p' "$file")" -- "$cur"))
      return ;;
    -f|--file|--iidfile|--metadata-file) COMPREPLY=($(compgen -P "$prefix" -f -- "$cur")); return ;;
  esac
  command=
  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"; do
    case $before in -H|--host|-c|--context) [[ -z $command ]] && engine+=("$before" "$word"); before=; continue ;; esac
    before=$word
    [[ $word == -* ]] && continue
    arguments=$((arguments + 1))
    case "$command $word" in
${commandsOf(program)
  .map(
    ({ path }) =>
      `      "${[...path.slice(0, -1)].join(" ")} ${path.at(-1) ?? ""}") command="${path.join(" ")}" arguments=0 ;;`,
  )
  .join("\n")}
    esac
  done
  candidates="${top} ${flagsOf(program).join(" ")}"
  case $command in
${cases.join("\n")}
  esac
  if [[ $cur == -* || -z $command || "$command" == toolbox ]]; then
    COMPREPLY=($(compgen -W "$candidates" -- "$cur"))
  elif [[ " ${containers.all.join(" ")} " == *" $command "* ]] || [[ $arguments == 0 && " ${containers.first.join(" ")} " == *" $command "* ]]; then
    COMPREPLY=($(compgen -W "$(${askItsNames})" -- "$cur"))
  elif [[ $command == cp && $cur != *[:/]* ]]; then
    COMPREPLY=($(compgen -S : -W "$(${askItsNames})" -- "$cur") $(compgen -f -- "$cur"))
  else
    COMPREPLY=($(compgen -f -- "$cur"))
  fi
}
complete -o filenames -F _dfdebug dfdebug
`;
}

function fish(program: Command): string {
  const { all, first } = commandsOfContainers(program);
  const takesNames = new Set([...all, ...first]);
  const lines = [
    "complete -c dfdebug -f",
    ...program.options.filter(isShown).map((option) => fishOption(option, "__fish_use_subcommand")),
  ];
  for (const child of program.commands)
    lines.push(
      `complete -c dfdebug -n __fish_use_subcommand -a ${child.name()} -d ${quoted(child.summary() || child.description())}`,
    );
  for (const { path, command } of commandsOf(program)) {
    const condition =
      path.map((name) => `__fish_seen_subcommand_from ${name}`).join("; and ") + notBelow(program, path);
    for (const option of command.options.filter(isShown)) lines.push(fishOption(option, condition));
    if (path.length === 1)
      for (const child of command.commands)
        lines.push(`complete -c dfdebug -n ${quoted(condition)} -a ${child.name()} -d ${quoted(child.description())}`);
    if (takesNames.has(path.join(" ")))
      lines.push(`complete -c dfdebug -n ${quoted(condition)} -a ${quoted(`(${askNames})`)}`);
    if (path[0] === "cp")
      lines.push(
        `complete -c dfdebug -n ${quoted(condition)} -F -a ${quoted(`(${askNames} | string replace -r '$' :)`)}`,
      );
    if (path[0] === "build" || path[0] === "plan") lines.push(`complete -c dfdebug -n ${quoted(condition)} -F`);
  }
  lines.push("complete -c dfdebug -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'");
  return `${lines.join("\n")}\n`;
}

/** `toolbox build` has the word of `build` in it, too. */
function notBelow(program: Command, path: readonly string[]): string {
  const parents = program.commands.filter((parent) => parent.commands.some((child) => child.name() === path[0]));
  return path.length > 1
    ? ""
    : parents.map((parent) => `; and not __fish_seen_subcommand_from ${parent.name()}`).join("");
}

function fishOption(option: Option, condition: string): string {
  const long = option.long ? ` -l ${option.long.slice(2)}` : "";
  const short = option.short ? ` -s ${option.short.slice(1)}` : "";
  const value =
    option.long === "--target"
      ? ` -x -a ${quoted("(sed -n 's/^[Ff][Rr][Oo][Mm] .* [Aa][Ss] *\\([^ ]*\\).*/\\1/p' Dockerfile 2>/dev/null)")}`
      : option.argChoices
        ? ` -x -a ${quoted(option.argChoices.join(" "))}`
        : option.required
          ? " -r"
          : "";
  return `complete -c dfdebug -n ${quoted(condition)}${long}${short}${value} -d ${quoted(option.description)}`;
}

function isShown(option: Option): boolean {
  return !option.hidden;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
