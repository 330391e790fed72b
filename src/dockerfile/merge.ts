import { commonPairs, physicalLines } from "./diff.js";

/** A text with the changes of two others in it. */
export interface Merged {
  readonly text: string;
  /** Both changed the same lines, in different ways: those of `ours` are in the text. */
  readonly conflicts: boolean;
}

/**
 * Takes what `ours` changed of `base` over to `theirs`, which has changes of its own: by lines, as `git merge-file --ours`
 * does. Changes in lines next to each other are conflicts, too.
 */
export function mergeTexts(base: string, ours: string, theirs: string): Merged {
  const [old, left, right] = [base, ours, theirs].map(physicalLines) as [string[], string[], string[]];
  const [leftOf, rightOf] = [left, right].map((lines) => new Map(commonPairs(old, lines))) as [
    Map<number, number>,
    Map<number, number>,
  ];
  let text = "";
  let conflicts = false;
  let at = { old: 0, left: 0, right: 0 };
  for (let line = 0; line <= old.length; line++) {
    const isEnd = line === old.length;
    const next = {
      old: line,
      left: isEnd ? left.length : leftOf.get(line),
      right: isEnd ? right.length : rightOf.get(line),
    };
    // Up to the next line that all three have.
    if (next.left === undefined || next.right === undefined) continue;
    const [was, one, other] = [
      old.slice(at.old, line).join(""),
      left.slice(at.left, next.left).join(""),
      right.slice(at.right, next.right).join(""),
    ];
    if (one !== was && other !== was && one !== other) conflicts = true;
    text += one === was ? other : one;
    text += old[line] ?? "";
    at = { old: line + 1, left: next.left + 1, right: next.right + 1 };
  }
  return { text, conflicts };
}
