import { CancelledError, DfdebugError } from "../../errors.js";
import type { DebugSession } from "../session.js";
import type { SessionResult, StoppedState } from "../state.js";
import type { CommandIo } from "./io.js";
import { settleFix } from "./movement.js";
import { executeLine, findCommand, words } from "./table.js";

/** A line of commands, or why there is none. */
export type CommandLine =
  /** One that may not fail ends, with its error, the script that it stands in. */
  | { readonly kind: "line"; readonly text: string; readonly mayFail: boolean }
  /** Ctrl-C at the prompt: nothing is run. */
  | { readonly kind: "interrupt" }
  /** Ctrl-D: the person wants to leave. */
  | { readonly kind: "leave" }
  /** No more commands will come. */
  | { readonly kind: "end" };

/**
 * Waits for a change of what is built; `known` is the Dockerfile's text in the file as the session knows it. Rejects with
 * CancelledError when it is interrupted.
 */
export type Watch = (
  signal: AbortSignal,
  known: string,
) => Promise<{ readonly dockerfile: string; readonly contextChanged: boolean }>;

export interface LoopOptions {
  readonly entry: boolean;
  readonly io: CommandIo;
  /** What interrupts the next command; asked for each. */
  signal(): AbortSignal | undefined;
  /** Commands, one at a time. Resolves, with whatever, when the session is lost. */
  next(stopped: StoppedState): Promise<CommandLine>;
  /** `--watch`: resolves with what changed on disk; commands are asked for where it is interrupted. */
  readonly watch: Watch | undefined;
  /** Told when a command begins that somebody waits for, and when it has ended. */
  atWork?(isAtWork: boolean): void;
  /** A command that may not fail has failed: gives what ends the session, undefined where somebody else goes on. */
  scriptFailed?(command: string, error: DfdebugError): Promise<DfdebugError | undefined>;
  /** Shows a stop, and does what is to be done there without being asked. */
  atStop(stopped: StoppedState): Promise<void>;
}

/**
 * Runs a session to its end: at each stop it is shown, then commands are read and run. Where no commands are left the build
 * goes on, and ends at a failure. Resolves with how it ended; rejects with what ended it.
 */
export async function runCommandLoop(session: DebugSession, options: LoopOptions): Promise<SessionResult> {
  const { io } = options;
  let shown: StoppedState | undefined;
  let repeated = "";
  await session.start({ entry: options.entry });
  for (;;) {
    const stopped = session.state;
    if (stopped.kind === "ended") {
      // Whatever way it was built: a change that works is not lost where somebody can say what becomes of it.
      if (stopped.result.status === "built" && io.interactive) await settleFix({ session, io });
      return stopped.result;
    }
    if (stopped.kind !== "stopped") return session.terminate();
    if (stopped !== shown) {
      shown = stopped;
      await options.atStop(stopped);
      if (stopped.reason === "failure") await waitForChange(session, stopped, options);
      continue;
    }
    const line = await options.next(stopped);
    if (session.state !== stopped) continue;
    const context = { session, stopped, io, signal: options.signal() };
    if (line.kind === "line") {
      const text = line.text.trim() === "" ? repeated : line.text.trim();
      if (text === "" || text.startsWith("#")) continue;
      repeated = findCommand(words(text)[0] ?? "")?.repeats ? text : "";
      options.atWork?.(true);
      const failed = await executeLine(context, text).finally(() => options.atWork?.(false));
      const final = failed && !line.mayFail ? await options.scriptFailed?.(text, failed) : undefined;
      if (final) {
        // The session ends with the failed step, not with this.
        if (stopped.reason === "failure") await io.error(final);
        await session.terminate(final);
      }
    } else if (line.kind === "leave") await executeLine(context, "quit");
    else if (line.kind === "end") {
      if (stopped.reason === "failure") await session.terminate();
      else await session.continue();
    }
  }
}

/** At a failure: waits for a change on disk and goes on with it; a Dockerfile that cannot be read is shown, and waited on. */
async function waitForChange(session: DebugSession, stopped: StoppedState, options: LoopOptions): Promise<void> {
  const { watch, io } = options;
  let contextChanged = false;
  while (watch && session.state === stopped) {
    await io.print("Waiting for a change of the Dockerfile or the context (Ctrl-C: no longer)");
    try {
      const change = await watch(options.signal() ?? new AbortController().signal, session.fileSource);
      // A change of the context counts until a Dockerfile that can be read goes with it.
      contextChanged ||= change.contextChanged;
      await session.reload(change.dockerfile, { contextChanged });
    } catch (error) {
      if (error instanceof CancelledError && session.state === stopped) return;
      if (!(error instanceof DfdebugError) || session.state !== stopped) throw error;
      await io.error(error);
    }
  }
}
