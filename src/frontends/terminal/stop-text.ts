import { tone, type Line } from "../../debugger/commands/io.js";
import { sourceLines } from "../../debugger/commands/look.js";
import { changesFiles, summarize } from "../../debugger/changes.js";
import { previousStep } from "../../debugger/facts.js";
import { formatBytes, formatCount } from "../../debugger/format.js";
import type { DebugSession } from "../../debugger/session.js";
import { positionOf, type StoppedState } from "../../debugger/state.js";
import { errorMessage } from "../../errors.js";
import { log } from "../../log.js";
import { stageLabel } from "./step-line.js";
import { textWidth } from "./width.js";

/** Where the session stopped and why, with the source around it; at once, nothing is asked of the engine. */
export function stopLines(session: DebugSession, stopped: StoppedState, width: number): Line[] {
  const { step, at, note, reason } = stopped;
  const { dockerfile } = session.build;
  const number = `${String(step.number)}/${String(step.total)}`;
  const title =
    at === "after" ? `Stopped at the end, behind step ${number}` : `Stopped before step ${number} ${stageLabel(step)}`;
  const why = note ?? (reason === "pause" ? "paused" : undefined);
  const place = `${dockerfile.file}:${String(step.instruction.range.start.line)}${why === undefined ? "" : `, ${why}`}`;
  const gap = Math.min(width, 78) - textWidth(title) - textWidth(place);
  const { range } = step.instruction;
  return [
    "",
    ...(gap < 2 && width < 78
      ? [[tone("bold", title)], place]
      : [[tone("bold", title), " ".repeat(Math.max(2, gap)), place]]),
    ...sourceLines(dockerfile.source, range, { marked: at === "after" ? undefined : range, context: 2, width }),
  ];
}

/** `step 5 changed: +312 files, 4.1 MB under /src`; undefined where the step before could change nothing. */
export async function changeLine(
  session: DebugSession,
  stopped: StoppedState,
  signal: AbortSignal | undefined,
): Promise<Line | undefined> {
  const before = previousStep(session.build.steps, positionOf(stopped));
  if (!before || !changesFiles(before) || !session.build.isBuilt(before)) return undefined;
  const name = `step ${String(before.number)}`;
  try {
    const summary = summarize(await session.changes.of(before, signal ? { signal } : {}));
    if (!summary) return [tone("dim", `  ${name} changed no file`)];
    const { noun, added, changed, deleted, bytes, folder } = summary;
    const parts = [
      ...(added > 0 ? [`+${formatCount(added, noun)}`] : []),
      ...(changed > 0 ? [`~${formatCount(changed, noun)}`] : []),
      ...(deleted > 0 ? [`-${formatCount(deleted, noun)}`] : []),
      ...(bytes > 0 ? [formatBytes(bytes)] : []),
    ];
    return [tone("dim", `  ${name} changed: ${parts.join(", ")} under ${folder}`)];
  } catch (error) {
    log("terminal", "what the step before changed could not be found out", { error: errorMessage(error) });
    return undefined;
  }
}
