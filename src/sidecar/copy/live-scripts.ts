/*
 * What reads and writes a running container's files: a static busybox of the toolbox behind chroot to the container's root,
 * so that every symlink resolves inside it, whatever the container does meanwhile. Nothing of the container's own is run.
 * The outer shell stays: its root is how the toolbox is reached from in there.
 */

/** Exit codes of the scripts, apart from tar's and the shell's own. */
export const exitMissing = 44;
export const exitIsFolder = 45;
export const exitNotFolder = 46;
export const exitNoTool = 47;

/** argv for an exec in a sidecar. */
export function inTarget(kit: string, script: string, args: readonly string[]): string[] {
  return ["/bin/sh", "-c", outer, "sh", kit.replace(/\/$/, ""), script, ...args];
}

const outer = `
tool=$1/bin/busybox script=$2
shift 2
[ -x "$tool" ] || exit ${String(exitNoTool)}
chroot /target "/proc/$$/root$tool" sh -c "$script" sh "/proc/$$/root$tool" "/proc/$$/root" "$@"
`;

/** Symlinks that a chain of them may have, as Linux (MAXSYMLINKS). */
const mostLinks = 40;

/*
 * Follows $path, a chain of symlinks, to its end, which may be missing where its folder is there; fails elsewhere. busybox's
 * `readlink -f` takes a dangling link's relative target for one of the working directory, so each link is read here.
 */
const follow = `
follow() {
  links=0
  while [ -L "$path" ]; do
    [ $((links += 1)) -le ${String(mostLinks)} ] || return 1
    target=$("$bb" readlink "$path") || return 1
    case $target in /*) path=$target ;; *) path=\${path%/*}/$target ;; esac
    while [ "$path" != / ] && [ "\${path%/}" != "$path" ]; do path=\${path%/}; done
  done
  path=$("$bb" readlink -f "$path") && [ -n "$path" ]
}
`;

/** PATH: kind, size and mode of it, then where it leads. */
export const statScript = `${follow}
bb=$1 path=$3
[ -L "$path" ] || [ -e "$path" ] || exit ${String(exitMissing)}
"$bb" stat -c '%f %s' "$path" || exit
[ ! -L "$path" ] || ! follow || echo "$path"
exit 0
`;

/** FOLDER: names in it, a line each. */
export const namesScript = `exec "$1" ls -a "$3"`;

/**
 * PATH FOLLOW FOR_STREAM: a line of mode, size and what is left out, then a tar archive. Files of /proc and the like have no
 * size of their own: they are copied aside first, in the toolbox.
 */
export const readScript = `${follow}
bb=$1 outside=$2 path=$3 follows=$4 stream=$5
case $path in */|*/.) ;; *)
  if [ "$follows" = 1 ] && [ -L "$path" ]; then follow || exit ${String(exitMissing)}; fi ;;
esac
[ -L "$path" ] || [ -e "$path" ] || exit ${String(exitMissing)}
left=
if [ -d "$path" ] && [ ! -L "$path" ]; then
  cd "$path" || exit 1
  head=$("$bb" stat -c '%f %s' .)
  here=$(pwd -P)
  if [ "$here" = / ]; then
    set -- 
    for name in * .*; do
      case $name in .|..) continue ;; esac
      [ -e "$name" ] || [ -L "$name" ] || continue
      case $name in proc|sys|dev) left="$left /$name" ;; *) set -- "$@" "./$name" ;; esac
    done
    [ $# -gt 0 ] || set -- --no-recursion .
  elif [ "$stream" = 1 ] && [ "\${path%/.}" = "$path" ]; then
    cd .. || exit 1
    set -- "\${here##*/}"
  else set -- .; fi
else
  name=\${path##*/} parent=\${path%/*}
  cd "\${parent:-/}" || exit 1
  head=$("$bb" stat -c '%f %s' -- "$name")
  if [ -f "$name" ] && [ ! -L "$name" ]; then
    case $("$bb" stat -f -c %t -- "$name") in 9fa0|62656572|63677270|27e0eb|64626720|74726163)
      aside=$outside/tmp/dfdebug-$$
      "$bb" mkdir -p "$aside" && "$bb" cat -- "$name" >"$aside/$name" || exit 1
      cd "$aside" ;;
    esac
  fi
  set -- "$name"
fi
echo "$head$left"
exec "$bb" tar -c -f - -- "$@"
`;

/** FOLDER ROOT KIND: unpacks standard input there; says each name as it begins with it. */
export const unpackScript = `
bb=$1 folder=$3 root=$4
cd "$folder" || exit ${String(exitMissing)}
if [ -n "$root" ] && [ ! -d "$root" ]; then
  if [ -e "$root" ] || [ -L "$root" ]; then exit ${String(exitNotFolder)}; fi
  "$bb" mkdir -- "$root" || exit
fi
exec "$bb" tar -x -v -f -
`;

/**
 * FOLDER ASIDE NAME: the archive's one entry, named ASIDE, takes NAME's place when it is whole. A file that is a mount of
 * its own, or in a folder that cannot be written, is written to in place.
 */
export const fileScript = `
bb=$1 folder=$3 aside=$4 name=$5
cd "$folder" || exit ${String(exitMissing)}
[ ! -d "$name" ] || [ -L "$name" ] || exit ${String(exitIsFolder)}
if refusal=$( { : >"$aside"; } 2>&1 ); then
  "$bb" tar -x -f - || { status=$?; "$bb" rm -f "$aside"; exit $status; }
  if [ -L "$name" ] || ! "$bb" mv -f -- "$aside" "$name" 2>/dev/null; then
    if [ -L "$name" ]; then "$bb" rm -f -- "$name" && "$bb" mv -f -- "$aside" "$name"
    elif [ -f "$name" ] && [ -f "$aside" ]; then "$bb" cat -- "$aside" >"$name"
    else "$bb" mv -f -- "$aside" "$name"; fi
    status=$?
    "$bb" rm -f "$aside"
    exit $status
  fi
else
  # A redirection's failure would end the shell without a word.
  [ ! -f "$name" ] || refusal=$( { : >>"$name"; } 2>&1 ) && [ -f "$name" ] || { echo "\${refusal##*: }" >&2; exit 1; }
  "$bb" tar -x -O -f - >"$name"
fi
`;
