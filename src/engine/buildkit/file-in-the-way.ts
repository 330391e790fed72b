import { posix } from "node:path";
import type { Ref, Step, StepFinding } from "../engine.js";
import type { FileAction } from "./gen/ops.js";
import type { FailedStep } from "./step-findings.js";

/** A WORKDIR, COPY or ADD that needs a folder where a file is: which one, and which step made it. */
export async function fileInTheWay(failed: FailedStep, words: string): Promise<StepFinding | undefined> {
  const { step, planned, signal } = failed;
  const op = planned.place(step).vertex?.op.op;
  // The kernel's ENOTDIR comes as words, and so does fsutil's own refusal.
  if (op?.$case !== "file" || !/not a directory|non-directory/.test(words)) return undefined;
  try {
    const before = await stateBefore(failed, step);
    for (const target of op.value.actions.flatMap(targetOf)) {
      const path = await firstFile(before, target, signal);
      if (path === undefined) continue;
      const { keyword } = step.instruction;
      return {
        message: `${path} is a file, and ${keyword} needs a folder there`,
        cause: [await origin(failed, path)],
        advice: [
          keyword === "WORKDIR"
            ? "Name another folder, or remove the file in a RUN before."
            : "Write another destination, or remove the file in a RUN before.",
        ],
      };
    }
  } catch {
    // It is not there, or the state cannot be read.
  }
  return fileMadeFirst(step, words);
}

/** Several sources and no slash behind the destination: the first file became the destination, and a folder came next. */
function fileMadeFirst({ instruction }: Step, words: string): StepFinding | undefined {
  const { keyword, args, json } = instruction;
  const destination = json?.at(-1) ?? args.at(-1)?.text ?? "";
  if (!/cannot copy to non-directory/.test(words) || destination.endsWith("/")) return undefined;
  return {
    message: `${destination} became a file, and a folder cannot be copied to it`,
    cause: [`Without a slash at its end, ${destination} is the name of the first file that ${keyword} writes.`],
    advice: [`Write ${destination}/ for a folder that takes all sources.`],
  };
}

/** Where a file action writes to: absolute, variables expanded. */
function targetOf({ action }: FileAction): string[] {
  if (action?.$case === "mkdir") return [action.value.path];
  return action?.$case === "copy" ? [action.value.dest] : [];
}

/** The first part of a path that is there and no folder. Symlinks are followed one time: BuildKit's root is the state's. */
async function firstFile(state: Ref, path: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  let at = "";
  for (const part of path.split("/").filter((one) => one !== "")) {
    at = posix.join(at === "" ? "/" : at, part);
    const { type, linkTarget } = await state.stat(at, signal ? { signal } : {});
    if (type === "symlink" && linkTarget !== undefined) at = posix.resolve(posix.dirname(at), linkTarget);
    else if (type !== "directory") return at;
  }
  return undefined;
}

/** Which step made a file, in a sentence. */
async function origin(failed: FailedStep, path: string): Promise<string> {
  const { planned, step, signal } = failed;
  const { file } = planned.plan.dockerfile;
  const above = planned.steps.filter(({ stage, number }) => stage === step.stage && number < step.number);
  for (const earlier of above.toReversed()) {
    if (earlier.instruction.keyword === "FROM")
      return `It comes from ${earlier.instruction.args[0]?.text ?? "the base image"}, the FROM in ${file}:${String(earlier.instruction.range.start.line)}.`;
    if (!planned.place(earlier).vertex) continue;
    const before = await stateBefore(failed, earlier);
    const wasThere = await before.stat(path, signal ? { signal } : {}).then(
      ({ type }) => type !== "directory",
      () => false,
    );
    if (!wasThere)
      return `Step ${String(earlier.number)} made it, in ${file}:${String(earlier.instruction.range.start.line)}.`;
  }
  return "It was there before this stage's first step.";
}

function stateBefore({ planned, source, signal }: FailedStep, step: Step): Promise<Ref> {
  return planned.state(source, planned.place(step).before, step, "before", signal);
}
