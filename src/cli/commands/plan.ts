import { parseBuildArgs, parseBuildContexts, parsePlatformFlag, type BuildFlags } from "../build-flags.js";
import { locate } from "../build-request.js";
import { UsageError } from "../../errors.js";
import { planBuild } from "../../dockerfile/plan.js";
import type { Plan, PlannedStep } from "../../dockerfile/syntax.js";
import { textWidth, truncate } from "../../frontends/terminal/width.js";
import type { CliIo } from "../io.js";

/** `dfdebug plan`: the steps of a target, for people or (--json) as the `plan` object's steps with their dependencies. Needs no engine. */
export async function runPlan(path: string, flags: BuildFlags & { json?: boolean }, io: CliIo): Promise<number> {
  const { dockerfile } = await locate(path, flags.file, io);
  if (!dockerfile)
    throw new UsageError("dfdebug plan reads a Dockerfile of this machine", {
      hint: "Clone or unpack the context, or give the Dockerfile with -f - on standard input.",
    });
  const plan = planBuild(dockerfile, {
    target: flags.target,
    buildArgs: parseBuildArgs(flags.buildArg, io.env),
    platform: parsePlatformFlag(flags.platform),
    namedContexts: new Set(parseBuildContexts(flags.buildContext, io.cwd).keys()),
  });
  const { stdout } = io;
  stdout.write(flags.json ? `${JSON.stringify(planObject(plan))}\n` : planText(plan, stdout.columns || undefined));
  return 0;
}

function planObject(plan: Plan): object {
  return {
    target: plan.target.label,
    file: plan.dockerfile.file,
    steps: plan.steps.map((step) => ({
      number: step.number,
      total: step.total,
      stage: step.stage.label,
      stageStep: step.stageStep,
      instruction: step.instruction.keyword,
      text: step.instruction.text,
      file: plan.dockerfile.file,
      startLine: step.instruction.range.start.line,
      endLine: step.instruction.range.end.line,
      dependsOn: step.dependsOn,
    })),
  };
}

/** Columns of an instruction below which the place in the file is left out. */
const leastText = 12;

/** A line a step; of one that does not fit a terminal's columns the end is left out, for the whole stands in the file. */
function planText(plan: Plan, columns: number | undefined): string {
  const digits = String(plan.steps.length).length;
  return plan.steps
    .map((step) => {
      const number = `${String(step.number).padStart(digits)}/${String(step.total)}`;
      const start = `${number} [${step.stage.label} ${String(step.stageStep)}/${String(step.stageTotal)}]`;
      const line = `(${plan.dockerfile.file}:${String(step.instruction.range.start.line)}${needs(step)})`;
      const text = step.instruction.text.replaceAll(/\s+/g, " ");
      const room = columns === undefined ? undefined : columns - textWidth(start) - textWidth(line) - 3;
      if (room === undefined) return `${start} ${text}  ${line}\n`;
      if (room >= leastText) return `${start} ${truncate(text, room)}  ${line}\n`;
      return `${truncate(`${start} ${text}`, columns ?? 0)}\n`;
    })
    .join("");
}

/** Steps it needs besides the one before it. */
function needs(step: PlannedStep): string {
  const others = step.dependsOn.filter((number) => step.stageStep === 1 || number !== step.number - 1);
  return others.length === 0 ? "" : `, needs ${others.map(String).join(", ")}`;
}
