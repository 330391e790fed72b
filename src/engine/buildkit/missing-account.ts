import { findAccount, type UnknownAccount } from "../../dockerfile/accounts.js";
import type { Instruction } from "../../dockerfile/syntax.js";
import type { Ref, Step, StepFinding } from "../engine.js";
import type { PlannedGraph } from "./planned-graph.js";
import type { FailedStep } from "./step-findings.js";

/** Bytes of /etc/passwd that are looked at, at least. */
const mostRead = 1024 * 1024;

/** Why a RUN has no user to run as: a USER whose name is not in /etc/passwd, or whose group is not in /etc/group. */
export async function missingAccount(failed: FailedStep, words: string): Promise<StepFinding | undefined> {
  // runc's words: BuildKit has no code for it.
  if (!/unable to find (?:user|group) |no matching entries in (?:passwd|group) file/.test(words)) return undefined;
  const { step, planned, source, signal } = failed;
  try {
    const { user } = await planned.configuration(source.solver, step, "before");
    const state = await planned.state(source, planned.place(step).before, step, "before", signal);
    const [passwd, group] = await Promise.all(["/etc/passwd", "/etc/group"].map((path) => textOf(state, path, signal)));
    const account = findAccount(user, passwd ?? "", group ?? "");
    if (!("missing" in account)) return undefined;
    const { missing, name, near } = account;
    const file = missing === "user" ? "passwd" : "group";
    const has = (missing === "user" ? passwd : group) !== undefined;
    return {
      message: `There is no ${missing} "${name}": /etc/${file} ${has ? "does not name it" : "is not there"}`,
      cause: [origin(planned, step, user)],
      advice: [
        ...(near === undefined ? [] : [`Did you mean ${near}?`]),
        !has
          ? `COPY an /etc/${file} in from another stage, or give USER a number.`
          : near === undefined
            ? `Make it before that USER: ${await makingRun(state, account, signal)}; or give USER a number.`
            : `If not, make it before that USER: ${await makingRun(state, account, signal)}`,
      ],
    };
  } catch {
    // The state cannot be read: the engine's own words have to do.
    return undefined;
  }
}

/** Which USER it is, in a sentence. */
function origin({ plan }: PlannedGraph, step: Step, user: string): string {
  const { file } = plan.dockerfile;
  const index = step.stage.instructions.indexOf(step.instruction);
  const own = step.stage.instructions.slice(0, index).findLast(isUser);
  const where = (instruction: Instruction): string => `${file}:${String(instruction.range.start.line)}`;
  if (own) return `${own.text} in ${where(own)} asks for it.`;
  for (let at = plan.stages.find(({ stage }) => stage === step.stage); at?.base.kind === "stage";) {
    const { stage } = at.base;
    const inherited = stage.instructions.findLast(isUser);
    if (inherited) return `${inherited.text} of stage ${stage.label}, in ${where(inherited)}, asks for it.`;
    at = plan.stages.find((one) => one.stage === stage);
  }
  return `The base image's own configuration asks for it: USER ${user}.`;
}

function isUser({ keyword }: Instruction): boolean {
  return keyword === "USER";
}

/** The RUN that makes a user or a group with what this state has for it. */
async function makingRun(
  state: Ref,
  { missing, name }: UnknownAccount,
  signal: AbortSignal | undefined,
): Promise<string> {
  const programs =
    missing === "user"
      ? ([
          ["useradd", "useradd --create-home"],
          ["adduser", "adduser -D"],
        ] as const)
      : ([
          ["groupadd", "groupadd"],
          ["addgroup", "addgroup"],
        ] as const);
  for (const [program, command] of programs)
    for (const folder of ["/usr/sbin", "/sbin", "/usr/bin", "/bin"])
      if (await isThere(state, `${folder}/${program}`, signal)) return `RUN ${command} ${name}`;
  return missing === "user"
    ? `RUN echo '${name}:x:1000:1000::/:/bin/sh' >> /etc/passwd`
    : `RUN echo '${name}:x:1000:' >> /etc/group`;
}

function isThere(state: Ref, path: string, signal: AbortSignal | undefined): Promise<boolean> {
  return state.stat(path, signal ? { signal } : {}).then(
    () => true,
    () => false,
  );
}

/** A small text file's content; undefined where it is not there. */
async function textOf(state: Ref, path: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of state.readFile(path, signal ? { signal } : {})) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= mostRead) break;
    }
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks).toString("utf8");
}
