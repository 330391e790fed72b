import { CancelledError, DfdebugError, errorMessage, SessionStateError } from "../errors.js";
import { parseCondition, type Condition, type ConditionFacts } from "./condition.js";
import { matchSpec, parseSpec, type ParsedSpec, type SpecPlan } from "./spec.js";
import type { StepMoves } from "./step-moves.js";

/** A place to stop at. Positions are step numbers, and one more than the last for `end`. */
export interface Breakpoint {
  /** From 1; never used again in its session. */
  readonly id: number;
  /** The SPEC without its condition. */
  readonly text: string;
  readonly condition: string | undefined;
  /** Goes away when it has stopped the build once. */
  readonly temporary: boolean;
  /** Empty when an edit of the Dockerfile took its place away. */
  readonly positions: readonly number[];
  /** How often it stopped the build. */
  readonly hits: number;
}

interface Entry extends Breakpoint {
  readonly parsed: ParsedSpec;
  condition: string | undefined;
  test: Condition | undefined;
  positions: readonly number[];
  hits: number;
}

/** The breakpoints of a session. */
export class Breakpoints {
  private readonly entries: Entry[] = [];
  private lastId = 0;

  /** In the order they were set. */
  get all(): readonly Breakpoint[] {
    return this.entries;
  }

  /** Sets one. Throws UsageError for a SPEC or a condition that cannot be read, or that matches nothing. */
  add(written: string, plan: SpecPlan, options: { temporary?: boolean } = {}): Breakpoint {
    const parsed = parseSpec(written);
    const test = parsed.condition === undefined ? undefined : parseCondition(parsed.condition);
    const positions = matchSpec(parsed, plan);
    this.lastId += 1;
    const entry: Entry = {
      id: this.lastId,
      text: parsed.text,
      condition: parsed.condition,
      temporary: options.temporary === true,
      positions,
      hits: 0,
      parsed,
      test,
    };
    this.entries.push(entry);
    return entry;
  }

  /** Takes one away. Throws SessionStateError where there is none of that id. */
  remove(id: number): Breakpoint {
    const entry = this.entry(id);
    this.entries.splice(this.entries.indexOf(entry), 1);
    return entry;
  }

  clear(): number {
    return this.entries.splice(0).length;
  }

  /** Gives a breakpoint another condition, or none. */
  setCondition(id: number, condition: string | undefined): Breakpoint {
    const entry = this.entry(id);
    entry.test = condition === undefined ? undefined : parseCondition(condition);
    entry.condition = condition;
    return entry;
  }

  /** Positions with a breakpoint from `from` on, in order, each once. */
  positionsFrom(from: number): number[] {
    const positions = this.entries.flatMap((entry) => entry.positions.filter((position) => position >= from));
    return [...new Set(positions)].toSorted((left, right) => left - right);
  }

  /**
   * What stops the build at a position, for people; undefined where no condition holds. It is counted, and gone where it was
   * temporary. A condition that cannot be found out holds; rejects with CancelledError.
   */
  async stopAt(position: number, facts: () => ConditionFacts): Promise<string | undefined> {
    for (const entry of this.entries.filter(({ positions }) => positions.includes(position))) {
      let doubt = "";
      try {
        if (entry.test && !(await entry.test(facts()))) continue;
      } catch (error) {
        if (!(error instanceof DfdebugError) || error instanceof CancelledError) throw error;
        doubt = `, whose condition could not be found out: ${errorMessage(error)}`;
      }
      entry.hits += 1;
      if (entry.temporary) this.remove(entry.id);
      return `${entry.temporary ? "temporary " : ""}breakpoint ${String(entry.id)}${doubt}`;
    }
    return undefined;
  }

  /**
   * Follows an edit of the Dockerfile: a place by number, line or place in a stage stays with its instruction; a place by
   * what an instruction is or says is looked up again.
   */
  rebind(moved: StepMoves, plan: SpecPlan): void {
    for (const entry of this.entries) {
      const { spec } = entry.parsed;
      if (spec.kind === "word" || spec.kind === "text") entry.positions = matchOrNothing(entry.parsed, plan);
      else entry.positions = entry.positions.flatMap((position) => moved.get(position) ?? []);
    }
  }

  private entry(id: number): Entry {
    const entry = this.entries.find((one) => one.id === id);
    if (entry) return entry;
    const ids = this.entries.map((one) => String(one.id)).join(", ");
    throw new SessionStateError(`There is no breakpoint ${String(id)}`, {
      code: "NO_BREAKPOINT",
      hint: ids === "" ? "None is set: break SPEC sets one." : `Breakpoints: ${ids}.`,
    });
  }
}

function matchOrNothing(parsed: ParsedSpec, plan: SpecPlan): readonly number[] {
  try {
    return matchSpec(parsed, plan);
  } catch {
    return [];
  }
}
