import type { ContainerInfo, HostConfig, MountSettings } from "../docker/containers.js";
import type { TargetProcess } from "./scripts.js";

/** What the user asked a sidecar to be allowed beyond the least, and to bring along. */
export interface RightsRequest {
  readonly privileged: boolean;
  /** Without CAP_, upper-case. */
  readonly capAdd: readonly string[];
  readonly readOnly: boolean;
  readonly binds: readonly string[];
  readonly mounts: readonly MountSettings[];
}

/** A fact and its reason, for `--explain`. */
export interface Reason {
  readonly what: string;
  readonly why: string;
}

/** How a sidecar joins its target. */
export interface SidecarRights {
  readonly hostConfig: HostConfig;
  readonly targetProcess: TargetProcess;
  /** With --inside the target's mount namespace is entered too. */
  readonly entersMounts: boolean;
  readonly namespaces: readonly Reason[];
  readonly capabilities: readonly Reason[];
  readonly profiles: readonly Reason[];
}

/**
 * What root needs to look into a container of any user, measured (a process without SYS_PTRACE may not follow /proc/1/root
 * of one with another user or more capabilities). All other capabilities are dropped.
 */
const leastCapabilities: readonly Reason[] = [
  { what: "SYS_PTRACE", why: "to see the target's filesystem and environment, and for strace and gdb" },
  { what: "SYS_CHROOT", why: "for --inside" },
  { what: "DAC_OVERRIDE", why: "to read and change files of other users, as root does" },
  { what: "CHOWN", why: "to copy files with their owner" },
  { what: "FOWNER", why: "to change files of other users, as root does" },
  { what: "KILL", why: "to send signals to the target's processes" },
  { what: "SETUID", why: "for -u, and for tools that drop their rights (tcpdump)" },
  { what: "SETGID", why: "for -u, and for tools that drop their rights (tcpdump)" },
  { what: "NET_RAW", why: "for tcpdump and ping" },
];

/** Whether --inside enters the target's mount namespace. A read-only copy of it could be made writable again by who does. */
export function entersMounts({ privileged, capAdd, readOnly }: RightsRequest): boolean {
  return (privileged || capAdd.includes("SYS_ADMIN")) && !readOnly;
}

/** The least rights that let a sidecar see a target, by what inspect says of it, and those that were asked for. */
export function sidecarRights(target: ContainerInfo, request: RightsRequest): SidecarRights {
  const ipc = ipcMode(target);
  const userns = target.HostConfig.UsernsMode ?? "";
  const security = securityOptions(target, request);
  const capabilities = [
    ...leastCapabilities,
    ...(request.readOnly
      ? [{ what: "SYS_ADMIN", why: "for --read-only: the target's mounts are copied and made read-only" }]
      : []),
    ...request.capAdd.map((what) => ({ what, why: "asked for with --cap-add" })),
  ];
  const reference = `container:${target.Id}`;
  const pidMode = pidModeOf(target);
  const hostConfig: HostConfig = {
    PidMode: reference,
    NetworkMode: reference,
    SecurityOpt: security.map(({ what }) => what),
    ...(ipc.mode === undefined ? {} : { IpcMode: ipc.mode }),
    ...(userns === "" ? {} : { UsernsMode: userns }),
    ...(request.privileged
      ? { Privileged: true }
      : { CapDrop: ["ALL"], CapAdd: [...new Set(capabilities.map(({ what }) => what))] }),
    ...(request.binds.length > 0 ? { Binds: [...request.binds] } : {}),
    ...(request.mounts.length > 0 ? { Mounts: [...request.mounts] } : {}),
  };
  return {
    hostConfig,
    targetProcess: targetProcess(target),
    entersMounts: entersMounts(request),
    namespaces: [
      pidMode === "host"
        ? {
            what: "pid: the engine machine's",
            why: "as the target: every process of that machine can be seen and signalled",
          }
        : { what: "pid: the target's", why: "its processes and, through /proc, its filesystem" },
      target.HostConfig.NetworkMode === "host"
        ? {
            what: "network: the engine machine's",
            why: "as the target: that machine's interfaces, ports and connections",
          }
        : { what: "network: the target's", why: "its interfaces, ports and connections" },
      { what: ipc.mode === undefined ? "ipc: its own" : `ipc: ${ipc.shown}`, why: ipc.why },
      entersMounts(request)
        ? { what: "mount: with --inside the target's", why: "SYS_ADMIN is asked for: df and mount see its mounts" }
        : { what: "mount: its own", why: "--cap-add SYS_ADMIN lets --inside enter the target's, for df and mount" },
      { what: "uts: its own", why: "the engine shares it with no one" },
      ...(userns === "" ? [] : [{ what: `user: ${userns}`, why: "as the target" }]),
    ],
    capabilities: request.privileged ? [{ what: "all", why: "asked for with --privileged" }] : capabilities,
    profiles: security,
  };
}

function ipcMode(target: ContainerInfo): { mode: string | undefined; shown: string; why: string } {
  const mode = target.HostConfig.IpcMode ?? "";
  if (mode === "shareable") return { mode: `container:${target.Id}`, shown: "the target's", why: "it is shareable" };
  if (mode === "host" || mode.startsWith("container:")) return { mode, shown: mode, why: "as the target" };
  return { mode: undefined, shown: "", why: `the target's is ${mode === "" ? "private" : mode}` };
}

/** AppArmor allows ptrace only within one profile, so the target's is copied; SELinux's label the engine copies itself. */
function securityOptions(target: ContainerInfo, request: RightsRequest): Reason[] {
  const profile = (target as { AppArmorProfile?: string }).AppArmorProfile ?? "";
  const options: Reason[] = [];
  if (profile !== "" && request.readOnly && !request.privileged)
    options.push({ what: "apparmor=unconfined", why: "for --read-only: AppArmor's profile forbids mounting" });
  else if (profile !== "") options.push({ what: `apparmor=${profile}`, why: "as the target" });
  for (const option of (target.HostConfig.SecurityOpt ?? []) as readonly string[])
    if (/^label[=:]/.test(option)) options.push({ what: option, why: "as the target" });
  return options;
}

function pidModeOf(target: ContainerInfo): string {
  return (target.HostConfig as { PidMode?: string }).PidMode ?? "";
}

function targetProcess(target: ContainerInfo): TargetProcess {
  const mode = pidModeOf(target);
  if (mode === "host") return { kind: "number", pid: target.State.Pid };
  if (mode.startsWith("container:")) return { kind: "control group", containerId: target.Id };
  return { kind: "number", pid: 1 };
}
