import type { ContainerInfo, Containers } from "../../docker/containers.js";
import { findImage } from "../../docker/images.js";
import { DfdebugError, errorMessage } from "../../errors.js";
import { detectStyle } from "../../frontends/terminal/style.js";
import { runOnHost } from "../../sidecar/host-helper.js";
import { ownerLabels } from "../../sidecar/labels.js";
import { configured, type Configured } from "../../sidecar/report/configured.js";
import { splitParts } from "../../sidecar/report/parts.js";
import { buildReport, type IsolationReport } from "../../sidecar/report/report.js";
import { hostScript, reportScript } from "../../sidecar/report/scripts.js";
import { nameOf } from "../../sidecar/target.js";
import { writeAll } from "../../write-all.js";
import { maskArguments } from "../../sidecar/report/environment.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";
import type { DebugTarget } from "./debug-target.js";
import { inspectText } from "./inspect-text.js";
import { newNonce, openTarget, scriptParts, startScript } from "./sidecar-script.js";

export interface InspectFlags {
  readonly json?: boolean;
  readonly image?: string;
  /** False: nothing is asked of the engine's machine. */
  readonly hostSide: boolean;
}

/** What the engine says of the container itself. */
export interface ContainerState {
  readonly name: string;
  readonly id: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly status: string;
  readonly health: string | undefined;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  readonly error: string;
  readonly restarts: number;
  readonly restartPolicy: string;
  readonly privileged: boolean;
  readonly readOnlyRoot: boolean;
  readonly user: string;
  readonly networks: readonly { readonly name: string; readonly address: string; readonly gateway: string }[];
  /** `0.0.0.0:8080->80/tcp`. */
  readonly ports: readonly string[];
}

/** The whole report. */
export interface Inspection extends IsolationReport {
  readonly container: ContainerState;
  readonly configured: Configured;
  /** What could not be found out, and why. */
  readonly notes: readonly string[];
}

/** `dfdebug inspect`. Rejects with UsageError, ContainerError or EngineError. */
export async function runInspect(
  name: string,
  flags: InspectFlags,
  engineFlags: EngineFlags,
  io: CliIo,
): Promise<number> {
  await using target = await openTarget(name, flags, engineFlags, io);
  const inspection = await inspect(target, flags);
  const style = detectStyle(io.stdout, io.env);
  const width = io.stdout.isTTY ? io.stdout.columns || 80 : undefined;
  await writeAll(io.stdout, flags.json ? `${JSON.stringify(inspection)}\n` : inspectText(inspection, style, width));
  return 0;
}

async function inspect(target: DebugTarget, flags: InspectFlags): Promise<Inspection> {
  if (target.target.kind !== "container") throw new Error("an image, where none was asked for");
  const { info } = target.target;
  const { containers, isLive } = target;
  const notes: string[] = [];
  const [sidecar, host, image, others] = await Promise.all([
    isLive ? fromSidecar(target, info) : undefined,
    isLive && flags.hostSide ? fromHost(target, info, notes) : undefined,
    findImage(containers.connection, info.Image),
    runningContainers(containers, info.Id),
  ]);
  if (!isLive)
    notes.push(
      `It is not running (${info.State.Status}): what the engine keeps is shown, and what the next start gives it.`,
    );
  if (!image) notes.push("Its image was removed: what comes from the image cannot be told apart.");
  if (sidecar && sidecar.get("addresses")?.trim() === "")
    notes.push("The toolbox has no `ip`: addresses and routes are not shown.");
  const imageEnv = image?.Config?.Env ?? [];
  return {
    container: stateOf(info),
    configured: configured(info),
    ...buildReport({ info, others, imageEnv, sidecar, host }),
    notes,
  };
}

async function fromSidecar(target: DebugTarget, info: ContainerInfo): Promise<ReadonlyMap<string, string>> {
  const nonce = newNonce();
  const process = await startScript(await target.sidecar(), reportScript, [nonce, info.Id]);
  process.exec.stdin.end();
  return scriptParts(process, nonce);
}

async function fromHost(
  target: DebugTarget,
  info: ContainerInfo,
  notes: string[],
): Promise<ReadonlyMap<string, string> | undefined> {
  const nonce = newNonce();
  const { containers, toolbox } = target;
  const script = { script: hostScript, args: [nonce, info.Id], capabilities: [] };
  try {
    return splitParts(await runOnHost({ containers, toolbox, labels: ownerLabels(), ...script }), nonce);
  } catch (error) {
    if (!(error instanceof DfdebugError) || ["ENGINE_LOST", "CANCELLED"].includes(error.code)) throw error;
    notes.push(
      `The engine's machine could not be asked, so its process ids and veth are missing: ${errorMessage(error)}`,
    );
    return undefined;
  }
}

/** How many are asked about at once: each is a connection to the engine. */
const atOnce = 8;

async function runningContainers(containers: Containers, except: string): Promise<ContainerInfo[]> {
  const ids = (await containers.list())
    .filter(({ Id, State, Labels }) => Id !== except && State !== "exited" && !("dev.dfdebug.session" in Labels))
    .map(({ Id }) => Id);
  const found: ContainerInfo[] = [];
  for (let at = 0; at < ids.length; at += atOnce) {
    const infos = await Promise.all(ids.slice(at, at + atOnce).map((id) => containers.find(id)));
    found.push(...infos.filter((info) => info?.State.Running === true).map((info) => info as ContainerInfo));
  }
  return found;
}

function stateOf(info: ContainerInfo): ContainerState {
  const { State, HostConfig, Config, NetworkSettings } = info;
  const policy = HostConfig.RestartPolicy;
  const retries = policy?.MaximumRetryCount ? `:${String(policy.MaximumRetryCount)}` : "";
  return {
    name: nameOf(info),
    id: info.Id,
    image: Config.Image,
    command: maskArguments([info.Path, ...info.Args]),
    status: State.Status,
    health: State.Health?.Status,
    startedAt: State.StartedAt,
    finishedAt: State.FinishedAt,
    exitCode: State.ExitCode,
    outOfMemory: State.OOMKilled,
    error: State.Error,
    restarts: info.RestartCount,
    restartPolicy: `${policy?.Name || "no"}${retries}`,
    privileged: HostConfig.Privileged === true,
    readOnlyRoot: HostConfig.ReadonlyRootfs === true,
    user: Config.User,
    networks: Object.entries(NetworkSettings.Networks ?? {}).map(([name, network]) => ({
      name,
      address: network.IPAddress ? `${network.IPAddress}/${String(network.IPPrefixLen)}` : "",
      gateway: network.Gateway,
    })),
    ports: Object.entries(NetworkSettings.Ports ?? {}).flatMap(([port, bindings]) =>
      ((bindings as { HostIp: string; HostPort: string }[] | null) ?? []).map(
        ({ HostIp, HostPort }) => `${HostIp}:${HostPort}->${port}`,
      ),
    ),
  };
}
