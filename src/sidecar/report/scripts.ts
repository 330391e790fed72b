import { partFunction } from "./parts.js";

/*
 * What looks at a container from a sidecar, as POSIX shell that dash, bash and busybox ash understand, with nothing but grep,
 * ls and readlink (and ip, where the toolbox has it). Every part is printed under a heading with a nonce, so that nothing in
 * the container can speak for another part. `$1`: the nonce. `$2`: the container's id.
 */

const start = `nonce=$1 id=$2
${partFunction}
target=$(readlink /target)
target=\${target%/root}
part pid
echo "\${target#/proc/}"`;

const processes = `part processes
grep -sHE '^(Name|State|PPid|NSpid|Uid|VmRSS|Threads):' /proc/[0-9]*/status
grep -sH '' /proc/[0-9]*/cgroup
part arguments
grep -zsH '' /proc/[0-9]*/cmdline
part passwd
grep -sh '' /target/etc/passwd`;

/*
 * The control group's files are read through the target's own mount of them, which every container has: that takes no right
 * and no mount of the sidecar's. It shows the whole hierarchy only with --cgroupns=host on version 2: then the group's own
 * path leads on.
 */
const controlGroup = `part cgroup
own=$(grep -m 1 "$id" "$target/cgroup")
own=/\${own#*:*:/}
case $own in *..*) own=/ ;; esac
while read -r _ _ _ _ at rest; do
  case \${rest##* - } in cgroup\\ *|cgroup2\\ *) ;; *) continue ;; esac
  folder=$target/root$at
  [ -d "$folder$own" ] && folder=$folder$own
  set --
  for file in memory.limit_in_bytes memory.usage_in_bytes memory.max_usage_in_bytes memory.failcnt memory.oom_control \\
    memory.memsw.limit_in_bytes memory.stat cpu.cfs_quota_us cpu.cfs_period_us cpu.shares cpu.stat cpuacct.usage \\
    cpuset.cpus pids.max pids.current pids.peak cgroup.controllers memory.max memory.high memory.current memory.peak \\
    memory.swap.max memory.events cpu.max cpu.weight cpuset.cpus.effective cpu.pressure memory.pressure io.pressure; do
    set -- "$@" "$folder/$file"
  done
  grep -sH '' "$@"
done <"$target/mountinfo"`;

/** All that the isolation report takes from a sidecar. */
export const reportScript = `${start}
part process
grep -sH '' "$target/status" "$target/limits" "$target/uid_map" "$target/gid_map" "$target/mountinfo" \\
  "$target/oom_score_adj" "$target/attr/current"
part namespaces
ls -l "$target/ns" /proc/self/ns
${controlGroup}
part environment
grep -zsH '' "$target/environ"
part network
grep -sH '' /proc/net/dev /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 /sys/class/net/*/address \\
  /sys/class/net/*/mtu /sys/class/net/*/operstate /sys/class/net/*/ifindex /sys/class/net/*/iflink
part addresses
ip -o addr 2>/dev/null
part routes
ip route 2>/dev/null
ip -6 route 2>/dev/null
part sockets
if ls -q / >/dev/null 2>&1; then ls -lq /proc/[0-9]*/fd 2>/dev/null; else ls -l /proc/[0-9]*/fd 2>/dev/null; fi
${processes}
part end
`;

/** Prints the processes once for every line that it reads. */
export const processScript = `${start}
while read -r _; do
  part round
  ${processes}
  part times
  grep -sH '' /proc/uptime /proc/[0-9]*/stat
  part end
  echo
done
`;

/**
 * What a sidecar cannot see, and any user of the engine's machine can: the machine's own namespaces, its interfaces, and the
 * numbers that it gives to the container's processes.
 */
export const hostScript = `nonce=$1 id=$2
${partFunction}
part namespaces
ls -ld /proc/self/ns/*
part interfaces
grep -sH '' /sys/class/net/*/ifindex
part bridges
ls -ld /sys/class/net/*/master 2>/dev/null
part pids
set --
for file in $(grep -sl "$id" /proc/[0-9]*/cgroup); do set -- "$@" "\${file%/cgroup}/status"; done
[ $# -eq 0 ] || grep -sH '^NSpid:' "$@"
part end
`;
