import type { ContainerInfo } from "../../docker/containers.js";

/** A mount in a container's filesystem. */
export interface ReportedMount {
  readonly destination: string;
  /** What it comes from: `volume data`, `bind /srv/www`, `tmpfs`, `image`, `engine` (hosts, resolv.conf), `kernel`. */
  readonly origin: string;
  readonly fileSystem: string;
  readonly readOnly: boolean;
  /** The kernel's options of this mount and of its filesystem. */
  readonly options: string;
}

const kernel = new Set([
  "proc",
  "sysfs",
  "cgroup",
  "cgroup2",
  "devpts",
  "mqueue",
  "debugfs",
  "tracefs",
  "securityfs",
  "bpf",
]);

/** From /proc/PID/mountinfo (proc(5)) and what inspect knows. An empty text: only what inspect knows. */
export function readMounts(mountinfo: string, info: ContainerInfo): ReportedMount[] {
  const known = new Map(info.Mounts.map((mount) => [mount.Destination, mount]));
  if (mountinfo === "")
    return info.Mounts.map((mount) => ({
      destination: mount.Destination,
      origin: originOf(mount),
      fileSystem: "",
      readOnly: !mount.RW,
      options: mount.Mode,
    }));
  return mountinfo.split("\n").flatMap((line) => {
    const [left = "", right = ""] = line.split(" - ");
    const [, , , root = "", at = "", options = ""] = left.split(" ");
    const [fileSystem = "", , superOptions = ""] = right.split(" ");
    if (fileSystem === "") return [];
    const destination = unescape(at);
    const mount = known.get(destination);
    const origin = mount ? originOf(mount) : unnamed(destination, fileSystem, unescape(root));
    const readOnly = /(^|,)ro(,|$)/.test(options) || /(^|,)ro(,|$)/.test(superOptions);
    return [{ destination, origin, fileSystem, readOnly, options }];
  });
}

function originOf(mount: ContainerInfo["Mounts"][number]): string {
  if (mount.Type === "volume") return `volume ${mount.Name ?? ""}`;
  return mount.Type === "tmpfs" ? "tmpfs" : `${String(mount.Type)} ${mount.Source}`;
}

function unnamed(destination: string, fileSystem: string, root: string): string {
  if (destination === "/") return "image";
  if (["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"].includes(destination)) return "engine";
  // Parts of /proc and /sys that the engine hides or protects.
  if (/^\/(proc|sys|dev)(\/|$)/.test(destination) || kernel.has(fileSystem)) return "kernel";
  return fileSystem === "tmpfs" ? "tmpfs" : `${fileSystem} ${root}`;
}

/** The kernel writes blanks and the like as octal numbers. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
