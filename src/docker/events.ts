import { UsageError } from "../errors.js";
import type { DockerConnection } from "./connection.js";
import { follow } from "./follow.js";
import { jsonLines } from "./json-lines.js";

/** What happened in an engine (Docker Engine API, SystemEvents). */
export interface EngineEvent {
  /** `container`, `image`, `network`, `volume`, `daemon`, ... */
  readonly Type: string;
  /** `die`, `start`, `exec_create: sh -c ls`, ... */
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes?: Readonly<Record<string, string>> };
  readonly time: number;
  readonly timeNano: number;
}

/** docker's filters: any of the values of a key, all of the keys. */
export type EventFilters = Readonly<Record<string, readonly string[]>>;

export interface EventOptions {
  readonly filters?: EventFilters | undefined;
  /** `seconds.nanoseconds`; what happened since then comes first, as far as the engine remembers (256 events). */
  readonly since?: string | undefined;
  /** Undefined: it goes on. */
  readonly until?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Rejects with EngineError, or CancelledError when `signal` aborts. */
export function engineEvents(connection: DockerConnection, options: EventOptions): AsyncGenerator<EngineEvent> {
  const { filters = {}, since, until, signal } = options;
  const query = {
    since,
    until,
    filters: Object.keys(filters).length > 0 ? JSON.stringify(filters) : undefined,
  };
  return jsonLines<EngineEvent>(follow(connection, "/events", { query, signal }));
}

/** `--filter key=value`, repeatable, as docker takes it. Throws UsageError. */
export function parseFilters(texts: readonly string[]): Record<string, string[]> {
  const filters: Record<string, string[]> = {};
  for (const text of texts) {
    const at = text.indexOf("=");
    if (at <= 0)
      throw new UsageError(`--filter ${text}: not a filter`, { hint: "It is KEY=VALUE: event=die, container=web." });
    (filters[text.slice(0, at).trim().toLowerCase()] ??= []).push(text.slice(at + 1).trim());
  }
  return filters;
}

/** The event's moment, ISO 8601 with milliseconds. */
export function eventTime(event: EngineEvent): string {
  return new Date(event.timeNano > 0 ? event.timeNano / 1e6 : event.time * 1000).toISOString();
}
