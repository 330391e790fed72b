import { ConfigBuilder, type Configured } from "./config-builder.js";
import { scratchConfig, type ImageConfig } from "./image-config.js";
import { defaultPlatform, parsePlatform } from "./platform.js";
import type { Plan, PlannedStage, PlannedStep } from "./syntax.js";

export type { ArgInScope, EnvEntry } from "./config-builder.js";
export type { ImageConfig } from "./image-config.js";

/** Configuration and variables as they stand at a step. Holds build arguments as given: not for logs. */
export type StepConfiguration = Configured;

export interface ConfigOptions {
  /** Default: `before` the instruction has had its effect. */
  readonly when?: "before" | "after" | undefined;
  readonly buildArgs: ReadonlyMap<string, string>;
  /** The target platform. */
  readonly platform?: string | undefined;
  /** The configuration of the image (or named context) that a FROM step names. Not asked for scratch, nor for stages. */
  readonly base: (from: PlannedStep) => ImageConfig | Promise<ImageConfig>;
}

/**
 * The image configuration and the variables before (or after) a step, as BuildKit's dispatch makes them: base image,
 * ONBUILD triggers, stages built on stages, ARG scopes. Reads the instructions up to the step once, and asks for one
 * base image. Rejects with DockerfileError where an instruction on the way cannot be expanded, and with what `base`
 * rejects with.
 */
export async function configAt(plan: Plan, step: PlannedStep, options: ConfigOptions): Promise<StepConfiguration> {
  const planned = plan.stages.find(({ stage }) => stage === step.stage);
  if (planned === undefined) throw new RangeError(`step ${String(step.number)} is not of this plan`);
  const stages = lineage(plan, planned);
  const os = systemOf(stages, options);
  const builder = new ConfigBuilder(plan, options.buildArgs, os);
  const isAfter = options.when === "after";
  if (step.stageStep === 1 && !isAfter) return builder.result(step.instruction);

  for (const current of stages) {
    await enter(builder, plan, current, options, os);
    const isLast = current === planned;
    const end = isLast ? step.stageStep - (isAfter ? 0 : 1) : current.stage.instructions.length;
    // A stage that a named context fills runs nothing but its FROM.
    if (current.base.kind === "context") continue;
    for (const instruction of current.stage.instructions.slice(1, end)) builder.apply(instruction);
  }
  return builder.result(step.instruction);
}

/** The stage's base stages, the lowest first, and the stage itself. */
function lineage(plan: Plan, planned: PlannedStage): PlannedStage[] {
  const byStage = new Map(plan.stages.map((each) => [each.stage, each]));
  const stages = [planned];
  for (let { base } = planned; base.kind === "stage";) {
    const next = byStage.get(base.stage);
    if (next === undefined) break;
    stages.unshift(next);
    base = next.base;
  }
  return stages;
}

function systemOf(stages: readonly PlannedStage[], options: ConfigOptions): string {
  const text = stages.find(({ platform }) => platform !== undefined)?.platform ?? options.platform;
  return (text === undefined ? undefined : parsePlatform(text))?.os ?? defaultPlatform.os;
}

async function enter(
  builder: ConfigBuilder,
  plan: Plan,
  { stage, base }: PlannedStage,
  options: ConfigOptions,
  os: string,
): Promise<void> {
  switch (base.kind) {
    case "stage":
      builder.enterOnStage(stage.from, base.stage);
      return;
    case "scratch":
      builder.enterOnImage(stage.from, scratchConfig(os));
      return;
    case "image":
    case "context": {
      const from = plan.steps.find((step) => step.stage === stage);
      if (from === undefined) throw new RangeError(`stage ${stage.label} is not of this plan`);
      builder.enterOnImage(stage.from, await options.base(from));
    }
  }
}
