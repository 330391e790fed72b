import { baseName } from "./base-name.js";
import { expansionProblem } from "./check.js";
import { expand, ExpansionError, noVariables } from "./expand.js";
import { expandAt, globalValues, type GlobalOptions } from "./globals.js";
import { mountField, mountFields } from "./mount.js";
import { parsePlatform } from "./platform.js";
import { problem } from "./problem.js";
import { nearest } from "./suggest.js";
import type { Dockerfile, Instruction, Plan, PlannedStage, PlannedStep, Range, Stage, StageBase } from "./syntax.js";

export interface PlanOptions extends GlobalOptions {
  /** Names given with --build-context, as contextName has them. One that is a stage's name takes that stage's place. */
  readonly namedContexts?: ReadonlySet<string> | undefined;
}

/** A stage that another one names, and where it does. */
interface Reference {
  readonly stage: Stage;
  readonly instruction: Instruction;
  readonly range: Range;
}

interface StageDraft extends PlannedStage {
  /** By COPY --from and RUN --mount of its own instructions, in their order. */
  readonly references: readonly Reference[];
  /** By the ONBUILD triggers of its base stage, which run behind its FROM. */
  readonly inherited: readonly Reference[];
}

/**
 * Plans a build: the instructions of the stages that the target needs, in file order, with what each of them needs.
 * The rules are BuildKit's (dockerfile2llb): FROM sees the stages above it by their lower-case names, COPY --from
 * takes a name in any case or a number, a mount's from a name in any case; other names are images. What an image's own
 * ONBUILD triggers need is known only to the engine. Throws DockerfileError; UNKNOWN_TARGET says which stages there are.
 */
export function planBuild(dockerfile: Dockerfile, options: PlanOptions): Plan {
  const globals = globalValues(dockerfile, options);
  const drafts = draftStages(dockerfile, globals, options.namedContexts ?? new Set());
  const target = findTarget(dockerfile, options.target);
  refuseCircles(dockerfile, drafts);
  const needed = reachable(drafts, target);
  const stages = drafts.filter((draft) => needed.has(draft.stage));
  for (const draft of stages) refuseLaterStages(dockerfile, draft);
  const steps = numberSteps(stages);
  for (const step of steps) checkExpansion(dockerfile, step.instruction);
  return {
    dockerfile,
    target,
    steps,
    stages: stages.map(({ stage, base, platform }) => ({ stage, base, platform })),
    globals,
  };
}

function draftStages(
  dockerfile: Dockerfile,
  globals: ReadonlyMap<string, string>,
  namedContexts: ReadonlySet<string>,
): StageDraft[] {
  const all = new Map(dockerfile.stages.flatMap((stage) => (stage.name === undefined ? [] : [[stage.name, stage]])));
  const above = new Map<string, Stage>();
  return dockerfile.stages.map((stage) => {
    const base = stageBase(dockerfile, stage, globals, above, namedContexts);
    const platform = stagePlatform(dockerfile, stage, globals);
    if (stage.name !== undefined) above.set(stage.name, stage);
    const triggers = base.kind === "stage" ? base.stage.instructions.flatMap(({ trigger }) => trigger ?? []) : [];
    return {
      stage,
      base,
      platform,
      references: stage.instructions.flatMap((instruction) => references(dockerfile, instruction, all)),
      inherited: triggers.flatMap((trigger) => references(dockerfile, trigger, all)),
    };
  });
}

function stageBase(
  dockerfile: Dockerfile,
  stage: Stage,
  globals: ReadonlyMap<string, string>,
  above: ReadonlyMap<string, Stage>,
  contexts: ReadonlySet<string>,
): StageBase {
  const name = baseName(dockerfile, stage, globals);
  if (stage.name !== undefined && contexts.has(stage.name) && !["scratch", "context"].includes(stage.name)) {
    return { kind: "context", name: stage.name };
  }
  const base = above.get(name);
  if (base !== undefined) return { kind: "stage", stage: base };
  return name === "scratch" ? { kind: "scratch" } : { kind: "image", name };
}

function stagePlatform(dockerfile: Dockerfile, stage: Stage, globals: ReadonlyMap<string, string>): string | undefined {
  const flag = stage.from.flags.find(({ name }) => name === "platform");
  if (flag?.value === undefined || flag.value === "") return undefined;
  const platform = expandAt(dockerfile, flag.value, globals, flag.range);
  if (parsePlatform(platform) !== undefined) return platform;
  throw problem(
    dockerfile,
    "BAD_PLATFORM",
    `the platform ${flag.value} ${platform === "" ? "expands to nothing" : "cannot be read"}`,
    flag.range,
    "Write it like linux/amd64 or linux/arm64, or use $BUILDPLATFORM or $TARGETPLATFORM.",
  );
}

/** The stages that one instruction reads: COPY --from and RUN --mount. */
function references(dockerfile: Dockerfile, instruction: Instruction, stages: ReadonlyMap<string, Stage>): Reference[] {
  if (instruction.keyword === "RUN") {
    return instruction.flags.flatMap((flag) => {
      if (flag.name !== "mount" || flag.value === undefined) return [];
      const stage = stages.get(mountField(mountFields(flag.value) ?? [], "from")?.toLowerCase() ?? "");
      return stage === undefined ? [] : [{ stage, instruction, range: flag.range }];
    });
  }
  if (instruction.keyword !== "COPY") return [];
  const flag = instruction.flags.find(({ name }) => name === "from");
  const from = flag?.value;
  if (flag === undefined || from === undefined || from === "") return [];
  if (expandAt(dockerfile, from, noVariables, flag.range) !== from) {
    throw problem(
      dockerfile,
      "VARIABLE_IN_FROM",
      `--from takes no variables: ${from}`,
      flag.range,
      `Name a stage for it (FROM ${from} AS name) and copy from that.`,
    );
  }
  let stage = stages.get(from.toLowerCase());
  if (/^[+-]?\d+$/.test(from)) {
    stage = dockerfile.stages[Number(from)];
    if (stage === undefined) {
      const last = dockerfile.stages.length - 1;
      throw problem(
        dockerfile,
        "UNKNOWN_STAGE",
        `there is no stage ${from}`,
        flag.range,
        last === 0 ? "The only stage has the number 0." : `Stages are numbered from 0 to ${String(last)}.`,
      );
    }
  }
  return stage === undefined ? [] : [{ stage, instruction, range: flag.range }];
}

function findTarget(dockerfile: Dockerfile, name: string | undefined): Stage {
  const target =
    name === undefined || name === ""
      ? dockerfile.stages.at(-1)
      : dockerfile.stages.findLast((stage) => stage.name === name.toLowerCase());
  if (target !== undefined) return target;
  const names = dockerfile.stages.flatMap((stage) => stage.name ?? []);
  const like = nearest(name ?? "", names);
  throw problem(
    dockerfile,
    "UNKNOWN_TARGET",
    `${dockerfile.file} has no stage "${name ?? ""}"${like === undefined ? "" : `: did you mean "${like}"?`}`,
    undefined,
    names.length === 0
      ? "None of its stages has a name: give one with FROM image AS name, or leave --target away."
      : `Its stages: ${names.join(", ")}.`,
  );
}

/** Stages that read each other in a circle are an error wherever they are (the bases of FROM cannot make one). */
function refuseCircles(dockerfile: Dockerfile, drafts: readonly StageDraft[]): void {
  const readers = new Map<Stage, Stage[]>();
  const waiting = new Map<Stage, number>();
  for (const { stage, references } of drafts) {
    waiting.set(stage, references.length);
    for (const reference of references) {
      const list = readers.get(reference.stage);
      if (list === undefined) readers.set(reference.stage, [stage]);
      else list.push(stage);
    }
  }
  const free = drafts.map(({ stage }) => stage).filter((stage) => waiting.get(stage) === 0);
  for (let stage = free.pop(); stage !== undefined; stage = free.pop()) {
    for (const reader of readers.get(stage) ?? []) {
      const left = (waiting.get(reader) ?? 0) - 1;
      waiting.set(reader, left);
      if (left === 0) free.push(reader);
    }
  }
  for (const { stage, references } of drafts) {
    const later = references.find((reference) => (waiting.get(reference.stage) ?? 0) > 0 && !isAbove(reference, stage));
    if (later === undefined || (waiting.get(stage) ?? 0) === 0) continue;
    throw problem(
      dockerfile,
      "CIRCULAR_STAGES",
      `stage ${stage.label} needs ${later.stage === stage ? "itself" : `${later.stage.label}, which needs it`}`,
      later.range,
      "Move what both need into a stage of its own.",
    );
  }
}

function isAbove(reference: Reference, stage: Stage): boolean {
  return reference.stage.index < stage.index;
}

function refuseLaterStages(dockerfile: Dockerfile, draft: StageDraft): void {
  if (draft.base.kind === "context") return;
  const later = [...draft.inherited, ...draft.references].find((reference) => !isAbove(reference, draft.stage));
  if (later === undefined) return;
  throw problem(
    dockerfile,
    "LATER_STAGE",
    `stage ${draft.stage.label} uses ${later.stage.label}, which is defined further down`,
    later.range,
    `Move the stage ${later.stage.label} above ${draft.stage.label}.`,
  );
}

function reachable(drafts: readonly StageDraft[], target: Stage): Set<Stage> {
  const found = new Set<Stage>([target]);
  for (const stage of found) {
    const draft = drafts[stage.index];
    if (draft === undefined || draft.base.kind === "context") continue;
    if (draft.base.kind === "stage") found.add(draft.base.stage);
    for (const reference of [...draft.inherited, ...draft.references]) found.add(reference.stage);
  }
  return found;
}

function numberSteps(stages: readonly StageDraft[]): PlannedStep[] {
  // The place of a stage that a named context fills is its FROM: nothing else of it runs.
  const instructionsOf = ({ stage, base }: StageDraft): readonly Instruction[] =>
    base.kind === "context" ? [stage.from] : stage.instructions;
  const total = stages.reduce((sum, draft) => sum + instructionsOf(draft).length, 0);
  const lastOf = new Map<Stage, number>();
  const steps: PlannedStep[] = [];
  for (const draft of stages) {
    const instructions = instructionsOf(draft);
    const needs = new Map<Instruction, number[]>();
    const need = (instruction: Instruction, stage: Stage): void => {
      const number = lastOf.get(stage);
      if (number !== undefined) needs.set(instruction, [...(needs.get(instruction) ?? []), number]);
    };
    if (draft.base.kind === "stage") need(draft.stage.from, draft.base.stage);
    if (draft.base.kind !== "context") {
      for (const { stage } of draft.inherited) need(draft.stage.from, stage);
      for (const { stage, instruction } of draft.references) need(instruction, stage);
    }
    instructions.forEach((instruction, index) => {
      const previous = index === 0 ? [] : [steps.length];
      steps.push({
        number: steps.length + 1,
        total,
        stage: draft.stage,
        stageStep: index + 1,
        stageTotal: instructions.length,
        instruction,
        dependsOn: [...new Set([...previous, ...(needs.get(instruction) ?? [])])],
      });
    });
    lastOf.set(draft.stage, steps.length);
  }
  return steps;
}

/** Finds quotes that are not closed and ${...} that cannot be read before anything is built, not in the middle of it. */
function checkExpansion(dockerfile: Dockerfile, instruction: Instruction): void {
  switch (instruction.keyword) {
    case "ADD":
    case "COPY":
    case "ENV":
    case "EXPOSE":
    case "LABEL":
    case "STOPSIGNAL":
    case "USER":
    case "VOLUME":
    case "WORKDIR":
      break;
    // The default of an ARG is never read where --build-arg gives a value, and the others expand nothing.
    default:
      return;
  }
  instruction.args.forEach(({ text, range }, index) => {
    try {
      expand(instruction.json?.[index] ?? text, noVariables, { escape: dockerfile.escape });
    } catch (error) {
      const isWrong = !(error instanceof ExpansionError) || error.code !== "REQUIRED_VARIABLE";
      if (isWrong) throw expansionProblem(dockerfile, error, range);
    }
  });
}
