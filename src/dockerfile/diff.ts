/** Above this many comparisons the middle of two texts is taken as wholly different. */
const maximumComparisons = 4_000_000;

/** A longest common subsequence: pairs of indexes of equal elements, in order. */
export function commonPairs(left: readonly string[], right: readonly string[]): (readonly [number, number])[] {
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start++;
  let leftEnd = left.length;
  let rightEnd = right.length;
  while (leftEnd > start && rightEnd > start && left[leftEnd - 1] === right[rightEnd - 1]) {
    leftEnd--;
    rightEnd--;
  }
  const pairs: (readonly [number, number])[] = Array.from({ length: start }, (_, index) => [index, index]);
  const rows = leftEnd - start;
  const columns = rightEnd - start;
  if (rows * columns <= maximumComparisons) {
    const width = columns + 1;
    const lengths = new Uint32Array((rows + 1) * width);
    const at = (row: number, column: number): number => lengths[row * width + column] ?? 0;
    for (let row = rows - 1; row >= 0; row--) {
      for (let column = columns - 1; column >= 0; column--) {
        lengths[row * width + column] =
          left[start + row] === right[start + column]
            ? at(row + 1, column + 1) + 1
            : Math.max(at(row + 1, column), at(row, column + 1));
      }
    }
    for (let row = 0, column = 0; row < rows && column < columns;) {
      if (left[start + row] === right[start + column]) pairs.push([start + row++, start + column++]);
      else if (at(row + 1, column) >= at(row, column + 1)) row++;
      else column++;
    }
  }
  for (let index = 0; leftEnd + index < left.length; index++) pairs.push([leftEnd + index, rightEnd + index]);
  return pairs;
}

interface DiffLine {
  readonly sign: " " | "-" | "+";
  readonly text: string;
}

function diffLines(before: readonly string[], after: readonly string[]): DiffLine[] {
  const lines: DiffLine[] = [];
  let left = 0;
  let right = 0;
  for (const [nextLeft, nextRight] of [...commonPairs(before, after), [before.length, after.length] as const]) {
    for (; left < nextLeft; left++) lines.push({ sign: "-", text: before[left] ?? "" });
    for (; right < nextRight; right++) lines.push({ sign: "+", text: after[right] ?? "" });
    if (nextLeft < before.length) lines.push({ sign: " ", text: before[left++] ?? "" });
    right++;
  }
  return lines;
}

/** The lines of a text, each with its line feed; the last may have none. */
export function physicalLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** The difference of two texts as `diff -u` writes it, with three lines around each change; "" where they are equal. */
export function unifiedDiff(before: string, after: string, file: string): string {
  if (before === after) return "";
  const context = 3;
  const lines = diffLines(physicalLines(before), physicalLines(after));
  const changed = lines.flatMap((line, index) => (line.sign === " " ? [] : [index]));
  let text = `--- ${file}\n+++ ${file}\n`;
  let oldLine = 1;
  let newLine = 1;
  let at = 0;
  for (let index = 0; index < changed.length;) {
    const from = Math.max(at, (changed[index] ?? 0) - context);
    let last = changed[index] ?? 0;
    while (index < changed.length && (changed[index] ?? 0) - last <= 2 * context) last = changed[index++] ?? 0;
    const to = Math.min(lines.length, last + context + 1);
    for (; at < from; at++) {
      oldLine++;
      newLine++;
    }
    const hunk = lines.slice(from, to);
    const oldCount = hunk.filter(({ sign }) => sign !== "+").length;
    const newCount = hunk.filter(({ sign }) => sign !== "-").length;
    text += `@@ -${span(oldLine, oldCount)} +${span(newLine, newCount)} @@\n`;
    for (const line of hunk) {
      text += line.sign + line.text + (line.text.endsWith("\n") ? "" : "\n\\ No newline at end of file\n");
    }
    oldLine += oldCount;
    newLine += newCount;
    at = to;
  }
  return text;
}

function span(line: number, count: number): string {
  if (count === 1) return String(line);
  return `${String(count === 0 ? line - 1 : line)},${String(count)}`;
}
