import { shellQuote } from "../../../dockerfile/shell-quote.js";
import type { NamedOptions } from "./shell-options.js";

/**
 * What an interactive shell reads when it starts in a step's container: the prompt, with dfdebug's markers around it
 * (OSC 133 as terminals know it: A prompt begins, B input begins, D;<code> command ended), and what tells the commands.
 * One file serves every shell; each takes its own part of it.
 */
export function startupFile(options: { readonly label: string; readonly options: NamedOptions }): string {
  const label = options.label.replaceAll(/[^\w ./:-]/g, "_");
  const parts = { bash: bash(label, options.options), zsh: zsh(label, options.options), ksh: ksh(label) };
  // The parts are quoted: dash and ash would stumble over the syntax of the others while reading.
  return `for dfdebug_name in ENV ZDOTDIR; do
  eval "dfdebug_saved=\\\${dfdebug_$dfdebug_name+x} dfdebug_value=\\\${dfdebug_$dfdebug_name-}"
  unset "$dfdebug_name" "dfdebug_$dfdebug_name"
  if [ -n "$dfdebug_saved" ]; then export "$dfdebug_name=$dfdebug_value"; fi
done
unset dfdebug_name dfdebug_saved dfdebug_value
dfdebug_end='$'
while read -r dfdebug_name dfdebug_real dfdebug_user dfdebug_rest; do
  case $dfdebug_name$dfdebug_user in Uid:0) dfdebug_end='#' ;; esac
done 2>/dev/null </proc/$$/status
unset dfdebug_name dfdebug_real dfdebug_user dfdebug_rest
if [ -n "\${BASH_VERSION-}" ]; then eval ${shellQuote(parts.bash)}
elif [ -n "\${ZSH_VERSION-}" ]; then eval ${shellQuote(parts.zsh)}
elif [ -n "\${KSH_VERSION-}" ]; then eval ${shellQuote(parts.ksh)}
else
${plain(label)}fi
unset dfdebug_end
`;
}

/** How many entries of its history a shell tells of at each prompt: more are not run between two. */
const mostLines = 50;

/** Percent-encodes what would end an escape sequence or hide in it; bash and zsh share the syntax. */
const encode = `dfdebug_c=\${dfdebug_c//\\%/%25}; dfdebug_c=\${dfdebug_c//$'\\n'/%0A}; dfdebug_c=\${dfdebug_c//$'\\e'/%1B}; dfdebug_c=\${dfdebug_c//$'\\a'/%07}`;

function bash(label: string, options: NamedOptions): string {
  const commands = [...options.set.map((name) => `set -o ${name}`), ...options.shopt.map((name) => `shopt -s ${name}`)];
  return `unset HISTFILE HISTCONTROL HISTIGNORE HISTTIMEFORMAT; HISTSIZE=1000
{ ${[...commands, ":"].join("; ")}; } 2>/dev/null
shopt -s cmdhist lithist checkwinsize 2>/dev/null
bind "set enable-bracketed-paste on" 2>/dev/null
dfdebug_prompt() {
  local dfdebug_code=$? dfdebug_c
  dfdebug_c=$(HISTTIMEFORMAT=$'\\x1e' history ${String(mostLines)} 2>/dev/null)
  ${encode}
  printf "\\033]133;D;%s;e:%s\\007" "$dfdebug_code" "$dfdebug_c"
  return $dfdebug_code
}
PROMPT_COMMAND=dfdebug_prompt
PS1="\\[\\e]133;A\\a\\]${label} \\w \\\\$ \\[\\e]133;B\\a\\]"
alias ll="ls -l"
`;
}

function zsh(label: string, options: NamedOptions): string {
  return `unset HISTFILE; unsetopt PROMPT_SP PROMPT_CR
{ ${[...options.set.map((name) => `setopt ${name}`), ":"].join("; ")}; } 2>/dev/null
setopt INTERACTIVE_COMMENTS
dfdebug_n=0
preexec() { dfdebug_last=$1; dfdebug_n=$((dfdebug_n + 1)) }
precmd() {
  local dfdebug_code=$? dfdebug_c=$dfdebug_last
  ${encode}
  printf "\\033]133;D;%s;e:%s  %s\\007" "$dfdebug_code" "$dfdebug_n" "$dfdebug_c"
  return $dfdebug_code
}
PS1=$'%{\\e]133;A\\a%}'"${label} %~ %# "$'%{\\e]133;B\\a%}'
`;
}

/** ksh93 and mksh know no marks around what takes no room: the marks stand on a line of their own before the prompt's text. */
function ksh(label: string): string {
  return `set -o emacs
PS1=$'\\e]133;D;$?\\a\\e]133;A\\a'"${label} "'$PWD '"$dfdebug_end "$'\\e]133;B\\a'
`;
}

/** ash and dash expand PS1 at each prompt; only ash knows \[ and \] around what takes no room, and has a history. */
function plain(label: string): string {
  const ended = (history: string): string => `\x1b]133;D;$?${history}\x07`;
  const begin = "\x1b]133;A\x07";
  const more = "\x1b]133;A;k=s\x07";
  const input = "\x1b]133;B\x07";
  return `  case $(readlink /proc/$$/exe 2>/dev/null) in
    *busybox*) PS1='\\[${ended(`;r:$({ history | tail -n ${String(mostLines)} | tr "\\n" "\\036"; } 2>/dev/null)`)}${begin}\\]${label} $PWD '"$dfdebug_end "'\\[${input}\\]' ;;
    *) PS1='${ended("")}${begin}${label} $PWD '"$dfdebug_end ${input}" PS2='${more}> ${input}' ;;
  esac
`;
}
