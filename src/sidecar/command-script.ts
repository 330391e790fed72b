import { runFolder } from "./scripts.js";

export interface CommandOptions {
  /** Empty: an interactive shell where there is a terminal, else one that reads its commands. */
  readonly argv: readonly string[];
  readonly isTerminal: boolean;
  /** `inside`: the target's root is /. */
  readonly view: "inside" | "outside";
  /** Undefined: /target outside; inside the target's own working directory. */
  readonly cwd: string | undefined;
  /** Inside only: `user[:group]` by the target's own files, and its environment, `NAME=value` each. */
  readonly inside: {
    readonly user: string | undefined;
    readonly cwd: string;
    readonly env: readonly string[];
    /** The target's mount namespace is entered, which takes SYS_ADMIN; else only its root, and /proc/mounts is empty. */
    readonly entersMounts: boolean;
  };
  readonly kit: string;
  /** Where the process's id is written in runFolder, for signals. */
  readonly pidFile: string;
}

/** A command in a sidecar that is set up, as argv. It replaces its shell: exit codes and signals are the command's own. */
export function command(options: CommandOptions): string[] {
  const { argv, isTerminal, view, cwd, inside, kit, pidFile } = options;
  const shell = isTerminal ? "terminal" : "plain";
  if (view === "outside") return ["/bin/sh", "-c", outsideScript, "dfdebug", pidFile, cwd ?? "", shell, ...argv];
  const path = inside.env.findLast((entry) => entry.startsWith("PATH="))?.slice("PATH=".length) ?? defaultPath;
  const env = inside.env.filter((entry) => !entry.startsWith("PATH="));
  return [
    ...["/bin/sh", "-c", insideScript, "dfdebug", pidFile, cwd ?? "", inside.cwd, shell, inside.user ?? "", kit],
    inside.entersMounts ? "mounts" : "root",
    ...[path, String(env.length), ...env, ...argv],
  ];
}

/** docker's own default for containers whose image has none. */
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/*
 * A program is looked up here and started by its path: busybox's shell would prefer its own applet, and run it under the
 * script's text. 127 and 126 are the shell's, and docker's.
 */
const run = `
run() {
  program=$1
  case $1 in
  */*) [ -e "$1" ] || { echo "dfdebug: $1: not found" >&2; exit 127; } ;;
  *)
    program= IFS=:
    for folder in $PATH; do
      [ -f "$folder/$1" ] || continue
      if [ -x "$folder/$1" ]; then program=$folder/$1; break; fi
      [ -n "$program" ] || program=$folder/$1
    done
    unset IFS
    if [ -z "$program" ]; then echo "dfdebug: $1: not found" >&2; exit 127; fi ;;
  esac
  shift
  if [ -d "$program" ] || ! [ -x "$program" ]; then echo "dfdebug: $program: cannot be executed" >&2; exit 126; fi
  exec "$program" "$@"
}
has() {
  IFS=:
  for folder in $PATH; do if [ -x "$folder/$1" ]; then unset IFS; return 0; fi; done
  unset IFS
  return 1
}
`;

const outsideScript = `
echo $$ >${runFolder}/"$1"
refuse() { echo "dfdebug: $*" >&2; exit 125; }
if [ -n "$2" ]; then
  cd "$2" 2>/dev/null || refuse "there is no folder $2, or it may not be entered"
else
  cd /target 2>/dev/null || refuse "only root, and the user and group of the target's first process, may look into /target: leave out -u, or give --inside"
fi
terminal=$3
shift 3
# Only a shell knows where it is: /target lies outside of its root, and getcwd fails there.
[ "$*" != pwd ] || { pwd; exit; }
${run}
[ $# -eq 0 ] || run "$@"
export ENV=${runFolder}/shellrc
has bash || run sh
[ $terminal = terminal ] && run bash --rcfile $ENV -i
run bash
`;

/*
 * The kernel lists the mounts that a process can reach in its own mount namespace: behind chroot alone it can reach none of
 * them, for the target's are in the target's namespace. What enters that one as well needs SYS_ADMIN, which is given only to
 * who asks for it: programs of the target's own are started here. After chroot only what stands in the target's root can be named, and /proc is the way out to the tools: for root through
 * the root of the sidecar's own process; another user may not look there, but through files that it has open itself.
 */
const insideScript = `
run=${runFolder} pidfile=$1 cwd=$2 home_cwd=$3 terminal=$4 user=$5 kit=\${6%/} mounts=$7 path=$8 count=$9
shift 9
refuse() { echo "dfdebug: $*" >&2; exit 125; }
[ -x "$kit/bin/sh" ] && [ -x "$kit/bin/env" ] || refuse "the toolbox has no static tools for the inside view"
enter=
if [ $mounts = mounts ]; then
  target=$(readlink /target)
  target=\${target#/proc/}
  enter="-t \${target%%/*} -m"
fi
lookup() {
  found_id= found_group= found_home=
  while IFS=: read -r entry _ id group _ home _; do
    if [ "$entry" = "$2" ] || [ "$id" = "$2" ]; then found_id=$id found_group=$group found_home=$home; return; fi
  done 2>/dev/null <"/target/etc/$1"
  case $2 in *[!0-9]*) return 1 ;; *) found_id=$2 found_group=0 ;; esac
}
lookup passwd "\${user%%:*}" || [ -z "\${user%%:*}" ] || refuse "there is no user \${user%%:*} in the container"
if [ -n "$user" ] && [ "$found_id" != 0 -o "$user" != "\${user%%:*}" ]; then
  uid=$found_id gid=$found_group home=$found_home
  case $user in *:*) lookup group "\${user#*:}" || refuse "there is no group \${user#*:} in the container"; gid=$found_id ;; esac
  exec 8<"$kit/" 9<$run
  tools=/proc/self/fd/8 run_seen=/proc/self/fd/9
  enter() { exec nsenter \${enter:--t $$} -r/target -w/target -S "$uid" -G "$gid" "$@"; }
else
  lookup passwd 0
  home=$found_home
  read -r holder <$run/holder
  tools=/proc/$holder/root$kit run_seen=/proc/$holder/root$run
  enter() {
    [ -z "$enter" ] || exec nsenter $enter -r/target -w/target "$@"
    exec chroot /target "$@"
  }
fi
if [ -d "$kit/libexec" ]; then
  # The launchers of tools that are not static name the place where a build mounts them.
  launchers=$run/launchers-$$
  mkdir -p $launchers
  for tool in "$kit"/libexec/*; do cp "$kit/bin/\${tool##*/}" $launchers/; done
  sed -i "s#/\\.dfdebug/#$tools/#g" $launchers/*
  path=$path:$run_seen/launchers-$$
fi
# Any image may be the toolbox: its programs may need a loader that the target's root does not have.
[ -n "$kit" ] || (enter "$tools/bin/env" "$tools/bin/sh" -c :) 2>/dev/null ||
  refuse "the tools of the toolbox image are not static and cannot run in this root: leave out -i, or --inside"
echo $$ >$run/"$pidfile"
enter "$tools/bin/env" -i "PATH=$path:$tools/bin" "HOME=\${home:-/}" \${TERM:+"TERM=$TERM"} "$tools/bin/sh" -c '
cwd=$1 home_cwd=$2 terminal=$3 tools=$4 rc=$5 count=$6
shift 6
if [ -n "$cwd" ]; then cd "$cwd" || exit 125; else cd "$home_cwd" 2>/dev/null || cd /; fi
# What is of this shell, which docker exec gives no program.
unset SHLVL OLDPWD PWD
while [ "$count" -gt 0 ]; do
  case \${1%%=*} in [0-9]*|*[!A-Za-z0-9_]*) ;; *) export "$1" ;; esac
  shift
  count=$((count - 1))
done
${run}
[ $# -eq 0 ] || run "$@"
for shell in /bin/bash /usr/bin/bash "$tools/bin/bash"; do
  [ -x "$shell" ] || continue
  [ $terminal = terminal ] && exec "$shell" --rcfile "$rc" -i
  exec "$shell"
done
export ENV=$rc
for shell in /bin/sh "$tools/bin/sh"; do [ -x "$shell" ] && exec "$shell"; done
' dfdebug "$cwd" "$home_cwd" "$terminal" "$tools" "$run_seen/shellrc" "$count" "$@"
`;
