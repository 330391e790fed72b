import { unifiedDiff } from "../../dockerfile/edit.js";
import type { FileChange, FileStat, Ref, Step } from "../../engine/engine.js";
import { UsageError } from "../../errors.js";
import { previousStep } from "../facts.js";
import { formatBytes, formatCount } from "../format.js";
import { positionOf } from "../state.js";
import type { CommandContext, DebuggerCommand } from "./command.js";
import { tone, type Line } from "./io.js";
import { diffLines } from "./movement.js";
import { refuseOptions, stepNamed, takeOption } from "./places.js";

/** Lines of a list of changes; more are counted. */
const listLimit = 200;
/** Files whose changed text is shown, and bytes of each, where no path was given. */
const textFiles = 5;
const textLimit = 256 * 1024;
const textLines = 40;

const usage = "diff [-a] [STEP [STEP]] [PATH...] | diff --dirty [PATH...] | diff --file";

/** What changed: in the filesystem by steps, or in the Dockerfile. */
export const diffCommand: DebuggerCommand = {
  name: "diff",
  aliases: [],
  usage,
  summary: "show what a step, or steps from one to another, changed",
  help: "Without a step: the one before. A (added), M (changed), D (deleted) with sizes, modes and owners, and the lines of text files that changed; folders that are new as a whole are one line, -a lists what is in them. PATHs (absolute) limit it, and show the text of new files, too. --dirty: what the failed step did before it died. --file: the change to the Dockerfile that is not written.",
  completes: ["spec", "path"],
  options: ["-a", "--dirty", "--file"],
  async run(context, args) {
    const all = takeOption(args, "-a");
    const file = takeOption(all.rest, "--file");
    const dirty = takeOption(file.rest, "--dirty");
    refuseOptions("diff", dirty.rest, usage);
    if (file.found) {
      const { fileDifference } = context.session;
      return context.io.print(
        ...(fileDifference ? diffLines(fileDifference.diff) : ["There is no change to the Dockerfile"]),
      );
    }
    const paths = dirty.rest.filter((arg) => arg.startsWith("/") && !/^\/.*\/$/.test(arg));
    const [from, to] = dirty.rest.filter((arg) => !paths.includes(arg));
    const compared = dirty.found ? await failedStep(context) : await builtSteps(context, from, to);
    if (!compared) return context.io.print("No step stands before this one");
    const { before, after, title } = compared;
    const changes = (
      await context.session.build.compare(before, after, context.signal ? { signal: context.signal } : {})
    ).filter(
      ({ path }) => paths.length === 0 || paths.some((wanted) => path === wanted || path.startsWith(`${wanted}/`)),
    );
    if (changes.length === 0) return context.io.print(`${title} changed no file`);
    await context.io.print(tonedTitle(title, changes), ...changeLines(changes, all.found || paths.length > 0));
    return printTexts(context, { before, after, changes, isLimited: paths.length === 0 });
  },
};

interface Compared {
  readonly before: Ref;
  readonly after: Ref;
  readonly title: string;
}

async function failedStep({ session, stopped, signal }: CommandContext): Promise<Compared> {
  const options = signal ? { signal } : {};
  const after = await session.build.dirty(stopped.step, options);
  const before = await session.build.before(stopped.step, options);
  return { before, after, title: `Step ${String(stopped.step.number)} (before it failed)` };
}

async function builtSteps(
  context: CommandContext,
  from: string | undefined,
  to: string | undefined,
): Promise<Compared | undefined> {
  const { session, stopped } = context;
  const first = from === undefined ? previousStep(session.build.steps, positionOf(stopped)) : stepNamed(from, context);
  if (!first) return undefined;
  const last = to === undefined ? first : stepNamed(to, context);
  if (last.number < first.number)
    throw new UsageError(`diff: step ${String(last.number)} stands before step ${String(first.number)}`, {
      hint: usage,
    });
  for (const step of [first, last])
    if (!session.build.isBuilt(step))
      throw new UsageError(`diff: step ${String(step.number)} has not been built yet`, {
        hint: "`until` and `next` run steps.",
      });
  const number = String(first.number);
  const options = context.signal ? { signal: context.signal } : {};
  return {
    before: await session.build.before(first, options),
    after: await session.build.after(last, options),
    title:
      first === last
        ? `Step ${number}`
        : isBuiltOn(last, first, session.build.steps)
          ? `Steps ${number} to ${String(last.number)}`
          : `Step ${String(last.number)} against the state before step ${number}`,
  };
}

/** A step's state is what others made of an earlier one's: it is of the same stage, or of one that this stage is built on. */
function isBuiltOn(step: Step, earlier: Step, steps: readonly Step[]): boolean {
  let current: Step | undefined = step;
  while (current && current.stage !== earlier.stage) {
    const from: Step | undefined = steps[current.number - current.stageStep];
    current = steps[(from?.dependsOn[0] ?? 0) - 1];
  }
  return current !== undefined;
}

function tonedTitle(title: string, changes: readonly FileChange[]): Line {
  const count = (kind: FileChange["kind"]): number => changes.filter((change) => change.kind === kind).length;
  const parts = (["added", "changed", "deleted"] as const).flatMap((kind) =>
    count(kind) > 0 ? [`${String(count(kind))} ${kind}`] : [],
  );
  return [tone("bold", `${title}:`), ` ${parts.join(", ")}`];
}

const letters = { added: "A", changed: "M", deleted: "D" } as const;
const tones = { added: "good", changed: "warn", deleted: "bad" } as const;

/** A line for each change; a folder that came or went as a whole is one line, unless `all`. */
function changeLines(changes: readonly FileChange[], all: boolean): Line[] {
  const lines: Line[] = [];
  let shown = 0;
  for (let index = 0; index < changes.length;) {
    const change = changes[index];
    if (!change) break;
    let next = index + 1;
    const whole = all ? undefined : wholeFolder(changes, index);
    if (whole) next = whole.end;
    if (lines.length < listLimit) {
      const { kind, path } = change;
      lines.push([
        tone(tones[kind], `${letters[kind]} ${path}${isFolder(change) ? "/" : ""}`),
        tone("dim", noted(whole?.note ?? note(change))),
      ]);
      shown += next - index;
    }
    index = next;
  }
  if (shown < changes.length)
    lines.push(dim(`… ${formatCount(changes.length - shown, "more change")}: name a folder to see it`));
  return lines;
}

function noted(text: string): string {
  return text === "" ? "" : `  ${text}`;
}

function dim(text: string): Line {
  return [tone("dim", text)];
}

function isFolder({ before, after }: FileChange): boolean {
  return (after ?? before)?.type === "directory";
}

/** What follows a new (or deleted) folder in the list is in it: how many entries, and where they end. */
function wholeFolder(changes: readonly FileChange[], index: number): { end: number; note: string } | undefined {
  const change = changes[index];
  if (!change || change.kind === "changed" || !isFolder(change)) return undefined;
  let end = index + 1;
  let files = 0;
  let bytes = 0;
  for (; changes[end]?.path.startsWith(`${change.path}/`); end++) {
    const inside = changes[end];
    const stat = inside?.after ?? inside?.before;
    if (stat?.type === "directory") continue;
    files += 1;
    if (stat?.type === "file") bytes += stat.size;
  }
  if (end === index + 1) return undefined;
  return { end, note: `${formatCount(files, "file")}, ${formatBytes(bytes)}` };
}

/** What of an entry is new. */
function note({ before, after }: FileChange): string {
  const stat = after ?? before;
  if (!stat) return "";
  if (!before || !after) return sizeOf(stat);
  const parts: string[] = [];
  if (before.type !== after.type) parts.push(`${before.type} → ${after.type}`);
  if (before.mode !== after.mode) parts.push(`mode ${before.mode.toString(8)} → ${after.mode.toString(8)}`);
  if (before.uid !== after.uid || before.gid !== after.gid)
    parts.push(`owner ${String(before.uid)}:${String(before.gid)} → ${String(after.uid)}:${String(after.gid)}`);
  if (before.linkTarget !== after.linkTarget) parts.push(`-> ${before.linkTarget ?? ""} → ${after.linkTarget ?? ""}`);
  if (after.type === "file")
    parts.push(
      before.size === after.size ? formatBytes(after.size) : `${formatBytes(before.size)} → ${formatBytes(after.size)}`,
    );
  return parts.join(", ");
}

function sizeOf(stat: FileStat): string {
  if (stat.type === "file") return formatBytes(stat.size);
  if (stat.type === "symlink") return `-> ${stat.linkTarget ?? ""}`;
  return stat.type === "directory" ? "" : stat.type;
}

/** The changed lines of text files. */
async function printTexts(
  { io }: CommandContext,
  compared: { before: Ref; after: Ref; changes: readonly FileChange[]; isLimited: boolean },
): Promise<void> {
  let files = 0;
  for (const { kind, path, before, after } of compared.changes) {
    if (kind === "deleted" || (kind === "added" && compared.isLimited)) continue;
    if (after?.type !== "file" || after.size > textLimit || (before?.size ?? 0) > textLimit) continue;
    if (before && before.type !== "file") continue;
    if (compared.isLimited && files === textFiles) return;
    const [old, now] = await Promise.all([before ? textOf(compared.before, path) : "", textOf(compared.after, path)]);
    if (old === undefined || now === undefined || old === now) continue;
    files += 1;
    const lines = diffLines(unifiedDiff(old, now, path));
    const shown = compared.isLimited ? lines.slice(0, textLines) : lines;
    await io.print("", ...shown);
    if (shown.length < lines.length)
      await io.print(dim(`… ${formatCount(lines.length - shown.length, "more line")}: diff ${path}`));
  }
}

/** A file's text; undefined where it is none, or cannot be read. */
async function textOf(state: Ref, path: string): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of state.readFile(path)) {
      if (chunk.includes(0)) return undefined;
      chunks.push(chunk);
    }
  } catch {
    return undefined;
  }
  return Buffer.concat(chunks).toString("utf8");
}
