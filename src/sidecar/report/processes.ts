import { maskArguments } from "./environment.js";
import { fieldsOf } from "./parts.js";

/** A process of a container. */
export interface ContainerProcess {
  /** As the container counts, and as the engine's machine does; undefined where that could not be asked. */
  readonly pid: number;
  readonly hostPid: number | undefined;
  /** 0: it was started from outside, as the first process is and what `docker exec` starts. */
  readonly parent: number;
  readonly name: string;
  /** `S (sleeping)`. */
  readonly state: string;
  readonly uid: number;
  /** By the container's own /etc/passwd. */
  readonly user: string | undefined;
  /** Bytes; 0 for a zombie. */
  readonly resident: number;
  readonly threads: number;
  /** Passwords masked; empty for a zombie. */
  readonly argv: readonly string[];
}

export interface ProcessFiles {
  /** By path, /proc/PID/status and /proc/PID/cgroup. */
  readonly files: ReadonlyMap<string, string>;
  /** By path, /proc/PID/cmdline. */
  readonly argv: ReadonlyMap<string, readonly string[]>;
  /** /etc/passwd of the container. */
  readonly passwd: string;
  /** Process ids of the engine's machine by those of the container. */
  readonly hostPids: ReadonlyMap<number, number>;
}

/** The processes in a container's control group, oldest number first: those of sidecars and of other containers are not. */
export function readProcesses(containerId: string, firstPid: number, source: ProcessFiles): ContainerProcess[] {
  const { files, argv, hostPids } = source;
  const first = files.get(`/proc/${String(firstPid)}/cgroup`) ?? "";
  const isOurs = (cgroup: string): boolean =>
    first.includes(containerId) ? cgroup.includes(containerId) : cgroup === first;
  const users = userNames(source.passwd);
  const processes: ContainerProcess[] = [];
  for (const [path, content] of files) {
    const pid = Number(/^\/proc\/(\d+)\/status$/.exec(path)?.[1] ?? "0");
    if (pid === 0 || !isOurs(files.get(`/proc/${String(pid)}/cgroup`) ?? "")) continue;
    const fields = fieldsOf(content);
    const uid = Number((fields.get("Uid") ?? "").split(/\s+/)[1] ?? "0");
    processes.push({
      pid,
      hostPid: hostPids.get(pid),
      parent: Number(fields.get("PPid") ?? "0"),
      name: fields.get("Name") ?? "",
      state: fields.get("State") ?? "",
      uid,
      user: users.get(uid),
      resident: Number(/^(\d+) kB$/.exec(fields.get("VmRSS") ?? "")?.[1] ?? "0") * 1024,
      threads: Number(fields.get("Threads") ?? "1"),
      argv: maskArguments(argv.get(`/proc/${String(pid)}/cmdline`) ?? []),
    });
  }
  return processes.sort((left, right) => left.pid - right.pid);
}

function userNames(passwd: string): Map<number, string> {
  const users = new Map<number, string>();
  for (const line of passwd.split("\n")) {
    const [name, , uid] = line.split(":");
    if (name && uid !== undefined && /^\d+$/.test(uid) && !users.has(Number(uid))) users.set(Number(uid), name);
  }
  return users;
}

/** Processes with how deep they stand beneath those that were started from outside, parents before children. */
export function processTree(processes: readonly ContainerProcess[]): { process: ContainerProcess; depth: number }[] {
  const known = new Set(processes.map(({ pid }) => pid));
  const children = new Map<number, ContainerProcess[]>();
  for (const process of processes) {
    const parent = known.has(process.parent) ? process.parent : 0;
    const siblings = children.get(parent);
    if (siblings) siblings.push(process);
    else children.set(parent, [process]);
  }
  const tree: { process: ContainerProcess; depth: number }[] = [];
  const open = (children.get(0) ?? []).toReversed().map((process) => ({ process, depth: 0 }));
  for (let next = open.pop(); next; next = open.pop()) {
    tree.push(next);
    const { process, depth } = next;
    open.push(...(children.get(process.pid) ?? []).toReversed().map((child) => ({ process: child, depth: depth + 1 })));
  }
  return tree;
}
