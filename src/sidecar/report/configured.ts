import type { ContainerInfo } from "../../docker/containers.js";

/** What a container was made with and its next start gives it; numbers are undefined where nothing limits them. */
export interface Configured {
  readonly user: string;
  readonly directory: string;
  /** Bytes. */
  readonly memory: number | undefined;
  readonly memoryAndSwap: number | undefined;
  readonly cpus: number | undefined;
  readonly cpuset: string;
  readonly pids: number | undefined;
  readonly privileged: boolean;
  readonly readOnlyRoot: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly securityOptions: readonly string[];
  /** `/run: size=64m`. */
  readonly tmpfs: readonly string[];
  /** `0.0.0.0:8080->80/tcp`. */
  readonly ports: readonly string[];
  readonly ulimits: readonly string[];
}

/** By what the engine keeps of it (Engine API, HostConfig): zero and -1 are no limit. */
export function configured({ Config, HostConfig }: ContainerInfo): Configured {
  const limit = (value: number | null | undefined): number | undefined => (value && value > 0 ? value : undefined);
  const { NanoCpus, CpuQuota, CpuPeriod } = HostConfig;
  const quota = limit(CpuQuota);
  const nano = limit(NanoCpus);
  const bindings = (HostConfig.PortBindings ?? {}) as Readonly<Record<string, readonly PortBinding[] | null>>;
  return {
    user: Config.User,
    directory: Config.WorkingDir,
    memory: limit(HostConfig.Memory),
    memoryAndSwap: limit(HostConfig.MemorySwap),
    cpus: nano !== undefined ? nano / 1e9 : quota && quota / (limit(CpuPeriod) ?? defaultPeriod),
    cpuset: HostConfig.CpusetCpus ?? "",
    pids: limit(HostConfig.PidsLimit),
    privileged: HostConfig.Privileged === true,
    readOnlyRoot: HostConfig.ReadonlyRootfs === true,
    capAdd: (HostConfig.CapAdd as readonly string[] | null | undefined) ?? [],
    capDrop: (HostConfig.CapDrop as readonly string[] | null | undefined) ?? [],
    securityOptions: (HostConfig.SecurityOpt as readonly string[] | null | undefined) ?? [],
    tmpfs: Object.entries(HostConfig.Tmpfs ?? {}).map(([path, options]) => (options ? `${path}: ${options}` : path)),
    ports: Object.entries(bindings).flatMap(([port, all]) =>
      (all ?? []).map(({ HostIp, HostPort }) => `${HostIp || "0.0.0.0"}:${HostPort || "any"}->${port}`),
    ),
    ulimits: (HostConfig.Ulimits ?? []).map(({ Name, Soft, Hard }) => `${Name} ${String(Soft)}:${String(Hard)}`),
  };
}

interface PortBinding {
  readonly HostIp?: string;
  readonly HostPort?: string;
}

/** Microseconds: the kernel's (sched-bwc). */
const defaultPeriod = 100_000;
