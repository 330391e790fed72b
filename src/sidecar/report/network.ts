import { filesOf } from "./parts.js";

/** An interface in the container's network. */
export interface NetworkInterface {
  readonly name: string;
  readonly index: number;
  readonly state: string;
  readonly mtu: number;
  readonly mac: string;
  /** With their prefix: `172.17.0.2/16`. */
  readonly addresses: readonly string[];
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** The interface at the other end of a veth pair, on the engine's machine. */
  readonly peer:
    { readonly index: number; readonly name: string | undefined; readonly bridge: string | undefined } | undefined;
}

/** A socket that waits for others. */
export interface Listener {
  readonly protocol: "tcp" | "tcp6" | "udp" | "udp6";
  readonly address: string;
  readonly port: number;
  /** Undefined: no process of the container has it open, as far as could be seen. */
  readonly pid: number | undefined;
}

/** Interfaces of the engine's machine by index. */
export type HostInterfaces = ReadonlyMap<number, { readonly name: string; readonly bridge: string | undefined }>;

/** `files`: /sys/class/net and /proc/net/dev. `addresses`: what `ip -o addr` prints. */
export function readInterfaces(
  files: ReadonlyMap<string, string>,
  addresses: string,
  host: HostInterfaces | undefined,
): NetworkInterface[] {
  const byName = new Map<string, string[]>();
  for (const [, name = "", address = ""] of addresses.matchAll(/^\d+: (\S+?)(?:@\S+)?\s+inet6? (\S+)/gm))
    byName.set(name, [...(byName.get(name) ?? []), address]);
  const traffic = new Map<string, readonly number[]>();
  for (const line of (files.get("/proc/net/dev") ?? "").split("\n")) {
    const match = /^\s*(\S+):\s*(.*)$/.exec(line);
    if (match?.[1] !== undefined) traffic.set(match[1], (match[2] ?? "").split(/\s+/).map(Number));
  }
  const interfaces: NetworkInterface[] = [];
  for (const [path, content] of files) {
    const name = /^\/sys\/class\/net\/([^/]+)\/ifindex$/.exec(path)?.[1];
    if (name === undefined) continue;
    const read = (file: string): string => (files.get(`/sys/class/net/${name}/${file}`) ?? "").trim();
    const index = Number(content.trim());
    const link = Number(read("iflink"));
    const counters = traffic.get(name) ?? [];
    interfaces.push({
      name,
      index,
      state: read("operstate"),
      mtu: Number(read("mtu")),
      mac: read("address"),
      addresses: byName.get(name) ?? [],
      receivedBytes: counters[0] ?? 0,
      sentBytes: counters[8] ?? 0,
      peer:
        link !== 0 && link !== index
          ? { index: link, name: undefined, bridge: undefined, ...host?.get(link) }
          : undefined,
    });
  }
  return interfaces.sort((left, right) => left.index - right.index);
}

/** The engine's machine's interfaces: `grep -H '' /sys/class/net/<name>/ifindex`, and `ls -l` of the `master` links. */
export function readHostInterfaces(files: string, links: ReadonlyMap<string, string>): HostInterfaces {
  const interfaces = new Map<number, { name: string; bridge: string | undefined }>();
  for (const [path, content] of filesOf(files)) {
    const name = path.split("/")[4] ?? "";
    const bridge = links.get(`/sys/class/net/${name}/master`)?.split("/").at(-1);
    interfaces.set(Number(content.trim()), { name, bridge });
  }
  return interfaces;
}

const protocols = ["tcp", "tcp6", "udp", "udp6"] as const;
/** /proc/net: TCP_LISTEN; a UDP socket without a peer is "closed". */
const waiting = { tcp: "0A", tcp6: "0A", udp: "07", udp6: "07" } as const;

/** `owners`: sockets by inode, as `/proc/PID/fd` links name them. */
export function readListeners(files: ReadonlyMap<string, string>, owners: ReadonlyMap<string, number>): Listener[] {
  const listeners: Listener[] = [];
  for (const protocol of protocols)
    for (const line of (files.get(`/proc/net/${protocol}`) ?? "").split("\n").slice(1)) {
      const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
      if (state !== waiting[protocol]) continue;
      const [address = "", port = ""] = local.split(":");
      const pid = owners.get(inode);
      listeners.push({ protocol, address: readAddress(address), port: Number.parseInt(port, 16), pid });
    }
  return listeners.sort((left, right) => left.port - right.port);
}

/** /proc/net's addresses: words of four bytes, each in the machine's (little-endian) order, in hexadecimal. */
export function readAddress(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) =>
    (word.match(/../g) ?? []).toReversed().map((byte) => Number.parseInt(byte, 16)),
  );
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, index) =>
    (((bytes[index * 2] ?? 0) << 8) | (bytes[index * 2 + 1] ?? 0)).toString(16),
  );
  const mapped = /^0:0:0:0:0:ffff:/.test(`${groups.join(":")}:`) && `::ffff:${bytes.slice(12).join(".")}`;
  if (mapped) return mapped;
  // RFC 5952: the longest run of zeros, of two at least, is left out.
  const runs = [...groups.join(":").matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].map(([run]) => run);
  const longest = runs.reduce(
    (best, run) => (run.replace(/^:/, "").length > best.replace(/^:/, "").length ? run : best),
    "",
  );
  if (longest === "") return groups.join(":");
  const at = groups.join(":").indexOf(longest);
  const joined = groups.join(":");
  return `${joined.slice(0, at)}::${joined.slice(at + longest.length).replace(/^:/, "")}`;
}

/** Which process has a socket open, by inode: from `/proc/PID/fd/N -> socket:[inode]` links. */
export function socketOwners(links: ReadonlyMap<string, string>): Map<string, number> {
  const owners = new Map<string, number>();
  for (const [path, target] of links) {
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    const pid = Number(/^\/proc\/(\d+)\//.exec(path)?.[1] ?? "0");
    // A socket that was inherited is shown with the process that is nearest to the first one.
    if (inode !== undefined && pid > 0 && pid < (owners.get(inode) ?? Infinity)) owners.set(inode, pid);
  }
  return owners;
}
