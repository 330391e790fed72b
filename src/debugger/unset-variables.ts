import { scriptOf } from "../dockerfile/run-command.js";
import { neededVariables, type NeededVariable } from "../dockerfile/shell-variables.js";
import { nearest } from "../dockerfile/suggest.js";
import type { Dockerfile, Instruction } from "../dockerfile/syntax.js";
import type { Build, Step, StepConfiguration, StepFailure } from "../engine/engine.js";
import { errorMessage } from "../errors.js";
import { log } from "../log.js";
import { secretVariables } from "./variables.js";

/** What is to be said of variables that a failed RUN uses and nothing sets. */
export interface UnsetHint {
  readonly text: string;
  /** It is known where the variable was meant to come from. */
  readonly isCertain: boolean;
}

/** What a shell, or the engine at each RUN, sets itself; and what is as good as never missing. */
const wellKnown =
  /^(?:HOME|PATH|PWD|OLDPWD|USER|LOGNAME|SHELL|TERM|HOSTNAME|IFS|PS[0-4]|OPT(?:ARG|IND|ERR)|PPID|RANDOM|SRANDOM|SECONDS|LINENO|E?UID|GROUPS|FUNCNAME|PIPESTATUS|REPLY|SHLVL|SHELLOPTS|MACHTYPE|HOSTTYPE|OSTYPE|LANG|LANGUAGE|LC_\w+|TZ|TMPDIR|DIRSTACK|COLUMNS|LINES|EPOCH\w+|COPROC|MAPFILE|READLINE_\w+|COMP_\w+|BASH\w*|ZSH_\w+|KSH_\w+|ENV|CDPATH|MAIL|EDITOR|VISUAL|PAGER|DEBIAN_FRONTEND|SSH_AUTH_SOCK|SOURCE_DATE_EPOCH|(?:http|https|ftp|no|all)_proxy|(?:HTTP|HTTPS|FTP|NO|ALL)_PROXY)$/;

const platform = /^(?:TARGET|BUILD)(?:PLATFORM|OS|OSVERSION|ARCH|VARIANT)$|^TARGETSTAGE$/;

/** The hint for a step that failed with an exit code; undefined where every variable is set, or nothing can be told. */
export async function unsetHint(build: Build, failure: StepFailure): Promise<UnsetHint | undefined> {
  const { step, trigger, exitCode } = failure;
  const { instruction } = step;
  if (instruction.keyword !== "RUN" || trigger || exitCode === undefined) return undefined;
  try {
    const script = scriptOf(instruction);
    const needed = script === undefined ? [] : neededVariables(script).filter(({ name }) => !wellKnown.test(name));
    if (needed.length === 0) return undefined;
    const at = await build.configuration(step, "before");
    if (!/(?:^|\/)(?:ba|da|a|z|k|mk)?sh$/.test(at.shell[0] ?? "")) return undefined;
    return hintFor(needed, { step, at, dockerfile: build.dockerfile });
  } catch (error) {
    log("advice", "which variables are set could not be found out", { error: errorMessage(error) });
    return undefined;
  }
}

interface Place {
  readonly step: Step;
  readonly at: StepConfiguration;
  readonly dockerfile: Dockerfile;
}

/** As `unsetHint`, of the variables that a script needs. */
export function hintFor(needed: readonly NeededVariable[], place: Place): UnsetHint | undefined {
  const { at, step } = place;
  // An ARG without a value is there to be left out.
  const known = new Set([
    ...at.runEnv.map((entry) => entry.replace(/=.*$/s, "")),
    ...at.args.map(({ name }) => name),
    ...secretVariables(step),
  ]);
  const unset = needed.filter(({ name }) => !known.has(name));
  for (const { name } of unset) {
    const why = elsewhere(name, place);
    if (why !== undefined) return { text: `${name} is not set here: ${why}`, isCertain: true };
  }
  const plain = unset.filter(({ isTested }) => !isTested).map(({ name }) => name);
  for (const name of plain) {
    const near = nearest(name, known);
    if (near !== undefined) return { text: `${name} is not set here; did you mean ${near}?`, isCertain: true };
  }
  if (plain.length === 0) return undefined;
  const verb = plain.length === 1 ? "is" : "are";
  return {
    text: `${plain.slice(0, 3).join(", ")} ${verb} not set here: no ENV, no ARG and nothing in this RUN sets ${plain.length === 1 ? "it" : "them"}.`,
    isCertain: false,
  };
}

/** Where a variable is set that is not set at the step, and what brings it there. */
function elsewhere(name: string, { step, dockerfile }: Place): string | undefined {
  const { file, globalArgs, stages } = dockerfile;
  if (globalArgs.some((arg) => declares(arg, name)))
    return `its ARG stands before the first FROM. ARG ${name} in this stage brings it in.`;
  if (platform.test(name)) return `ARG ${name} in this stage brings it in.`;
  for (const { instructions, index, label } of stages) {
    const found = instructions.find((one) => /^(?:ARG|ENV)$/.test(one.keyword) && declares(one, name));
    if (!found) continue;
    const line = `${file}:${String(found.range.start.line)}`;
    return index === step.stage.index
      ? `it is set only behind this step, at ${line}.`
      : `it is set in stage ${label}, at ${line}, and stages do not share variables.`;
  }
  return undefined;
}

function declares({ args }: Instruction, name: string): boolean {
  return args.some(({ text }) => text.split(/[=\s]/, 1)[0] === name);
}
