import { commonPairs } from "../dockerfile/diff.js";
import type { Step } from "../engine/engine.js";

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
