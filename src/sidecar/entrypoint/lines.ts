import { configAt } from "../../dockerfile/config.js";
import type { ImageConfig } from "../../dockerfile/image-config.js";
import { planBuild } from "../../dockerfile/plan.js";
import type { Dockerfile, Plan, PlannedStep, Stage } from "../../dockerfile/syntax.js";
import type { RunInstruction } from "./finding.js";

/** Where the image's values stand in a Dockerfile. */
export interface RunLines {
  readonly file: string;
  readonly stage: string;
  /** Of the instruction that counts; an instruction that is not there has none: the base image has the value. */
  readonly lines: ReadonlyMap<RunInstruction, number>;
}

/** What a Dockerfile's target makes otherwise than the image has it. */
export interface NoLines {
  readonly file: string;
  readonly differs: readonly RunInstruction[];
}

/** The instructions that both have in common. */
export const runInstructions: readonly RunInstruction[] = ["ENTRYPOINT", "CMD", "USER", "WORKDIR"];

export interface LineOptions {
  /** A base image's configuration; undefined where the engine does not have it. */
  readonly base: (image: string) => Promise<ImageConfig | undefined>;
  readonly platform: string | undefined;
}

/**
 * The lines that an image's values come from, of the last stage that yields all four. Rejects with DockerfileError where
 * the Dockerfile is wrong, and with what `base` rejects with.
 */
export async function findRunLines(
  dockerfile: Dockerfile,
  image: ImageConfig,
  options: LineOptions,
): Promise<RunLines | NoLines> {
  let closest: NoLines | undefined;
  // A target is named; only the last stage needs no name.
  const targets = dockerfile.stages.toReversed().flatMap(({ name }, at) => (at === 0 ? [undefined] : (name ?? [])));
  for (const target of targets) {
    const plan = planBuild(dockerfile, { target, buildArgs: new Map(), platform: options.platform });
    const last = plan.steps.findLast((step) => step.stage === plan.target);
    const config = last && (await configOf(plan, last, options));
    // Without its base image, nobody knows what the stage yields.
    const differs = config ? runInstructions.filter((name) => valueOf(config, name) !== valueOf(image, name)) : [];
    if (config && differs.length === 0)
      return { file: dockerfile.file, stage: plan.target.label, lines: linesIn(plan, plan.target) };
    closest ??= { file: dockerfile.file, differs };
  }
  return closest ?? { file: dockerfile.file, differs: [] };
}

async function configOf(plan: Plan, step: PlannedStep, options: LineOptions): Promise<ImageConfig | undefined> {
  let isKnown = true;
  const { config } = await configAt(plan, step, {
    when: "after",
    buildArgs: new Map(),
    platform: options.platform,
    base: async (from) => {
      const base = plan.stages.find(({ stage }) => stage === from.stage)?.base;
      const found = base?.kind === "image" ? await options.base(base.name) : undefined;
      isKnown = found !== undefined;
      return found ?? {};
    },
  });
  return isKnown ? config : undefined;
}

/** One instruction's value, to be compared: what is not set, and what is empty, is one thing to the engine. */
export function valueOf(config: ImageConfig, instruction: RunInstruction): string {
  switch (instruction) {
    case "ENTRYPOINT":
      return JSON.stringify(config.Entrypoint ?? []);
    case "CMD":
      return JSON.stringify(config.Cmd ?? []);
    case "USER":
      return config.User ?? "";
    case "WORKDIR":
      return config.WorkingDir || "/";
  }
}

function linesIn(plan: Plan, target: Stage): Map<RunInstruction, number> {
  const lines = new Map<RunInstruction, number>();
  for (let stage: Stage | undefined = target; stage;) {
    const current: Stage = stage;
    for (const { keyword, range } of [...current.instructions].reverse()) {
      const name = runInstructions.find((each) => each === keyword);
      if (name !== undefined && !lines.has(name)) lines.set(name, range.start.line);
    }
    const base = plan.stages.find((each) => each.stage === current)?.base;
    stage = base?.kind === "stage" ? base.stage : undefined;
  }
  return lines;
}
