import { shellQuote } from "../dockerfile/shell-quote.js";

/*
 * What sets a sidecar up, as POSIX shell: any toolbox image has a /bin/sh, and nothing else is asked of it for a plain
 * session. The scripts keep to what dash, bash and busybox ash share. Their own files lie in `runFolder`, in the sidecar's
 * own filesystem: nothing is ever written into the target's. What lives on is started from a file, by a path with a slash:
 * `ps` shows its short name (busybox would otherwise run an applet under the whole script's text).
 */

/** The sidecar's own folder for process ids, launchers and the shells' start-up file; in memory, and for every user. */
export const runFolder = "/.dfdebug-run";
export const runFolderMount = { [runFolder]: "mode=1777,exec,size=16m" };

/** Where the process id of a sidecar's only command is written, in runFolder. */
export const soleProcess = "pid-sole";

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
  /** What to become when all is set up; empty: the process that holds the sidecar open for execs. */
  readonly command: readonly string[];
  /** The first process has a terminal, and so no lifeline: that is to be started beside it (`lifeline`). */
  readonly isTerminal: boolean;
}

/**
 * The sidecar's first process: sets /target up, and says `ready` or `failed <reason>` in one line on its standard output.
 * Its standard input, which the client holds, is the sidecar's lifeline: the end of it ends the sidecar with everything in
 * it. Meanwhile the lifeline takes orders, a line each: `kill <signal> <process id file>`.
 */
export function firstProcess(options: FirstProcessOptions): string[] {
  const { target, readOnly, kit, label, command, isTerminal } = options;
  const find = target.kind === "number" ? String(target.pid) : `in:${target.containerId}`;
  const words = command.map(shellQuote).join(" ");
  const ends = isTerminal ? "terminal" : "lifeline";
  return ["/bin/sh", "-c", setUp, "dfdebug", find, readOnly ? "ro" : "rw", kit, safeLabel(label), words, ends];
}

/** Beside a sole command on a terminal: kills it at the end of its input, which the client holds. */
export const lifeline = ["/bin/sh", `${runFolder}/lifeline`, soleProcess];

/** The same at once, in a sidecar whose client was gone before it had started that; nothing where there is no such command. */
export const endSoleCommand = [
  ...["/bin/sh", "-c"],
  `[ -s ${runFolder}/${soleProcess} ] && exec ${lifeline.join(" ")} </dev/null`,
];

/**
 * Run in a sidecar that is set up: `uid:gid` of the target's first process. Nothing where /target is a read-only copy, which
 * root alone may look into.
 */
export const firstProcessUser = `
root=$(readlink /target)
[ "\${root%/root}" = "$root" ] || while read -r key id _; do
  case $key in Uid:) uid=$id ;; Gid:) echo "$uid:$id" ;; esac
done <"\${root%/root}/status"
`;

/** Run in a sidecar: whether its own accounts have the name in $1. */
export const hasAccount = `while IFS=: read -r name _; do [ "$name" != "$1" ] || exit 0; done </etc/passwd; exit 1`;

/** A prompt's text; PS1 knows backslash, dollar and backquote. */
function safeLabel(label: string): string {
  return label.replaceAll(/[^\w ./:-]/g, "_");
}

/*
 * In the shared process namespace an orphan becomes a child of the target's first process, which may never wait for it: so
 * whatever is started here is waited for here, and what is killed is the sole command, which writes its process id first of
 * all, never the shell that waits for it. The read-only copy of the mounts is kept by open files, not by a process. Whatever
 * user a command runs as, it writes its process id into the folder; no other user's file there can be replaced.
 */
const setUp = `
run=${runFolder} target=$1 mode=$2 kit=\${3%/} label=$4 command=$5 ends=$6
fail() { echo "failed $*"; exit 125; }
case $target in in:*)
  target=$(grep -ls "\${target#in:}" /proc/[0-9]*/cgroup | cut -d/ -f3 | sort -n | head -n 1)
  [ -n "$target" ] || fail "the target's first process was not found" ;;
esac
root=/proc/$target/root
[ -e "$root/." ] || fail "the target's filesystem may not be read ($root)"
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
  [ "$target" != failed ] || fail "/target could not be made read-only: $(head -n 1 $run/mount-errors)"
  exec 7</proc/$target/ns/mnt 8</proc/$target/root
  kill -s KILL $target
  wait
  exec 3>&-
  root=/proc/$$/fd/8
fi
[ ! -L /target ] || rm -f /target
[ ! -e /target ] || rmdir /target 2>/dev/null || fail "the toolbox image has files of its own at /target"
ln -s "$root" /target || fail "the toolbox's filesystem cannot be written"
printf '%s\\n' '[ -r ~/.bashrc ] && [ -n "$BASH_VERSION" ] && . ~/.bashrc' "PS1='$label \\$PWD \\\\$ '" >$run/shellrc
echo '
while read -r order signal file; do
  case $order in kill) read -r pid <"\${0%/*}/$file" && kill -s "$signal" "$pid" ;; esac
done
[ -z "$1" ] || { until read -r pid <"\${0%/*}/$1"; do :; done; kill -s KILL "$pid"; }
exit 0' >$run/lifeline
if [ -z "$command" ]; then
  echo $$ >$run/holder
  echo ready
  exec /bin/sh $run/lifeline 2>/dev/null
fi
begin="exec 3<&0 </dev/null
/bin/sh $run/lifeline ${soleProcess} <&3 3<&- >/dev/null 2>&1 &
exec 3<&-
echo \\$! >$run/holder"
end='kill -s KILL $!
wait 2>/dev/null'
[ $ends = lifeline ] || begin="echo $$ >$run/holder" end=
printf '%s\\n' "$begin" 'echo ready' "$command" 'code=$?' "$end" 'exit $code' >$run/sidecar
exec /bin/sh $run/sidecar
`;
