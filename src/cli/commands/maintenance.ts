import { access, constants, readdir, readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { DockerConnection } from "../../docker/connection.js";
import { configFolder, socketCandidates, type DockerEndpoint } from "../../docker/endpoint.js";
import { startHint } from "../../docker/errors.js";
import type { EngineCapabilities, ToolboxSource } from "../../engine/engine.js";
import { DfdebugError, errorMessage } from "../../errors.js";
import { ConnectedEngine } from "../connect.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";
import { version } from "../version.js";

/** What doctor found; `--json` prints it. */
interface Report {
  readonly dfdebug: string;
  readonly node: string;
  readonly terminal: boolean;
  readonly engine: EngineReport | undefined;
  /** Why there is no engine, and what to do. */
  readonly problem: { readonly message: string; readonly hint: string | undefined } | undefined;
  readonly sockets: readonly { readonly path: string; readonly name: string; readonly engine: string | undefined }[];
  readonly contexts: readonly { readonly name: string; readonly host: string; readonly current: boolean }[];
  readonly credentialHelpers: readonly { readonly name: string; readonly found: boolean }[];
}

interface EngineReport {
  readonly host: string;
  readonly source: string;
  readonly version: string;
  readonly apiVersion: string;
  readonly capabilities: EngineCapabilities | undefined;
  /** Why BuildKit cannot be used. */
  readonly buildkitProblem: string | undefined;
  readonly toolbox: ToolboxSource;
}

/** `dfdebug doctor`. Exit code 0 when a build can run, 3 when not. */
export async function doctor(flags: { json?: boolean }, engineFlags: EngineFlags, io: CliIo): Promise<number> {
  const report = await examine(engineFlags, io);
  io.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : text(report));
  return report.engine?.capabilities ? 0 : 3;
}

async function examine(engineFlags: EngineFlags, io: CliIo): Promise<Report> {
  let engine: EngineReport | undefined;
  let problem: Report["problem"];
  try {
    engine = await examineEngine(engineFlags, io);
  } catch (error) {
    problem = { message: errorMessage(error), hint: error instanceof DfdebugError ? error.hint : undefined };
  }
  const [sockets, contexts, credentialHelpers] = await Promise.all([
    Promise.all(socketCandidates(io.env).map((candidate) => examineSocket(candidate, io))),
    listContexts(io),
    listHelpers(io),
  ]);
  return {
    dfdebug: version,
    node: process.version,
    terminal: io.stdin.isTTY && io.stderr.isTTY,
    engine,
    problem,
    sockets,
    contexts,
    credentialHelpers,
  };
}

async function examineEngine(engineFlags: EngineFlags, io: CliIo): Promise<EngineReport> {
  await using connected = new ConnectedEngine(engineFlags, io, undefined);
  const connection = await connected.connection();
  let capabilities: EngineCapabilities | undefined;
  let buildkitProblem: string | undefined;
  try {
    capabilities = await probe(connected, io);
  } catch (error) {
    buildkitProblem = errorMessage(error);
  }
  return {
    host: connection.endpoint.host,
    source: connection.endpoint.source,
    version: `${connection.isPodman ? "Podman " : ""}${connection.engineVersion}`,
    apiVersion: connection.apiVersion,
    capabilities,
    buildkitProblem,
    toolbox: await connected.toolbox(),
  };
}

/** Plans a build of nothing: the whole way to BuildKit and back, and what it can do. */
async function probe(connected: ConnectedEngine, io: CliIo): Promise<EngineCapabilities> {
  const [engine, { parseDockerfile }] = await Promise.all([connected.buildkit(), import("../../dockerfile/parse.js")]);
  await using _build = await engine.open(
    {
      context: { kind: "empty" },
      dockerfile: parseDockerfile("FROM scratch\nLABEL dfdebug=doctor\n", { file: "doctor" }),
      dockerfileName: "Dockerfile",
      dockerfilePath: undefined,
      dockerignore: undefined,
      target: undefined,
      buildArgs: new Map(),
      buildContexts: new Map(),
      secrets: [],
      ssh: [],
      platform: undefined,
      network: undefined,
      noCache: false,
      noCacheFilter: [],
      pull: false,
      addHosts: [],
      labels: new Map(),
      names: [],
      ignoreSyntax: false,
      toolbox: () => connected.toolbox(),
    },
    { signal: io.signal },
  );
  return engine.capabilities;
}

async function examineSocket(candidate: { path: string; name: string }, io: CliIo): Promise<Report["sockets"][number]> {
  const endpoint: DockerEndpoint = {
    host: `unix://${candidate.path}`,
    target: { kind: "unix", path: candidate.path },
    source: candidate.name,
    tried: [],
  };
  try {
    await using connection = await DockerConnection.connect(endpoint, { signal: io.signal });
    return { ...candidate, engine: connection.engineVersion || "unknown" };
  } catch {
    return { ...candidate, engine: undefined };
  }
}

async function listContexts(io: CliIo): Promise<Report["contexts"]> {
  const folder = join(configFolder(io.env), "contexts/meta");
  let current = io.env["DOCKER_CONTEXT"];
  try {
    const config = JSON.parse(await readFile(join(configFolder(io.env), "config.json"), "utf8")) as {
      currentContext?: string;
    };
    current ??= config.currentContext;
  } catch {
    // No configuration: the default context.
  }
  const contexts: { name: string; host: string; current: boolean }[] = [];
  for (const id of await readdir(folder).catch(() => [])) {
    try {
      const meta = JSON.parse(await readFile(join(folder, id, "meta.json"), "utf8")) as {
        Name?: string;
        Endpoints?: { docker?: { Host?: string } };
      };
      const name = meta.Name ?? id;
      contexts.push({ name, host: meta.Endpoints?.docker?.Host ?? "", current: name === current });
    } catch {
      // A broken entry of docker's store is docker's to tell of.
    }
  }
  return contexts;
}

async function listHelpers(io: CliIo): Promise<Report["credentialHelpers"]> {
  interface Config {
    credsStore?: string;
    credHelpers?: Record<string, string>;
  }
  let config: Config;
  try {
    config = JSON.parse(await readFile(join(configFolder(io.env), "config.json"), "utf8")) as Config;
  } catch {
    return [];
  }
  const names = new Set([
    ...(config.credsStore ? [config.credsStore] : []),
    ...Object.values(config.credHelpers ?? {}),
  ]);
  return Promise.all(
    [...names].map(async (name) => ({ name, found: await onPath(`docker-credential-${name}`, io.env["PATH"] ?? "") })),
  );
}

async function onPath(program: string, path: string): Promise<boolean> {
  for (const folder of path.split(delimiter)) {
    try {
      await access(join(folder, program), constants.X_OK);
      return true;
    } catch {
      // Not in this one.
    }
  }
  return false;
}

function text(report: Report): string {
  const lines = [`dfdebug ${report.dfdebug}, Node ${report.node.slice(1)}`];
  const { engine, problem } = report;
  if (engine) {
    lines.push(
      `Engine   ${engine.version || "unknown version"}, API ${engine.apiVersion}, at ${engine.host} (${engine.source})`,
    );
    if (engine.buildkitProblem !== undefined) lines.push(`BuildKit cannot be used: ${engine.buildkitProblem}`);
    const { capabilities } = engine;
    if (capabilities) {
      lines.push("BuildKit works: builds can run, stop and be looked into");
      lines.push(`  state that a failed step left (shell --dirty): ${capabilities.dirtyState ? "yes" : "no"}`);
      lines.push(`  heredocs in its own frontend:                  ${capabilities.heredocs ? "yes" : "no"}`);
      for (const limit of capabilities.limits) lines.push(`  - ${limit}`);
    }
    lines.push(`Toolbox  ${toolboxText(engine.toolbox)}`);
  } else {
    lines.push(`Engine   none: ${problem?.message ?? ""}`);
    for (const line of (problem?.hint ?? startHint()).split("\n")) lines.push(`  ${line}`);
  }
  const answering = report.sockets.filter((socket) => socket.engine !== undefined);
  lines.push(
    `Sockets  ${answering.length === 0 ? "none answers" : answering.map((socket) => `${socket.path} (${socket.engine ?? ""})`).join(", ")}`,
  );
  const contexts = report.contexts.map((context) => `${context.current ? "* " : ""}${context.name} (${context.host})`);
  lines.push(`Contexts ${contexts.length === 0 ? "only the default one" : contexts.join(", ")}`);
  for (const helper of report.credentialHelpers)
    lines.push(
      helper.found
        ? `Credentials from docker-credential-${helper.name}`
        : `Credentials: docker-credential-${helper.name} is configured but not on PATH: install it, or remove it from config.json`,
    );
  lines.push(
    `Terminal ${report.terminal ? "yes: a failing step opens a shell" : "no: a failing step is reported; --exec runs diagnostics"}`,
  );
  return `${lines.join("\n")}\n`;
}

function toolboxText(toolbox: ToolboxSource): string {
  switch (toolbox.kind) {
    case "image":
      return `image ${toolbox.name}`;
    case "directory":
      return `a static busybox of this machine (${toolbox.path}); dfdebug toolbox build makes the full one (strace, gdb, curl, ...)`;
    case "none":
      return `none: ${toolbox.reason}. ${toolbox.hint}`;
  }
}
