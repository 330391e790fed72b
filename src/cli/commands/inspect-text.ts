import { binarySize, decimalSize } from "../../frontends/terminal/docker-units.js";
import { sanitizeLine } from "../../frontends/terminal/sanitize.js";
import type { Style } from "../../frontends/terminal/style.js";
import { tableLines } from "../../frontends/terminal/table.js";
import { truncate, wrapValue } from "../../frontends/terminal/width.js";
import type { Configured } from "../../sidecar/report/configured.js";
import type { ControlGroup, Pressure } from "../../sidecar/report/cgroup.js";
import type { Namespace } from "../../sidecar/report/namespaces.js";
import type { Listener, NetworkInterface } from "../../sidecar/report/network.js";
import { processTree, type ContainerProcess } from "../../sidecar/report/processes.js";
import type { Security } from "../../sidecar/report/report.js";
import type { ContainerState, Inspection } from "./inspect.js";

/** The report for people, a section a subject. `width` undefined: lines are as long as they are. */
export function inspectText(inspection: Inspection, style: Style, width: number | undefined): string {
  const { container, controlGroup, security, network, mounts, processes, ulimits, notes } = inspection;
  const sections: readonly (readonly [string, readonly string[]])[] = [
    ["State", state(container, inspection.process)],
    // Of what runs the sections below tell what it really has.
    ["As configured", inspection.process ? [] : configuredLines(inspection.configured)],
    ["Namespaces", namespaces(inspection.namespaces)],
    ["Limits and use", controlGroup ? use(controlGroup) : []],
    ["Rights", security ? rights(security, container) : []],
    ["Network", interfaces(network.interfaces, container)],
    ["Routes", routeLines(network.routes)],
    ["Listening", listeners(network.listeners, processes)],
    ["Mounts", mountLines(mounts)],
    ["Environment", environment(inspection.environment)],
    ["Processes", processLines(processes)],
    [
      "Process limits",
      tableLines(
        [],
        ulimits
          .filter(({ name }) => shownLimits.has(name))
          .map(({ name, soft, hard }) => [name, soft, soft === hard ? "" : `hard ${hard}`]),
      ),
    ],
    ["Notes", notes],
  ];
  const lines = sections.flatMap(([title, content]) =>
    content.length === 0
      ? []
      : [style.bold(title), ...content.flatMap((line) => fit(`  ${sanitizeLine(line)}`, width, listed.has(title))), ""],
  );
  return `${lines.slice(0, -1).join("\n")}\n`;
}

/** Sections of names and values. The rest are tables, whose rows stay lines. */
const listed = new Set(["State", "As configured", "Limits and use", "Rights"]);

function fit(line: string, width: number | undefined, isListed: boolean): string[] {
  if (width === undefined) return [line.trimEnd()];
  return isListed ? wrapValue(line.trimEnd(), width) : [truncate(line.trimEnd(), width)];
}

const shownLimits = new Set([
  "open files",
  "processes",
  "core file size",
  "stack size",
  "locked memory",
  "address space",
]);

type Pairs = readonly (readonly [string, string | undefined])[];

/** Names and values beneath each other; what has no value is left out. */
function pairs(entries: Pairs): string[] {
  return tableLines(
    [],
    entries.flatMap(([name, value]) => (value === undefined || value === "" ? [] : [[name, value]])),
  );
}

function state(container: ContainerState, process: Inspection["process"]): string[] {
  const { status, exitCode, outOfMemory, restarts, restartPolicy, health } = container;
  const ended = status === "exited" || status === "dead" || status === "restarting";
  return pairs([
    ["container", `${container.name} (${container.id.slice(0, 12)})`],
    ["image", container.image],
    ["command", container.command.join(" ")],
    ["status", `${status}${health === undefined || health === "none" ? "" : `, ${health}`}`],
    ["process", process && `${String(process.pid)} inside, ${String(process.hostPid)} on the engine's machine`],
    ["started", status === "created" ? undefined : container.startedAt],
    ["ended", ended ? `${container.finishedAt}, exit code ${String(exitCode)}` : undefined],
    ["killed", outOfMemory ? "out of memory" : undefined],
    ["error", container.error],
    ["restarts", `${String(restarts)} (policy ${restartPolicy})`],
  ]);
}

function configuredLines(configured: Configured): string[] {
  const { memory, memoryAndSwap, cpus, pids } = configured;
  const bytes = (value: number | undefined): string | undefined =>
    value === undefined ? undefined : binarySize(value);
  return pairs([
    ["user", configured.user || "root"],
    ["directory", configured.directory || "/"],
    ["privileged", configured.privileged ? "yes" : undefined],
    [
      "capabilities",
      [...configured.capAdd.map((name) => `+${name}`), ...configured.capDrop.map((name) => `-${name}`)].join(" "),
    ],
    ["security", configured.securityOptions.join(" ")],
    ["root filesystem", configured.readOnlyRoot ? "read-only" : "writable"],
    ["tmpfs", configured.tmpfs.join(", ")],
    ["memory limit", bytes(memory) ?? "none"],
    ["memory+swap limit", memoryAndSwap === memory ? undefined : bytes(memoryAndSwap)],
    ["cpu limit", cpus === undefined ? "none" : `${String(Number(cpus.toFixed(3)))} CPUs`],
    ["cpus", configured.cpuset],
    ["processes", `limit ${String(pids ?? "none")}`],
    ["ulimits", configured.ulimits.join(", ")],
    ["published", configured.ports.join(", ")],
  ]);
}

function namespaces(all: readonly Namespace[]): string[] {
  return tableLines(
    [],
    all.map(({ kind, id, host, containers, toolbox }) => {
      const shared = [...(host === true ? ["the engine's machine"] : []), ...containers];
      const joined = toolbox && host !== true ? "; this toolbox joined it" : "";
      const own = host === undefined ? "" : "its own";
      const whose = shared.length === 0 ? own : `shared with ${shared.join(", ")}`;
      return [kind, id === undefined ? "-" : String(id), `${whose}${joined}`];
    }),
  );
}

function use(group: ControlGroup): string[] {
  const { memory, cpu, pids, pressure } = group;
  const bytes = (value: number | undefined): string | undefined => value?.toString() && binarySize(value);
  const ofLimit =
    memory.limit !== undefined && memory.used !== undefined ? (memory.used / memory.limit) * 100 : undefined;
  const share = cpu.periods ? ((cpu.throttledPeriods ?? 0) / cpu.periods) * 100 : undefined;
  return pairs([
    ["cgroup", `version ${String(group.version)}`],
    ["memory limit", bytes(memory.limit) ?? "none"],
    [
      "memory use",
      `${bytes(memory.used) ?? "?"}${ofLimit === undefined ? "" : ` (${ofLimit.toFixed(1)}% of the limit)`}, ${bytes(memory.current) ?? "?"} with its page cache`,
    ],
    [
      "memory peak",
      memory.peak === undefined
        ? undefined
        : `${binarySize(memory.peak)} (the most that was ever in use, page cache included; no limit)`,
    ],
    [group.version === 1 ? "memory+swap limit" : "swap limit", bytes(memory.swapLimit)],
    ["memory high", bytes(memory.high)],
    ["limit hits", memory.limitHits === undefined ? undefined : String(memory.limitHits)],
    ["OOM kills", memory.oomKills === undefined ? undefined : String(memory.oomKills)],
    ["cpu limit", cpu.limit === undefined ? "none" : `${String(Number(cpu.limit.toFixed(3)))} CPUs`],
    [
      "cpu weight",
      cpu.weight === undefined ? undefined : `${String(cpu.weight)} (default ${group.version === 1 ? "1024" : "100"})`,
    ],
    ["cpus", cpu.cpus],
    ["cpu time", cpu.usedSeconds === undefined ? undefined : `${cpu.usedSeconds.toFixed(2)} s`],
    [
      "throttled",
      cpu.limit === undefined || share === undefined
        ? undefined
        : `${String(cpu.throttledPeriods ?? 0)} of ${String(cpu.periods)} periods (${share.toFixed(0)}%), ${(cpu.throttledSeconds ?? 0).toFixed(2)} s`,
    ],
    [
      "processes",
      `${String(pids.current ?? "?")}, limit ${String(pids.limit ?? "none")}${pids.peak === undefined ? "" : `, peak ${String(pids.peak)}`}`,
    ],
    ["pressure", pressure ? undefined : "not counted for each container on cgroup version 1"],
    ["cpu pressure", pressureText(pressure?.cpu)],
    ["memory pressure", pressureText(pressure?.memory)],
    ["io pressure", pressureText(pressure?.io)],
  ]);
}

function pressureText(pressure: Pressure | undefined): string | undefined {
  if (!pressure) return undefined;
  const percents = (values: readonly number[]): string => values.map((value) => `${value.toFixed(2)}%`).join(" ");
  const full = pressure.full ? `; all stood still ${percents(pressure.full)}` : "";
  return `some waited ${percents(pressure.some)}${full} (10 s, 1 min, 5 min)`;
}

function rights(security: Security, container: ContainerState): string[] {
  const list = (names: readonly string[]): string => (names.length === 0 ? "none" : names.join(" "));
  const { effective, bounding } = security;
  return pairs([
    ["user", `${container.user || "root"}`],
    ["privileged", container.privileged ? "yes" : undefined],
    ["capabilities", list(effective)],
    ["could get", list(bounding) === list(effective) ? undefined : list(bounding)],
    ["ambient", security.ambient.length === 0 ? undefined : list(security.ambient)],
    ["beyond docker's", security.added.length === 0 ? undefined : list(security.added)],
    ["taken away", security.dropped.length === 0 ? undefined : list(security.dropped)],
    ["no_new_privs", security.noNewPrivileges ? "yes" : "no"],
    ["seccomp", security.seccomp],
    ["profile", security.profile ?? "none (neither AppArmor nor SELinux)"],
    ["root filesystem", container.readOnlyRoot ? "read-only" : "writable"],
    ["uid map", /^0 0 4294967295$/.test(security.uidMap) ? undefined : security.uidMap],
    ["OOM score", security.oomScoreAdjust === 0 ? undefined : String(security.oomScoreAdjust)],
  ]);
}

function interfaces(all: readonly NetworkInterface[], container: ContainerState): string[] {
  const rows = all.map((each) => [
    each.name,
    each.state,
    each.addresses.join(" ") || "-",
    `mtu ${String(each.mtu)}`,
    `${decimalSize(each.receivedBytes)} in, ${decimalSize(each.sentBytes)} out`,
    each.peer ? peerText(each.peer) : "",
  ]);
  return [
    ...tableLines([], rows),
    ...pairs([
      ["networks", container.networks.map(({ name, address }) => (address ? `${name} (${address})` : name)).join(", ")],
      ["published", container.ports.join(", ")],
    ]),
  ];
}

function peerText({ name, index, bridge }: NonNullable<NetworkInterface["peer"]>): string {
  if (name === undefined) return `peer: interface ${String(index)} of the engine's machine`;
  return `peer: ${name}${bridge === undefined ? "" : ` on ${bridge}`}`;
}

/** Every interface has routes for its multicast and link-local addresses (RFC 4291), which say nothing of this container. */
const ownRoute = /^(?:\w+ )?(?:ff00::\/8|fe80::)/;

function routeLines(routes: readonly string[]): string[] {
  const shown = routes.filter((route) => !ownRoute.test(route));
  const hidden = routes.length - shown.length;
  return [...shown, ...(hidden > 0 ? [`and ${String(hidden)} multicast and link-local ones (--json has them)`] : [])];
}

/** Where docker answers names in networks that users made (libnetwork's resolver); the engine itself has the socket open. */
const dockersDns = "127.0.0.11";

function listeners(all: readonly Listener[], processes: readonly ContainerProcess[]): string[] {
  const names = new Map(processes.map(({ pid, name }) => [pid, name]));
  return tableLines(
    [],
    all.map(({ protocol, address, port, pid }) => [
      protocol,
      address.includes(":") ? `[${address}]:${String(port)}` : `${address}:${String(port)}`,
      pid === undefined
        ? address === dockersDns
          ? "docker's DNS"
          : "no process of this container"
        : `${names.get(pid) ?? "?"} (${String(pid)})`,
    ]),
  );
}

function mountLines(mounts: Inspection["mounts"]): string[] {
  const shown = mounts.filter(({ origin }) => origin !== "kernel");
  const hidden = mounts.length - shown.length;
  const rows = shown.map(({ destination, origin, fileSystem, readOnly }) => [
    destination,
    readOnly ? "ro" : "rw",
    origin,
    fileSystem,
  ]);
  return [
    ...tableLines([], rows),
    ...(hidden > 0 ? [`and ${String(hidden)} of the kernel's own (--json has them)`] : []),
  ];
}

function environment(variables: Inspection["environment"]): string[] {
  return tableLines(
    [],
    variables.map(({ name, value, status, fromConfiguration }) => [
      name,
      status === "image" ? "" : `${status}${fromConfiguration ? " at run" : ""}`,
      value,
    ]),
  );
}

function processLines(processes: readonly ContainerProcess[]): string[] {
  if (processes.length === 0) return [];
  const rows = processTree(processes).map(({ process, depth }) => [
    String(process.pid),
    process.hostPid === undefined ? "-" : String(process.hostPid),
    process.user ?? String(process.uid),
    process.state.slice(0, 1),
    binarySize(process.resident),
    `${"  ".repeat(depth)}${process.argv.join(" ") || `[${process.name}]`}`,
  ]);
  return tableLines(["PID", "HOST", "USER", "S", "RSS", "COMMAND"], rows, { right: [0, 1, 4] });
}
