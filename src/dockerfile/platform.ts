import { nearest } from "./suggest.js";

/** An operating system and processor, as BuildKit names them. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** "" where there is none. */
  readonly variant: string;
}

/** What is built for where nobody says so. */
export const defaultPlatform: Platform = { os: "linux", architecture: "amd64", variant: "" };

const architectureNames: ReadonlyMap<string, readonly [string, string]> = new Map([
  ["x86_64", ["amd64", ""]],
  ["x86-64", ["amd64", ""]],
  ["i386", ["386", ""]],
  ["aarch64", ["arm64", ""]],
  ["armhf", ["arm", "v7"]],
  ["armel", ["arm", "v6"]],
] as const);

/** What Go builds for (go tool dist list), and so what engines know by a single word. */
const systems = new Set(
  "aix android darwin dragonfly freebsd illumos ios js linux macos netbsd openbsd plan9 solaris wasip1 windows".split(
    " ",
  ),
);
const architectures = new Set(
  "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm".split(" "),
);

/** Reads `os/arch[/variant]`, or a known `os` or `arch`, in containerd's normal form; undefined where it is none. */
export function parsePlatform(text: string): Platform | undefined {
  const parts = text.toLowerCase().split("/");
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.\-()]+$/.test(part))) return undefined;
  const [first = "", second, third] = parts;
  if (second === undefined) {
    if (systems.has(first)) return { ...defaultPlatform, os: systemName(first) };
    const platform = normalize(defaultPlatform.os, first, "");
    return architectures.has(platform.architecture) ? platform : undefined;
  }
  return normalize(systemName(first), second, third ?? "");
}

function systemName(name: string): string {
  const plain = name.replace(/\(.*\)$/, "");
  return plain === "macos" ? "darwin" : plain;
}

function normalize(os: string, name: string, written: string): Platform {
  const [architecture, implied] = architectureNames.get(name) ?? [name, ""];
  let variant = written === "" ? implied : written;
  if (architecture === "arm64" && (variant === "8" || variant === "v8")) variant = "";
  if (architecture === "amd64" && variant === "v1") variant = "";
  if (architecture === "arm") {
    if (variant === "") variant = "v7";
    else if (/^[5-8]$/.test(variant)) variant = `v${variant}`;
  }
  return { os, architecture, variant };
}

export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === "" ? [] : [variant])].join("/");
}

/** The platform that was meant by one whose processor is unknown; undefined where it is known, or like none. */
export function likelyPlatform(text: string): string | undefined {
  const platform = parsePlatform(text);
  if (!platform || architectures.has(platform.architecture)) return undefined;
  const architecture = nearest(platform.architecture, architectures);
  return architecture === undefined ? undefined : formatPlatform({ ...platform, architecture });
}
