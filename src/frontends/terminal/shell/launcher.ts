import type { StepContainer } from "../../../engine/engine.js";

/** Shells whose prompt and commands dfdebug follows. */
export type ShellKind = "bash" | "zsh" | "ash" | "dash" | "sh";

/** Basenames that can be interactive with `-i`. */
const interactiveShells = new Set(["bash", "zsh", "ash", "dash", "sh", "ksh", "mksh", "busybox", "bash-static"]);

/** What the prompt of a step's shell says before the directory. */
export interface PromptText {
  readonly label: string;
}

/** A shell to be started in a step's container. */
export interface Launch {
  readonly argv: readonly string[];
  readonly env: readonly string[];
}

/**
 * Prepares the step's own SHELL as an interactive one; where that cannot be (no such file, no shell), the state's sh or
 * the toolbox's. What a shell really is (sh may be bash, dash or busybox) is found out by the shell itself, which then
 * says so in its first marker.
 */
export async function prepareLaunch(
  container: StepContainer,
  prompt: PromptText,
  script: string | undefined,
): Promise<Launch> {
  const own = container.environment.shell[0] ?? "/bin/sh";
  const name = own.replace(/^.*\//, "");
  const pipefail = container.environment.shell.includes("pipefail");
  const candidates = [
    ...(interactiveShells.has(name) ? [own] : []),
    "/bin/sh",
    "/bin/bash",
    "/usr/bin/bash",
    "/.dfdebug/bin/bash",
    "/.dfdebug/bin/sh",
  ];
  const label = prompt.label.replaceAll(/[^\w ./:-]/g, "_");
  await container.writeScratchFile("bashrc", bashStart(label, pipefail));
  await container.writeScratchFile(".zshrc", zshStart(label, pipefail));
  await container.writeScratchFile("shrc", plainStart(label));
  if (script !== undefined) await container.writeScratchFile("step", script);
  const first = container.toolbox.available ? "/.dfdebug/bin/sh" : "/bin/sh";
  return { argv: [first, "-c", launcher, "sh", ...candidates], env: [] };
}

/** Where the failing instruction lies as a script, when it cannot be typed on one line. */
export const stepScript = "/.dfdebug-run/step";

const files = "/.dfdebug-run";

/** POSIX sh: takes the first candidate that is there, lets it say what it is, and makes it interactive. */
const launcher = `
for dfdebug_shell in "$@"; do
  case $dfdebug_shell in
    */*) [ -x "$dfdebug_shell" ] || continue ;;
    *) command -v "$dfdebug_shell" >/dev/null 2>&1 || continue ;;
  esac
  export dfdebug_shell
  exec "$dfdebug_shell" -c '
    if [ -n "\${BASH_VERSION-}" ]; then k=bash
    elif [ -n "\${ZSH_VERSION-}" ]; then k=zsh
    else
      case $(readlink /proc/$$/exe 2>/dev/null || ls -l /proc/$$/exe 2>/dev/null) in
        *busybox*) k=ash ;;
        *dash*) k=dash ;;
        *) k=sh ;;
      esac
    fi
    s=$dfdebug_shell; unset dfdebug_shell
    printf "\\033]6974;%s\\007" "$k"
    case $k in
      bash)
        case $s in */sh|sh) p=--posix ;; *) p= ;; esac
        ENV=${files}/bashrc exec "$s" --noprofile --rcfile ${files}/bashrc $p -i ;;
      zsh) ZDOTDIR=${files} exec "$s" -d -i ;;
      *) ENV=${files}/shrc exec "$s" -i ;;
    esac' "$dfdebug_shell"
done
echo "dfdebug: there is no shell here" >&2
exit 127
`;

/** Percent-encodes what would end or hide in an escape sequence; bash and zsh share the syntax. */
const encode = `dfdebug_c=\${dfdebug_c//\\%/%25}; dfdebug_c=\${dfdebug_c//$'\\n'/%0A}; dfdebug_c=\${dfdebug_c//$'\\e'/%1B}; dfdebug_c=\${dfdebug_c//$'\\a'/%07}`;

function bashStart(label: string, pipefail: boolean): string {
  return `unset ENV HISTFILE HISTCONTROL HISTIGNORE; HISTSIZE=1000
${pipefail ? "set -o pipefail" : ":"}
shopt -s cmdhist lithist checkwinsize 2>/dev/null
bind 'set enable-bracketed-paste on' 2>/dev/null
dfdebug_prompt() {
  local dfdebug_code=$? dfdebug_c
  dfdebug_c=$(HISTTIMEFORMAT= history 1 2>/dev/null)
  ${encode}
  printf '\\033]133;D;%s;%s\\007' "$dfdebug_code" "$dfdebug_c"
  return $dfdebug_code
}
PROMPT_COMMAND=dfdebug_prompt
PS1='\\[\\e]133;A\\a\\]${label} \\w \\$ '
case $- in *i*) alias ls='ls --color=auto' 2>/dev/null; alias ll='ls -l' 2>/dev/null ;; esac
`;
}

function zshStart(label: string, pipefail: boolean): string {
  return `unset HISTFILE ZDOTDIR; unsetopt PROMPT_SP
${pipefail ? "setopt pipefail" : ":"}
dfdebug_n=0
preexec() { dfdebug_c=$1; dfdebug_n=$((dfdebug_n + 1)) }
precmd() {
  local dfdebug_code=$?
  ${encode}
  printf '\\033]133;D;%s;%s  %s\\007' "$dfdebug_code" "$dfdebug_n" "$dfdebug_c"
}
PS1=$'%{\\e]133;A\\a%}${label} %~ %# '
`;
}

/** ash and dash expand PS1 at each prompt; only ash knows \\[ and \\] around what takes no room, and has a history. */
function plainStart(label: string): string {
  const marks = (history: string): string => `\x1b]133;D;$?;${history}\x07\x1b]133;A\x07`;
  return `case $(readlink /proc/$$/exe 2>/dev/null) in
  *busybox*) PS1='\\[${marks("$(history 2>/dev/null | tail -n 1)")}\\]${label} $PWD $ ' ;;
  *) PS1='${marks("")}${label} $PWD $ ' ;;
esac
unset ENV
`;
}
