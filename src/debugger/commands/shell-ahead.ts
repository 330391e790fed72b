import type { Build, Step } from "../../engine/engine.js";
import { untilAborted } from "../../errors.js";
import { log } from "../../log.js";
import type { SessionEvent, StoppedState } from "../state.js";
import type { InteractiveIo } from "./io.js";
import { startShell, type OpenedShell } from "./open-shell.js";

/**
 * How long a step runs before its shell is started beside it: most steps are shorter, and a container costs what a short step
 * does. The first step that is not in the cache, which is the one that was worked on, gets it as soon as it is sure that it
 * runs: an engine may say of a cached one, too, that it has started. Milliseconds.
 */
const patience = { first: 150, other: 1_000 };

/** One step's shell, started or about to be. */
interface Begun {
  timer: NodeJS.Timeout | undefined;
  opening: Promise<OpenedShell | undefined> | undefined;
}

/**
 * Starts the shell of a step that may fail while the step runs, so that it is there when it does. What is not claimed ends by
 * itself.
 */
export class ShellAhead {
  private readonly build: Build;
  private readonly terminal: InteractiveIo;
  private readonly begun = new Map<Step, Begun>();
  /** The first step that runs, as far as is known. */
  private first: Step | undefined;

  constructor(build: Build, terminal: InteractiveIo) {
    this.build = build;
    this.terminal = terminal;
  }

  /** Follows the session; gets every event of it. */
  take(event: SessionEvent): void {
    if (event.type === "step") {
      if (event.status === "started") this.begin(event.step);
      else if (event.status !== "failed") this.drop(event.step);
    } else if (event.type === "stopped") {
      for (const step of this.begun.keys()) if (step !== event.state.failure?.step) this.drop(step);
    } else if (event.type === "plan" || event.type === "ended") {
      this.drop();
      this.first = undefined;
    }
  }

  /**
   * The shell of the failure that the session stopped at, which is the caller's from then on; undefined where there is none.
   * Rejects with the signal's reason when that comes first.
   */
  async claim({ failure }: StoppedState, signal?: AbortSignal): Promise<OpenedShell | undefined> {
    if (!failure) return undefined;
    const opening = this.begun.get(failure.step)?.opening;
    // A base image's trigger runs on another state than its FROM.
    if (!opening || failure.trigger) {
      this.drop(failure.step);
      return undefined;
    }
    const opened = await untilAborted(opening, signal);
    this.begun.delete(failure.step);
    // It was started without: nobody knew yet whose it was going to be.
    signal?.addEventListener("abort", () => void opened?.container[Symbol.asyncDispose](), { once: true });
    return opened;
  }

  /** Ends what was not claimed: one step's, or all. */
  drop(step?: Step): void {
    if (!step) {
      for (const one of this.begun.keys()) this.drop(one);
      return;
    }
    const begun = this.begun.get(step);
    if (!begun) return;
    this.begun.delete(step);
    clearTimeout(begun.timer);
    if (!begun.opening && this.first === step) this.first = undefined;
    void begun.opening?.then((opened) => opened?.container[Symbol.asyncDispose]());
  }

  private begin(step: Step): void {
    if (step.instruction.keyword !== "RUN" || this.begun.has(step)) return;
    const begun: Begun = { timer: undefined, opening: undefined };
    this.begun.set(step, begun);
    this.first ??= step;
    begun.timer = setTimeout(
      () => {
        begun.opening = this.open(step);
      },
      this.first === step ? patience.first : patience.other,
    );
  }

  /** What cannot be opened now is opened, or fails and is said, when the step has failed. */
  private async open(step: Step): Promise<OpenedShell | undefined> {
    const place = { step, at: "before", dirty: false, outside: false, instruction: step.instruction } as const;
    try {
      const opened = await startShell(this.build, this.terminal, place, { signal: undefined, alongside: true });
      log("session", "shell started ahead", { step: step.number });
      return opened;
    } catch (error) {
      log("session", "no shell ahead", { step: step.number, error: String(error) });
      return undefined;
    }
  }
}
