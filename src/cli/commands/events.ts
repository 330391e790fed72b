import { engineEvents, eventTime, parseFilters, type EngineEvent, type EventFilters } from "../../docker/events.js";
import type { Containers } from "../../docker/containers.js";
import { parseTimestamp } from "../../docker/timestamps.js";
import { sanitizeLine } from "../../frontends/terminal/sanitize.js";
import { truncate } from "../../frontends/terminal/width.js";
import { detectStyle, type Style } from "../../frontends/terminal/style.js";
import { writeAll } from "../../write-all.js";
import type { CliIo } from "../io.js";
import { jsonLine } from "../output.js";
import type { EngineFlags } from "../program.js";
import { findContainer, untilInterrupted, withContainers } from "./with-containers.js";

export interface EventFlags {
  readonly filter: readonly string[];
  readonly since?: string;
  readonly until?: string;
  readonly json?: boolean;
}

/**
 * `dfdebug events`: what happens in the engine, or to the containers that were named. Resolves with 0 at `--until`, 130 when
 * it was interrupted. Rejects with UsageError or EngineError.
 */
export function runEvents(
  names: readonly string[],
  flags: EventFlags,
  engineFlags: EngineFlags,
  io: CliIo,
): Promise<number> {
  const options = {
    since: flags.since === undefined ? undefined : parseTimestamp(flags.since, "--since"),
    until: flags.until === undefined ? undefined : parseTimestamp(flags.until, "--until"),
    signal: io.signal,
  };
  const wanted = parseFilters(flags.filter);
  return untilInterrupted(io, () =>
    withContainers(engineFlags, io, async (containers) => {
      const filters = await withNames(containers, wanted, names, io);
      const style = detectStyle(io.stdout, io.env);
      const deaths = new Deaths();
      for await (const event of engineEvents(containers.connection, { ...options, filters })) {
        const fact = deaths.take(event);
        if (!(await writeAll(io.stdout, flags.json ? eventJson(fact) : `${eventText(fact, style)}\n`))) break;
      }
      return 0;
    }),
  );
}

/** One that was named and is gone may still be asked for, by its name. */
async function withNames(
  containers: Containers,
  filters: EventFilters,
  names: readonly string[],
  io: CliIo,
): Promise<EventFilters> {
  if (names.length === 0) return filters;
  const found = await Promise.all(names.map((name) => findContainer(containers, name, io)));
  return { ...filters, container: [...(filters["container"] ?? []), ...found.map(({ Id }) => Id)] };
}

/** An event with what follows from those before it. */
export interface EventFact {
  readonly event: EngineEvent;
  /** Of `die` and `exec_die`. */
  readonly exitCode: number | undefined;
  /** Of `die`: the kernel had run out of memory for it in this run. */
  readonly outOfMemory: boolean;
}

/** Remembers which containers ran out of memory: the engine says so before it tells of the end. */
export class Deaths {
  private readonly starved = new Set<string>();

  take(event: EngineEvent): EventFact {
    const { Type, Action, Actor } = event;
    if (Type !== "container") return { event, exitCode: undefined, outOfMemory: false };
    if (Action === "start") this.starved.delete(Actor.ID);
    if (Action === "oom") this.starved.add(Actor.ID);
    const code = Action === "die" || Action === "exec_die" ? Number(Actor.Attributes?.["exitCode"]) : NaN;
    return {
      event,
      exitCode: Number.isInteger(code) ? code : undefined,
      outOfMemory: Action === "die" && this.starved.has(Actor.ID),
    };
  }
}

/** One line for people; what happened is told by name, with the rest of what is worth knowing after it. */
export function eventText(fact: EventFact, style: Style): string {
  const { Type, Action, Actor } = fact.event;
  const { name, ...attributes } = Actor.Attributes ?? {};
  const who = name ?? Actor.ID.slice(0, 19);
  const action = truncate(sanitizeLine(Action), longestAction);
  const details = [
    ...(fact.exitCode === undefined ? [] : [`exit code ${String(fact.exitCode)}`]),
    ...(fact.outOfMemory ? ["out of memory"] : []),
    ...Object.entries(attributes)
      .filter(([key]) => told.has(key))
      .map(([key, value]) => `${key} ${value}`),
  ];
  const rest = details.length > 0 ? `  ${style.dim(sanitizeLine(details.join(", ")))}` : "";
  return `${eventTime(fact.event)}  ${Type} ${fact.exitCode ? style.red(action) : action}  ${sanitizeLine(who)}${rest}`;
}

/** Columns of what happened: an exec's has its whole command, a script of any length. */
const longestAction = 100;

/** Attributes that say what happened; the others are the container's labels. */
const told = new Set([
  "signal",
  "image",
  "container",
  "type",
  "driver",
  "destination",
  "newName",
  "oldName",
  "execDuration",
]);

/** The event as a line of JSON. */
export function eventJson({ event, exitCode, outOfMemory }: EventFact): string {
  const { Type, Action, Actor } = event;
  const attributes = Actor.Attributes ?? {};
  return jsonLine("event", eventTime(event), {
    object: Type,
    action: Action,
    id: Actor.ID,
    ...(attributes["name"] === undefined ? {} : { name: attributes["name"] }),
    ...(exitCode === undefined ? {} : { exitCode }),
    ...(Action === "die" ? { outOfMemory } : {}),
    attributes,
  });
}
