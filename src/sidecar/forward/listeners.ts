/** A socket that listens in a network namespace. */
export interface Listener {
  readonly address: string;
  readonly port: number;
}

/** The listening sockets of /proc/net/tcp and tcp6 (proc(5): addresses in hexadecimal, by words in the machine's order). */
export function parseListeners(tables: string): Listener[] {
  const listeners: Listener[] = [];
  for (const line of tables.split("\n")) {
    const match = /^\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A /.exec(line);
    if (!match) continue;
    listeners.push({ address: decodeAddress(match[1] ?? ""), port: Number.parseInt(match[2] ?? "0", 16) });
  }
  return listeners.sort((one, other) => one.port - other.port);
}

function decodeAddress(hex: string): string {
  const bytes: number[] = [];
  for (let at = 0; at < hex.length; at += 8) bytes.push(...Buffer.from(hex.slice(at, at + 8), "hex").reverse());
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, at) =>
    ((bytes[2 * at] ?? 0) * 256 + (bytes[2 * at + 1] ?? 0)).toString(16),
  );
  // URL writes IPv6 addresses in their short form.
  return new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1);
}
