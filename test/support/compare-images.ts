import { execFileSync } from "node:child_process";
import { docker, type TestEngine } from "./engines.js";

/**
 * How two images differ in configuration and files, in lines for people; empty when they are the same. Creation times do
 * not count. Equal ids are equal images: the id is the digest of the configuration, which names the digests of the layers.
 */
export function imageDifferences(engine: TestEngine, a: string, b: string): string[] {
  if (a === b) return [];
  const configs = [a, b].map((id) => {
    const [image] = JSON.parse(docker(engine, "image", "inspect", id)) as [Record<string, unknown>];
    const { Config, Os, Architecture } = image;
    const history = docker(engine, "history", "--no-trunc", "--format", "{{.CreatedBy}}\t{{.Size}}", id);
    return `${JSON.stringify({ Config, Os, Architecture }, undefined, 1)}\n${history}`.split("\n");
  });
  const files = [a, b].map((id) => listing(engine, id));
  return [...lineDifferences(configs[0] ?? [], configs[1] ?? []), ...lineDifferences(files[0] ?? [], files[1] ?? [])];
}

/** Every path with type, mode, owner, size, link target and a digest of its content. */
function listing(engine: TestEngine, id: string): string[] {
  const container = docker(engine, "create", id, "none");
  try {
    const script = `
d=$(mktemp -d); trap 'rm -rf "$d"' EXIT
/usr/bin/docker -H "$1" export "$2" | tar -C "$d" -xpf - --numeric-owner
cd "$d"; rm -f .dockerenv; rm -rf dev proc sys etc/hosts etc/hostname etc/resolv.conf
find . -printf '%p %y %m %U:%G %l\\n' | sort
find . -type f -print0 | sort -z | xargs -0 -r sha256sum`;
    const args = ["-c", script, "listing", engine.host, container];
    return execFileSync("bash", args, { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 }).split("\n");
  } finally {
    docker(engine, "rm", "-f", container);
  }
}

function lineDifferences(left: readonly string[], right: readonly string[]): string[] {
  const inRight = new Set(right);
  const inLeft = new Set(left);
  return [
    ...left.filter((line) => !inRight.has(line)).map((line) => `only dfdebug: ${line}`),
    ...right.filter((line) => !inLeft.has(line)).map((line) => `only docker:  ${line}`),
  ].slice(0, 40);
}
