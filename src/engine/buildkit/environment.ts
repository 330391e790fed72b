import { fullName, parseImageReference } from "../../dockerfile/image-reference.js";
import { ContainerError } from "../../errors.js";
import type {
  EngineCapabilities,
  Step,
  StepConfiguration,
  StepContainerOptions,
  StepEnvironment,
  ToolboxSource,
} from "../engine.js";
import { ownVertex, type BuildSession } from "./build-session.js";
import { plainContainer, toolboxMount, type ContainerSpec, type ToolboxState } from "./container.js";
import { CallError, cleaned } from "./failures.js";
import { CacheSharingOpt, MountType, type ExecOp, type Mount } from "./gen/ops.js";
import { edge, type Vertex } from "./graph.js";
import type { PlannedGraph } from "./planned-graph.js";
import type { SolvedFailure, Solver } from "./solver.js";
import type { BuildkitState } from "./state.js";
import type { StepPlace } from "./step-map.js";

/** PATH where an image sets none (docker's default for Linux). */
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Brings the toolbox into the engine, once a build. */
export class ToolboxMounter {
  private readonly source: () => Promise<ToolboxSource>;
  private readonly solver: Solver;
  private readonly session: BuildSession;
  private mounted: Promise<ToolboxState> | undefined;
  private resolved: Promise<ToolboxSource> | undefined;

  constructor(source: () => Promise<ToolboxSource>, solver: Solver, session: BuildSession) {
    this.source = source;
    this.solver = solver;
    this.session = session;
  }

  /** The same toolbox, to be brought into another solve. */
  in(solver: Solver): ToolboxMounter {
    return new ToolboxMounter(() => this.resolve(), solver, this.session);
  }

  /** Finds out which toolbox there is while the build runs; nothing is sent for it. */
  resolve(): Promise<ToolboxSource> {
    if (!this.resolved) {
      this.resolved = this.source();
      this.resolved.catch(() => {
        this.resolved = undefined;
      });
    }
    return this.resolved;
  }

  /** The mounted toolbox, or why there is none; never rejects for want of one. */
  mount(signal: AbortSignal | undefined): Promise<ToolboxState> {
    this.mounted ??= this.solve(signal).catch((error: unknown) => {
      this.mounted = undefined;
      throw error;
    });
    return this.mounted;
  }

  private async solve(signal: AbortSignal | undefined): Promise<ToolboxState> {
    const source = await this.resolve();
    if (source.kind === "none") return { available: false, reason: source.reason, hint: source.hint };
    const { identifier, attrs } =
      source.kind === "directory"
        ? this.session.serveToolbox(source.path)
        : { identifier: imageIdentifier(source.name), attrs: { "image.resolvemode": "local" } };
    try {
      const resultId = await this.solver.solveSource(identifier, attrs, `${ownVertex}load toolbox`, signal);
      return { available: true, mount: { resultId, selector: source.kind === "image" ? source.kit : "/" } };
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      return {
        available: false,
        reason: `the toolbox could not be loaded into the engine: ${error.message}`,
        hint: "`dfdebug toolbox build` makes a new one; `dfdebug doctor` says what is there.",
      };
    }
  }
}

/** The full name BuildKit wants in a docker-image:// identifier. */
export function imageIdentifier(name: string): string {
  const reference = parseImageReference(name);
  return `docker-image://${reference ? fullName(reference) : name}`;
}

/** Resolves everything a container at a step is made of. */
export async function containerSpec(input: {
  planned: PlannedGraph;
  solver: Solver;
  step: Step;
  place: StepPlace;
  /** What the container is opened on. */
  state: BuildkitState;
  /** Whose configuration it has: the one before the step, or the one behind it. */
  when: "before" | "after";
  /** Set: open what this failure left behind. */
  failure: SolvedFailure | undefined;
  view: StepContainerOptions["view"];
  toolbox: ToolboxState;
  capabilities: EngineCapabilities;
  signal: AbortSignal | undefined;
}): Promise<ContainerSpec> {
  const { planned, place, step, state, toolbox, view, when } = input;
  const { vertex } = place;
  const op = vertex?.op.op;
  // Behind a RUN nothing of what its own process had is left.
  const run = op?.$case === "exec" && when === "before" ? op.value : undefined;
  const environment = stepEnvironment(await planned.configuration(input.solver, step, when), run, toolbox.available);
  const mounted =
    run && vertex ? await mountsOf(input, vertex, run) : { rootId: dirtyRoot(input.failure) ?? state.id, mounts: [] };
  if (!toolbox.available && mounted.rootId === "")
    throw new ContainerError(`There is nothing to open ${when} step ${String(step.number)}: its filesystem is empty`, {
      code: "EMPTY_STATE",
      hint: `With a toolbox there would be a shell: ${toolbox.hint}`,
    });
  return {
    rootId: mounted.rootId || undefined,
    mounts: mounted.mounts,
    view,
    toolbox,
    shell: toolbox.available ? `${toolboxMount}/bin/sh` : await stateShell(state),
    environment,
    ...plainContainer,
    ...(run && {
      network: run.network,
      security: run.security,
      secretEnv: input.capabilities.secretEnv ? run.secretenv : [],
      hostname: run.meta?.hostname ?? "",
      extraHosts: run.meta?.extraHosts ?? [],
    }),
    platform: vertex?.op.platform,
    signals: input.capabilities.signals,
  };
}

/** Rejects, with ContainerError NOT_ALONGSIDE, a step whose mounts a second container cannot have while it runs. */
export function requireShared(step: Step, { vertex }: StepPlace): void {
  const op = vertex?.op.op;
  const mounts = op?.$case === "exec" ? op.value.mounts : [];
  if (mounts.some(({ cacheOpt }) => cacheOpt && cacheOpt.sharing !== CacheSharingOpt.SHARED))
    throw new ContainerError(`Step ${String(step.number)} has a cache that nothing else can use while it runs`, {
      code: "NOT_ALONGSIDE",
    });
}

/** The state's own /bin/sh, where it has one. */
async function stateShell(state: BuildkitState): Promise<string | undefined> {
  try {
    await state.stat("/bin/sh");
    return "/bin/sh";
  } catch {
    return undefined;
  }
}

/** The environment a step's instruction has: a RUN's from its op, which is what BuildKit itself would use; others' computed. */
function stepEnvironment(at: StepConfiguration, run: ExecOp | undefined, withToolbox: boolean): StepEnvironment {
  const meta = run?.meta;
  const env = [...(meta?.env ?? at.runEnv)];
  const proxy = meta?.proxy_env;
  for (const [name, value] of Object.entries({
    http_proxy: proxy?.http_proxy,
    https_proxy: proxy?.https_proxy,
    ftp_proxy: proxy?.ftp_proxy,
    no_proxy: proxy?.no_proxy,
    all_proxy: proxy?.all_proxy,
  }))
    if (value) env.push(`${name}=${value}`, `${name.toUpperCase()}=${value}`);
  return {
    env: withToolbox ? withToolboxPath(env) : env,
    cwd: meta?.cwd || at.cwd,
    user: meta?.user ?? at.user,
    shell: at.shell,
    argv: meta?.args,
  };
}

function withToolboxPath(env: readonly string[]): string[] {
  const index = env.findIndex((entry) => entry.startsWith("PATH="));
  const path = `${env[index] ?? `PATH=${defaultPath}`}:${toolboxMount}/bin`;
  return index < 0 ? [path, ...env] : env.with(index, path);
}

/** A RUN's root and other mounts with the results that fill them. */
async function mountsOf(
  input: Parameters<typeof containerSpec>[0],
  vertex: Vertex,
  run: ExecOp,
): Promise<{ rootId: string; mounts: Mount[] }> {
  const dirty = input.failure?.error.solve?.mountIDs ?? [];
  let rootId = "";
  const mounts: Mount[] = [];
  for (const [index, mount] of run.mounts.entries()) {
    const state = edge(vertex.op, mount.input);
    let resultID = mount.mountType === MountType.BIND ? (dirty[index] ?? "") : "";
    if (resultID === "" && state) {
      const solved = await input.solver.solve(state, input.planned.graph, input.signal);
      if (solved.status === "failed")
        throw new ContainerError(
          `What step ${String(input.step.number)} mounts is not to be had: ${cleaned(solved.error.message)}`,
          {
            code: "CONTAINER_CREATE",
            cause: solved.error,
            hint: "Without it there is no container like the step's: correct the instruction (edit), or look at the files with ls and cat.",
          },
        );
      resultID = solved.id;
    }
    if (mount.dest === "/") rootId = resultID;
    else mounts.push({ ...mount, input: -1n, output: -1n, resultID });
  }
  return { rootId, mounts };
}

/** BuildKit's id of the filesystem that a failed step left; undefined where it left none. */
export function dirtyRootId({ vertex }: StepPlace, failure: SolvedFailure): string | undefined {
  const op = vertex?.op.op;
  if (op?.$case !== "exec") return dirtyRoot(failure);
  const root = op.value.mounts.findIndex((mount) => mount.dest === "/");
  return failure.error.solve?.mountIDs[root];
}

/** What a failed COPY or ADD had written: the partial result of its file actions. */
function dirtyRoot(failure: SolvedFailure | undefined): string | undefined {
  return failure?.error.solve?.mountIDs.find((id) => id !== "");
}
