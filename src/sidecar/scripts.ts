/*
 * What runs inside a sidecar, as POSIX shell: any toolbox image has a /bin/sh, and nothing else is asked of it for a plain
 * session. The scripts keep to what dash, bash and busybox ash share. Their own files lie in `runFolder`, in the sidecar's
 * own filesystem: nothing is ever written into the target's.
 */

/** The sidecar's own folder for process ids, launchers and the shells' start-up file. */
export const runFolder = "/.dfdebug-run";

/** How the target's first process is found in the process namespace that is shared with it. */
export type TargetProcess =
  /** Its number there is known: 1 where the target has the namespace for itself, its host's number with `--pid host`. */
  | { readonly kind: "number"; readonly pid: number }
  /** The target itself joined another container's: the oldest process in its control group. */
  | { readonly kind: "control group"; readonly containerId: string };

export interface FirstProcessOptions {
  readonly target: TargetProcess;
  /** /target cannot be written: it is a private copy of the target's mounts, all of them read-only. */
  readonly readOnly: boolean;
  /** The folder of static tools in the toolbox image; `bin` is in it. */
  readonly kit: string;
  /** What the shells' prompt begins with. */
  readonly label: string;
}

/**
 * The sidecar's first process: sets /target up, says `ready <its own pid>` or `failed <reason>`, then lives as long as its
 * standard input, which the client holds. The end of it ends the sidecar with everything in it. Meanwhile it takes orders,
 * a line each: `kill <signal> <process id file>`.
 */
export function firstProcess(options: FirstProcessOptions): string[] {
  const { target, readOnly, kit, label } = options;
  const find = target.kind === "number" ? String(target.pid) : `in:${target.containerId}`;
  return ["/bin/sh", "-c", firstScript, "dfdebug", find, readOnly ? "ro" : "rw", kit, safeLabel(label)];
}

/** A prompt's text; PS1 knows backslash, dollar and backquote. */
function safeLabel(label: string): string {
  return label.replaceAll(/[^\w ./:-]/g, "_");
}

const firstScript = `
run=${runFolder} target=$1 mode=$2 kit=\${3%/} label=$4
fail() { echo "failed $*"; exit 1; }
mkdir -p $run || fail "the toolbox's filesystem cannot be written"
case $target in in:*)
  target=$(grep -ls "\${target#in:}" /proc/[0-9]*/cgroup | cut -d/ -f3 | sort -n | head -n 1)
  [ -n "$target" ] || fail "the target's first process was not found" ;;
esac
[ -e "/proc/$target/root/." ] || fail "the target's filesystem may not be read (/proc/$target/root)"
if [ "$mode" = ro ]; then
  tool=/proc/$$/root$kit/bin/busybox
  [ -x "$tool" ] || tool=/proc/$$/root/bin/busybox
  [ -x "$tool" ] || fail "--read-only needs a static busybox in the toolbox"
  mkfifo $run/mounted || fail "the toolbox has no mkfifo"
  exec 3<>$run/mounted
  {
    nsenter -t "$target" -m -- "$tool" unshare -m "$tool" sh -c '
      while read -r _ _ _ _ at _; do
        "$1" mount -o remount,bind,ro "$(printf "%b" "$at")" || exit 1
      done </proc/self/mountinfo
      echo $$ >&3
      exec "$1" sleep 2147483647' sh "$tool"
    echo failed >&3
  } </dev/null >/dev/null 2>$run/mount-errors &
  read -r target <&3
  exec 3>&-
  [ "$target" != failed ] || fail "/target could not be made read-only: $(head -n 1 $run/mount-errors)"
fi
[ ! -L /target ] || rm -f /target
[ ! -e /target ] || rmdir /target 2>/dev/null || fail "the toolbox image has files of its own at /target"
ln -s "/proc/$target/root" /target || fail "the toolbox's filesystem cannot be written"
printf '%s\\n' "[ -r ~/.bashrc ] && [ -n \\"\\$BASH_VERSION\\" ] && . ~/.bashrc" "PS1='$label \\$PWD \\\\$ '" >$run/shellrc
cat >$run/first <<'END'
echo "ready $$"
while read -r order signal file; do
  case $order in kill) [ -r "$1/$file" ] && kill -s "$signal" "$(cat "$1/$file")" 2>/dev/null ;; esac
done
exit 0
END
exec /bin/sh $run/first $run
`;

export interface CommandOptions {
  /** Empty: an interactive shell where there is a terminal, else one that reads its commands. */
  readonly argv: readonly string[];
  readonly isTerminal: boolean;
  /** `inside`: the target's root is /. */
  readonly view: "inside" | "outside";
  /** Undefined: /target outside; inside the target's own working directory. */
  readonly cwd: string | undefined;
  /** Inside only: `user[:group]` by the target's own files, and its environment, `NAME=value` each. */
  readonly inside: { readonly user: string | undefined; readonly cwd: string; readonly env: readonly string[] };
  readonly kit: string;
  /** Process id of the sidecar's first process, through which the toolbox can be reached from the target's root. */
  readonly firstPid: number;
  /** Where the process's id is written in runFolder, for signals. */
  readonly pidFile: string;
}

/** A command in the sidecar, as argv for an exec. It replaces its shell: exit codes and signals are the command's own. */
export function command(options: CommandOptions): string[] {
  const { argv, isTerminal, view, cwd, inside, kit, firstPid, pidFile } = options;
  const shell = isTerminal ? "terminal" : "plain";
  if (view === "outside") return ["/bin/sh", "-c", outsideScript, "sh", pidFile, cwd ?? "", shell, ...argv];
  const path = inside.env.findLast((entry) => entry.startsWith("PATH="))?.slice("PATH=".length) ?? defaultPath;
  const env = inside.env.filter((entry) => !entry.startsWith("PATH="));
  return [
    ...["/bin/sh", "-c", insideScript, "sh", pidFile, cwd ?? "", inside.cwd, shell, inside.user ?? "", kit],
    ...[String(firstPid), path, String(env.length), ...env, ...argv],
  ];
}

/** docker's own default for containers whose image has none. */
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const outsideScript = `
echo $$ >${runFolder}/"$1"
cd "\${2:-/target}" || exit 125
terminal=$3
shift 3
[ $# -gt 0 ] && exec "$@"
export ENV=${runFolder}/shellrc
if command -v bash >/dev/null 2>&1; then
  [ $terminal = terminal ] && exec bash --rcfile $ENV -i
  exec bash
fi
exec sh
`;

/*
 * After chroot only what stands in the target's root can be named, and /proc is the way out to the tools: the root of a
 * process of the sidecar. A user other than root may look only through a process of its own, so it gets one.
 */
const insideScript = `
run=${runFolder} pidfile=$1 cwd=$2 home_cwd=$3 terminal=$4 user=$5 kit=\${6%/} holder=$7 path=$8 count=$9
shift 9
refuse() { echo "dfdebug: $*" >&2; exit 125; }
[ -x "$kit/bin/sh" ] && [ -x "$kit/bin/env" ] || refuse "the toolbox has no static tools for the inside view"
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
  mkfifo $run/holder-$$ || refuse "the toolbox has no mkfifo"
  nsenter -S "$uid" -G "$gid" /bin/sh -c 'echo $$; exec sleep 2147483647 >/dev/null' </dev/null >$run/holder-$$ 2>&1 &
  read -r holder <$run/holder-$$
  enter() { exec nsenter -t $$ -r/target -w/target -S "$uid" -G "$gid" "$@"; }
else
  lookup passwd 0
  home=$found_home
  enter() { exec chroot /target "$@"; }
fi
tools=/proc/$holder/root$kit
if [ -d "$kit/libexec" ]; then
  # The launchers of tools that are not static name the place where a build mounts them.
  launchers=$run/launchers-$$
  mkdir -p $launchers
  for tool in "$kit"/libexec/*; do cp "$kit/bin/\${tool##*/}" $launchers/; done
  sed -i "s#/\\.dfdebug/#$tools/#g" $launchers/*
  path=$path:/proc/$holder/root$launchers
fi
echo $$ >$run/"$pidfile"
enter "$tools/bin/env" -i "PATH=$path:$tools/bin" "HOME=\${home:-/}" \${TERM:+"TERM=$TERM"} "$tools/bin/sh" -c '
cwd=$1 home_cwd=$2 terminal=$3 tools=$4 rc=$5 count=$6
shift 6
while [ "$count" -gt 0 ]; do
  case \${1%%=*} in [0-9]*|*[!A-Za-z0-9_]*) ;; *) export "$1" ;; esac
  shift
  count=$((count - 1))
done
if [ -n "$cwd" ]; then cd "$cwd" || exit 125; else cd "$home_cwd" 2>/dev/null || cd /; fi
[ $# -gt 0 ] && exec "$@"
for shell in /bin/bash /usr/bin/bash "$tools/bin/bash"; do
  [ -x "$shell" ] || continue
  [ $terminal = terminal ] && exec "$shell" --rcfile "$rc" -i
  exec "$shell"
done
export ENV=$rc
for shell in /bin/sh "$tools/bin/sh"; do [ -x "$shell" ] && exec "$shell"; done
' sh "$cwd" "$home_cwd" "$terminal" "$tools" "/proc/$holder/root$run/shellrc" "$count" "$@"
`;
