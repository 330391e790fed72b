import type { ContainerInfo } from "../../docker/containers.js";
import { capabilityNames, dockerDefault } from "./capabilities.js";
import { readControlGroup, type ControlGroup } from "./cgroup.js";
import { compareEnvironment, type Variable } from "./environment.js";
import { readMounts, type ReportedMount } from "./mounts.js";
import { namespaceIds, readNamespaces, type Namespace } from "./namespaces.js";
import {
  readHostInterfaces,
  readInterfaces,
  readListeners,
  socketOwners,
  type HostInterfaces,
  type Listener,
  type NetworkInterface,
} from "./network.js";
import { fieldsOf, filesOf, linksOf, recordsOf } from "./parts.js";
import { readProcesses, type ContainerProcess } from "./processes.js";

/** How a container is cut off from its machine, as its processes have it. `dfdebug inspect --json` prints it. */
export interface IsolationReport {
  readonly process:
    { readonly pid: number; readonly hostPid: number; readonly uid: string; readonly gid: string } | undefined;
  readonly namespaces: readonly Namespace[];
  readonly controlGroup: ControlGroup | undefined;
  readonly security: Security | undefined;
  readonly network: {
    readonly interfaces: readonly NetworkInterface[];
    readonly routes: readonly string[];
    readonly listeners: readonly Listener[];
  };
  readonly mounts: readonly ReportedMount[];
  readonly environment: readonly Variable[];
  readonly processes: readonly ContainerProcess[];
  /** Open files, processes and the like: soft and hard limits by the kernel's names. */
  readonly ulimits: readonly { readonly name: string; readonly soft: string; readonly hard: string }[];
}

/** What the first process may do. Capabilities without CAP_. */
export interface Security {
  readonly effective: readonly string[];
  readonly permitted: readonly string[];
  readonly inheritable: readonly string[];
  readonly bounding: readonly string[];
  readonly ambient: readonly string[];
  /** Against the set that docker gives where nothing else is said: of what it could ever get (the bounding set). */
  readonly added: readonly string[];
  readonly dropped: readonly string[];
  readonly seccomp: "off" | "strict" | "filter" | "unknown";
  readonly noNewPrivileges: boolean;
  /** AppArmor's profile or SELinux's label, as the kernel has it; undefined where neither is there. */
  readonly profile: string | undefined;
  readonly uidMap: string;
  readonly gidMap: string;
  readonly oomScoreAdjust: number;
}

export interface ReportSources {
  readonly info: ContainerInfo;
  /** All other running containers. */
  readonly others: readonly ContainerInfo[];
  /** `NAME=value`. */
  readonly imageEnv: readonly string[];
  /** reportScript's parts; undefined for a container without processes. */
  readonly sidecar: ReadonlyMap<string, string> | undefined;
  /** hostScript's parts; undefined where the engine's machine could not be asked. */
  readonly host: ReadonlyMap<string, string> | undefined;
}

/** Puts together what the engine, a sidecar and the machine say. */
export function buildReport(sources: ReportSources): IsolationReport {
  const { info, others, imageEnv, sidecar, host } = sources;
  const configured = (info.Config.Env as string[] | null) ?? [];
  const hostLinks = linksOf(host?.get("namespaces"));
  const hostNamespaces = host && namespaceIds(hostLinks, "/proc/self/ns");
  if (!sidecar)
    return {
      process: undefined,
      namespaces: readNamespaces(info, others, new Map(), new Map(), hostNamespaces),
      controlGroup: undefined,
      security: undefined,
      network: { interfaces: [], routes: [], listeners: [] },
      mounts: readMounts("", info),
      environment: compareEnvironment(configured, imageEnv, configured),
      processes: [],
      ulimits: [],
    };
  const part = (name: string): string => sidecar.get(name) ?? "";
  const pid = Number(part("pid").trim());
  const folder = `/proc/${String(pid)}`;
  const files = filesOf(part("process"));
  const file = (name: string): string => files.get(`${folder}/${name}`) ?? "";
  const links = linksOf(part("namespaces"));
  const status = fieldsOf(file("status"));
  const network = filesOf(part("network"));
  const hostPids = readHostPids(host?.get("pids") ?? "", pid !== 1 && pid === info.State.Pid);
  return {
    process: {
      pid,
      hostPid: info.State.Pid,
      uid: effective(status.get("Uid")),
      gid: effective(status.get("Gid")),
    },
    namespaces: readNamespaces(
      info,
      others,
      namespaceIds(links, `${folder}/ns`),
      namespaceIds(links, "/proc/self/ns"),
      hostNamespaces,
    ),
    controlGroup: readControlGroup(byBaseName(filesOf(part("cgroup")))),
    security: readSecurity(status, file),
    network: {
      interfaces: readInterfaces(network, part("addresses"), readHost(host)),
      routes: part("routes")
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== ""),
      listeners: readListeners(network, socketOwners(linksOf(part("sockets")))),
    },
    mounts: readMounts(file("mountinfo"), info),
    environment: compareEnvironment(
      recordsOf(part("environment")).get(`${folder}/environ`) ?? [],
      imageEnv,
      configured,
    ),
    processes: readProcesses(info.Id, pid, {
      files: filesOf(part("processes")),
      argv: recordsOf(part("arguments")),
      passwd: part("passwd"),
      hostPids,
    }),
    ulimits: readLimits(file("limits")),
  };
}

function effective(ids: string | undefined): string {
  return (ids ?? "").split(/\s+/)[1] ?? "";
}

function byBaseName(files: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  // cpu.stat is where both `cpu` and `cpuacct` are mounted; the one with throttling in it counts.
  const named = new Map<string, string>();
  for (const [path, content] of files) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (content.length >= (named.get(name)?.length ?? 0)) named.set(name, content);
  }
  return named;
}

function readHost(host: ReadonlyMap<string, string> | undefined): HostInterfaces | undefined {
  return host && readHostInterfaces(host.get("interfaces") ?? "", linksOf(host.get("bridges")));
}

/**
 * `NSpid:` lists a process's numbers from the machine's namespace inwards: the second is the container's. `isHost`: the
 * container has no process namespace of its own.
 */
export function readHostPids(text: string, isHost: boolean): Map<number, number> {
  const pids = new Map<number, number>();
  for (const content of filesOf(text).values()) {
    const numbers = (fieldsOf(content).get("NSpid") ?? "").split(/\s+/).map(Number);
    const [hostPid, inner] = numbers;
    const pid = isHost ? hostPid : inner;
    if (hostPid !== undefined && pid !== undefined) pids.set(pid, hostPid);
  }
  return pids;
}

const seccompModes = ["off", "strict", "filter"] as const;

function readSecurity(status: ReadonlyMap<string, string>, file: (name: string) => string): Security {
  const names = (field: string): string[] => capabilityNames(status.get(field) ?? "");
  const bounding = names("CapBnd");
  return {
    effective: names("CapEff"),
    permitted: names("CapPrm"),
    inheritable: names("CapInh"),
    bounding,
    ambient: names("CapAmb"),
    added: bounding.filter((name) => !dockerDefault.includes(name)),
    dropped: dockerDefault.filter((name) => !bounding.includes(name)),
    seccomp: seccompModes[Number(status.get("Seccomp") ?? "-1")] ?? "unknown",
    noNewPrivileges: status.get("NoNewPrivs") === "1",
    profile: file("attr/current").replaceAll(/[\0\n]/g, "") || undefined,
    uidMap: map(file("uid_map")),
    gidMap: map(file("gid_map")),
    oomScoreAdjust: Number(file("oom_score_adj").trim() || "0"),
  };
}

/** `0 100000 65536`: numbers inside, outside, how many; one of 2^32-1 from 0 to 0 maps everything to itself. */
function map(text: string): string {
  return text
    .trim()
    .replaceAll(/[ \t]+/g, " ")
    .replaceAll(/ *\n */g, ", ");
}

function readLimits(text: string): IsolationReport["ulimits"] {
  return text.split("\n").flatMap((line) => {
    const match = /^Max ([a-z ]+?)\s{2,}(\S+)\s+(\S+)/.exec(line);
    return match ? [{ name: match[1] ?? "", soft: match[2] ?? "", hard: match[3] ?? "" }] : [];
  });
}
