/** The kernel's capabilities in the order of their numbers (include/uapi/linux/capability.h, Linux 5.9 and later). */
const names = [
  "CHOWN",
  "DAC_OVERRIDE",
  "DAC_READ_SEARCH",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE",
  "NET_BROADCAST",
  "NET_ADMIN",
  "NET_RAW",
  "IPC_LOCK",
  "IPC_OWNER",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_CHROOT",
  "SYS_PTRACE",
  "SYS_PACCT",
  "SYS_ADMIN",
  "SYS_BOOT",
  "SYS_NICE",
  "SYS_RESOURCE",
  "SYS_TIME",
  "SYS_TTY_CONFIG",
  "MKNOD",
  "LEASE",
  "AUDIT_WRITE",
  "AUDIT_CONTROL",
  "SETFCAP",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "WAKE_ALARM",
  "BLOCK_SUSPEND",
  "AUDIT_READ",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE",
];

/** What docker gives a container that is told nothing else (moby, oci/caps/defaults.go). */
export const dockerDefault: readonly string[] = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FSETID",
  "FOWNER",
  "MKNOD",
  "NET_RAW",
  "SETGID",
  "SETUID",
  "SETFCAP",
  "SETPCAP",
  "NET_BIND_SERVICE",
  "SYS_CHROOT",
  "KILL",
  "AUDIT_WRITE",
];

/** The capabilities of a mask as /proc/PID/status shows it, by name without CAP_. One that is newer than this list is its number. */
export function capabilityNames(mask: string): string[] {
  const bits = BigInt(`0x${/^[\da-f]+$/i.test(mask) ? mask : "0"}`);
  const found: string[] = [];
  for (let bit = 0; bit < 64; bit++)
    if (((bits >> BigInt(bit)) & 1n) === 1n) found.push(names[bit] ?? `CAP_${String(bit)}`);
  return found;
}
