import { scriptShell } from "../../../dockerfile/edit.js";
import type { StepContainer } from "../../../engine/engine.js";
import { namedOptions } from "./shell-options.js";
import { startupFile } from "./startup.js";

/** Shells whose prompt and commands dfdebug follows; `sh` is any other one. */
export type ShellKind = "bash" | "zsh" | "ksh" | "ash" | "dash" | "sh";

/** Basenames that can be interactive with `-i`. */
const interactiveShells = new Set(["bash", "zsh", "ash", "dash", "sh", "ksh", "mksh", "busybox", "bash-static"]);

/** A shell to be started in a step's container. */
export interface Launch {
  readonly argv: readonly string[];
  /** What runs the instruction where it cannot be typed as it is; undefined where it was not written. */
  readonly scriptCommand: string | undefined;
}

/**
 * Prepares the step's own SHELL as an interactive one; where that cannot be (no such file, no shell), the state's sh or
 * bash, then the toolbox's. What a shell really is (sh may be bash, dash or busybox) it finds out itself, and says so in
 * its first marker. `script`: the instruction's text, to be there as a file as well. Rejects with ContainerError.
 */
export async function prepareLaunch(
  container: StepContainer,
  label: string,
  script: string | undefined,
): Promise<Launch> {
  const { shell } = container.environment;
  const own = shell[0] ?? "/bin/sh";
  const isInteractive = interactiveShells.has(own.replace(/^.*\//, ""));
  const candidates = [
    ...(isInteractive ? [own] : []),
    "/bin/sh",
    "/bin/bash",
    "/usr/bin/bash",
    "/.dfdebug/bin/bash",
    "/.dfdebug/bin/sh",
  ];
  const startup = startupFile({ label, options: namedOptions(isInteractive ? shell : []) });
  // .zshrc, because zsh takes a folder only; the others take any name.
  const [startupPath, scriptPath] = await Promise.all([
    container.writeScratchFile(".zshrc", startup),
    script === undefined ? undefined : container.writeScratchFile("step", `${script}\n`),
  ]);
  const first = container.toolbox.available ? "/.dfdebug/bin/sh" : (candidates[0] ?? "/bin/sh");
  return {
    argv: [first, "-c", launcher, "sh", startupPath, ...candidates],
    scriptCommand: scriptPath && [...(isInteractive ? scriptShell(shell) : ["sh"]), scriptPath].join(" "),
  };
}

/**
 * POSIX sh: takes the first candidate that is there, lets it say what it is, and makes it interactive. What the
 * start-up file is told by (ENV, ZDOTDIR) may be a step's own variable: that is kept aside, and put back there.
 */
const launcher = `
dfdebug_startup=$1; shift
for dfdebug_shell in "$@"; do
  case $dfdebug_shell in
    */*) [ -x "$dfdebug_shell" ] || continue ;;
    *) command -v "$dfdebug_shell" >/dev/null 2>&1 || continue ;;
  esac
  exec "$dfdebug_shell" -c '
    if [ -n "\${BASH_VERSION-}" ]; then k=bash
    elif [ -n "\${ZSH_VERSION-}" ]; then k=zsh
    elif [ -n "\${KSH_VERSION-}" ]; then k=ksh
    else
      case $(readlink /proc/$$/exe 2>/dev/null || ls -l /proc/$$/exe 2>/dev/null) in
        *busybox*) k=ash ;;
        *dash*) k=dash ;;
        *) k=sh ;;
      esac
    fi
    printf "\\033]6974;%s\\007" "$k"
    if [ -n "\${ENV+x}" ]; then export dfdebug_ENV="$ENV"; fi
    if [ -n "\${ZDOTDIR+x}" ]; then export dfdebug_ZDOTDIR="$ZDOTDIR"; fi
    case $k in
      bash)
        case $1 in */sh|sh) p=--posix ;; *) p= ;; esac
        ENV=$2 exec "$1" --noprofile --rcfile "$2" $p -i ;;
      zsh)
        ZDOTDIR=\${2%/*} exec "$1" -d -i ;;
      *) case $1 in *busybox*) set -- "$1" "$2" sh ;; *) set -- "$1" "$2" ;; esac
        ENV=$2 exec "$1" \${3-} -i ;;
    esac' dfdebug "$dfdebug_shell" "$dfdebug_startup"
done
echo "dfdebug: there is no shell here" >&2
exit 127
`;
