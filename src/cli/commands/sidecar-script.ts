import { randomBytes } from "node:crypto";
import { Collector } from "../../docker/collector.js";
import { ContainerError, UsageError } from "../../errors.js";
import { splitParts } from "../../sidecar/report/parts.js";
import type { Sidecar, SidecarProcess } from "../../sidecar/sidecar.js";
import type { EngineFlags } from "../program.js";
import type { CliIo } from "../io.js";
import { DebugTarget } from "./debug-target.js";

/** A script's heading mark: nothing that runs in a container can know it. */
export function newNonce(): string {
  return randomBytes(12).toString("hex");
}

/** The container that was named, for what looks at it from a sidecar. Rejects with UsageError, for an image too. */
export async function openTarget(
  name: string,
  flags: { readonly image?: string },
  engineFlags: EngineFlags,
  io: CliIo,
): Promise<DebugTarget> {
  const target = await DebugTarget.open(name, flags, engineFlags, io);
  if (target.target.kind === "container") return target;
  await target[Symbol.asyncDispose]();
  throw new UsageError(`${name} is an image, not a container`, { hint: `dfdebug debug ${name} opens its files.` });
}

/** Starts one of src/sidecar/report/scripts.ts in a sidecar. */
export function startScript(
  sidecar: Sidecar,
  script: string,
  args: readonly [nonce: string, containerId: string],
): Promise<SidecarProcess> {
  const argv = ["/bin/sh", "-c", script, "dfdebug", ...args];
  return sidecar.exec({ argv, view: "outside", cwd: "/" });
}

/** The parts that a script printed, which ended by itself. Rejects with ContainerError where it did not get to its end. */
export async function scriptParts(process: SidecarProcess, nonce: string): Promise<ReadonlyMap<string, string>> {
  const output = new Collector();
  const complaints = new Collector();
  await process.exec.copyOutput({ stdout: output, stderr: complaints });
  const parts = splitParts(output.bytes.toString("utf8"), nonce);
  if (parts.has("end")) return parts;
  const why = complaints.bytes.toString("utf8").trim().split("\n")[0] || "it ended early; did the container end?";
  throw new ContainerError(`The container could not be looked at: ${why}`, { code: "INSPECT" });
}
