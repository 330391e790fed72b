/** How many edits make one word of the other, or `limit` where it takes at least that many. */
function distance(left: string, right: string, limit: number): number {
  if (Math.abs(left.length - right.length) >= limit) return limit;
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    let best = row;
    for (let column = 1; column <= right.length; column++) {
      const replaced = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1);
      const cost = Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1);
      current.push(cost);
      best = Math.min(best, cost);
    }
    if (best >= limit) return limit;
    previous = current;
  }
  return Math.min(limit, previous[right.length] ?? limit);
}

/**
 * The option that is most like `word` (upper and lower case alike), or undefined: one edit away, or two where both begin alike,
 * for people seldom mistype the first letter.
 */
export function nearest(word: string, options: Iterable<string>): string | undefined {
  let match: string | undefined;
  let least = 3;
  const wanted = word.toLowerCase();
  for (const option of options) {
    const edits = distance(wanted, option.toLowerCase(), least);
    const isLike = edits < 2 || wanted[0] === option[0]?.toLowerCase();
    if (edits < least && isLike) {
      match = option;
      least = edits;
    }
  }
  return match;
}
