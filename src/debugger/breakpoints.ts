import { commonPairs } from "../dockerfile/diff.js";
import type { Step } from "../engine/engine.js";
import { SessionStateError } from "../errors.js";
import { parseCondition, type Condition } from "./condition.js";
import { matchSpec, parseSpec, type ParsedSpec, type SpecPlan } from "./spec.js";

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

  at(position: number): readonly { readonly breakpoint: Breakpoint; readonly test: Condition | undefined }[] {
    return this.entries
      .filter(({ positions }) => positions.includes(position))
      .map((entry) => ({ breakpoint: entry, test: entry.test }));
  }

  /** Counts a stop; a temporary breakpoint is gone then. */
  hit(breakpoint: Breakpoint): void {
    const entry = this.entry(breakpoint.id);
    entry.hits += 1;
    if (entry.temporary) this.remove(entry.id);
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

/** New numbers of steps by their old ones; steps that are gone are not in it. */
export type StepMoves = ReadonlyMap<number, number>;

/** Which step of a new plan is which of the old one: by stage, and in it by the instructions' texts. */
export function stepMoves(old: readonly Step[], next: readonly Step[]): StepMoves {
  const moves = new Map<number, number>();
  const stages = groupByStage(next);
  for (const [label, before] of groupByStage(old)) {
    const after = stages.get(label) ?? [];
    const text = ({ instruction }: Step): string => instruction.source;
    let left = 0;
    let right = 0;
    for (const [nextLeft, nextRight] of [
      ...commonPairs(before.map(text), after.map(text)),
      [before.length, after.length] as const,
    ]) {
      // Between two instructions that stayed: one for one, as far as there are as many.
      if (nextLeft - left === nextRight - right)
        for (let index = 0; left + index < nextLeft; index++) move(before[left + index], after[right + index]);
      else pairByKeyword(before.slice(left, nextLeft), after.slice(right, nextRight), move);
      move(before[nextLeft], after[nextRight]);
      left = nextLeft + 1;
      right = nextRight + 1;
    }
  }
  return moves;

  function move(from: Step | undefined, to: Step | undefined): void {
    if (from && to) moves.set(from.number, to.number);
  }
}

/** Changed instructions among added or removed ones: each with the one of its kind that is most like it, in order. */
function pairByKeyword(before: readonly Step[], after: readonly Step[], move: (from: Step, to: Step) => void): void {
  let from = 0;
  for (const step of before) {
    const like = after
      .map((other, index) => ({ other, index, likeness: likeness(step, other) }))
      .filter(({ index, likeness: value }) => index >= from && value > 0)
      .reduce<{ other: Step; index: number; likeness: number } | undefined>(
        (best, one) => (best && best.likeness >= one.likeness ? best : one),
        undefined,
      );
    if (!like) continue;
    move(step, like.other);
    from = like.index + 1;
  }
}

/** How much of two instructions is the same at their beginnings and ends, from 0 (or another keyword) to 1. */
function likeness(left: Step, right: Step): number {
  if (left.instruction.keyword !== right.instruction.keyword) return 0;
  const [one, other] = [left.instruction.text, right.instruction.text];
  const shorter = Math.min(one.length, other.length);
  let head = 0;
  while (head < shorter && one[head] === other[head]) head += 1;
  let tail = 0;
  while (tail < shorter - head && one[one.length - 1 - tail] === other[other.length - 1 - tail]) tail += 1;
  return (head + tail) / Math.max(one.length, other.length);
}

function groupByStage(steps: readonly Step[]): Map<string, Step[]> {
  const stages = new Map<string, Step[]>();
  for (const step of steps) {
    const group = stages.get(step.stage.label);
    if (group) group.push(step);
    else stages.set(step.stage.label, [step]);
  }
  return stages;
}

function matchOrNothing(parsed: ParsedSpec, plan: SpecPlan): readonly number[] {
  try {
    return matchSpec(parsed, plan);
  } catch {
    return [];
  }
}
