import { UsageError } from "../../errors.js";

/** A port of this machine and where its connections go. */
export interface PortSpec {
  /** Undefined: localhost, IPv4 and where there is one IPv6. */
  readonly bind: string | undefined;
  /** 0: any free one. */
  readonly local: number;
  /** In the container's network; undefined: its localhost. */
  readonly host: string | undefined;
  readonly port: number;
}

/**
 * `[[BIND:]LOCAL:][HOST:]PORT[/tcp]`, as ssh -L and kubectl port-forward have it. LOCAL is a number, HOST is none; an IPv6
 * address stands in brackets. Without LOCAL the same port is used here. Throws UsageError.
 */
export function parsePortSpec(text: string): PortSpec {
  const [ports = "", protocol = "tcp", ...more] = text.split("/");
  if (protocol.toLowerCase() === "udp")
    throw new UsageError(`${text}: UDP is not forwarded`, {
      hint: "A forwarded connection is a stream, and would not keep datagrams apart. Tools for UDP are in dfdebug debug's toolbox, in the container's network.",
    });
  if (protocol.toLowerCase() !== "tcp" || more.length > 0) throw bad(text, "only /tcp may follow the port");
  const parts = ports.match(/\[[^\]]*\]|[^:[\]]+|(?<=:|^)(?=:|$)/g) ?? [];
  if (parts.join(":") !== ports) throw bad(text, "an IPv6 address stands in brackets");
  const port = portNumber(text, parts.pop() ?? "", 1);
  const host = parts.length > 0 && !isNumber(parts.at(-1) ?? "") ? address(text, parts.pop() ?? "") : undefined;
  const local = parts.length > 0 ? portNumber(text, parts.pop() ?? "", 0) : port;
  const bind = parts.length > 0 ? address(text, parts.pop() ?? "") : undefined;
  if (parts.length > 0) throw bad(text, "it has too many parts");
  return { bind, local, host, port };
}

/** An address and a port as people write them. */
export function showAddress(host: string, port: number): string {
  return `${host.includes(":") ? `[${host}]` : host}:${String(port)}`;
}

function isNumber(text: string): boolean {
  return /^\d+$/.test(text);
}

function portNumber(text: string, part: string, least: number): number {
  const port = Number(part);
  if (!isNumber(part) || port < least || port > 65_535)
    throw bad(text, `${part === "" ? "the port is missing" : `${part} is no port`}`);
  return port;
}

function address(text: string, part: string): string {
  const host = part.replace(/^\[(.*)\]$/, "$1");
  // It becomes a word of a line that a script reads.
  if (!/^[\w.:%-]+$/.test(host) || host.startsWith("-")) throw bad(text, `${part || "an empty name"} is no address`);
  return host;
}

function bad(text: string, why: string): UsageError {
  return new UsageError(`${text}: ${why}`, {
    hint: "A port is [[BIND:]LOCAL:][HOST:]PORT: 8080, 9000:8080, 0:8080, 0.0.0.0:9000:8080, 5432:db:5432.",
  });
}
