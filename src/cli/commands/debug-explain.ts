import type { MountSettings } from "../../docker/containers.js";
import type { Reason } from "../../sidecar/rights.js";
import type { DebugTarget } from "./debug-target.js";

/** What a session would join and be allowed, and why, for `--explain`. `user`: the one that was asked for. */
export function explain(target: DebugTarget, user: string | undefined): string {
  const { toolbox, toolboxSource, rights } = target;
  const lines = [`Target        ${describe(target)}`, `Toolbox       ${toolbox.name} (${toolboxSource})`];
  lines.push(`User          ${user === undefined ? "root, with --inside too; -u names another" : `${user} (-u)`}`);
  if (rights) {
    lines.push(...section("Namespaces", rights.namespaces));
    lines.push(...section("Capabilities", rights.capabilities));
    if (!rights.hostConfig.Privileged) lines.push("  every other capability is dropped");
    const { Binds = [], Mounts = [] } = rights.hostConfig;
    const mounts = [...Binds.map((bind) => ({ what: bind, why: "-v" })), ...Mounts.map(mountReason)];
    if (mounts.length > 0) lines.push(...section("Mounts of its own", mounts));
    if (rights.profiles.length > 0) lines.push(...section("Profiles", rights.profiles));
  }
  return `${lines.join("\n")}\n`;
}

function describe(target: DebugTarget): string {
  const { target: resolved, name } = target;
  if (resolved.kind === "image") return `image ${name}: a container is made from it, nothing of its own is started`;
  const { State } = resolved.info;
  return `container ${name} (${State.Status})${target.isLive ? "" : ": its files are committed to a temporary image; it is not started"}`;
}

function section(title: string, reasons: readonly Reason[]): string[] {
  const width = Math.max(...reasons.map(({ what }) => what.length));
  return [title, ...reasons.map(({ what, why }) => `  ${what.padEnd(width)}  ${why}`)];
}

function mountReason({ Type, Source, Target, ReadOnly }: MountSettings): Reason {
  const from = Source === "" ? Type : `${Type} ${Source}`;
  return { what: `${from} at ${Target}${ReadOnly === true ? ", read-only" : ""}`, why: "--mount" };
}
