/** A port that EXPOSE cannot take. */
export class PortError extends Error {}

function portNumber(text: string): number {
  const port = /^[+-]?\d+$/.test(text) ? Number(text) : NaN;
  if (!(port >= 0 && port <= 65535)) throw new PortError(`"${text}" is no port number (0 to 65535)`);
  return port;
}

function portRange(text: string): readonly [number, number] {
  const dash = text.indexOf("-");
  if (dash === -1) return [portNumber(text), portNumber(text)];
  const first = portNumber(text.slice(0, dash));
  const last = portNumber(text.slice(dash + 1));
  if (last < first) throw new PortError(`"${text}" is no range of ports: its end is below its beginning`);
  return [first, last];
}

/** What EXPOSE makes of one word (`8080`, `80/udp`, `8000-8010`, `80:8080`): `port/protocol` each. Throws PortError. */
export function exposedPorts(word: string): string[] {
  const parts = word.split(":");
  const [port = "", ...protocols] = (parts.at(-1) ?? "").split("/");
  const protocol = protocols.join("/").toLowerCase() || "tcp";
  if (port === "") throw new PortError(`"${word}" names no port`);
  if (!["tcp", "udp", "sctp"].includes(protocol)) throw new PortError(`"${protocol}" is none of tcp, udp and sctp`);
  const [first, last] = portRange(port);
  const host = parts.at(-2);
  if (host !== undefined && host !== "") {
    const [hostFirst, hostLast] = portRange(host);
    if (first !== last && hostLast - hostFirst !== last - first) {
      throw new PortError(`"${word}" maps ranges of different lengths`);
    }
  }
  return Array.from({ length: last - first + 1 }, (_, index) => `${String(first + index)}/${protocol}`);
}
