/** What separates the entries that a shell tells of its history. */
const separator = "\x1e";

/**
 * Tells what was run since the last prompt from what a shell says of its history: entries with their numbers in front, the
 * newest last. A paste of several commands, and in ash a command of several lines, is several of them.
 */
export class HistoryReader {
  private lastNumber = -1;
  private lastText = "";

  /** The commands that are new, as one text; undefined where none is. */
  take(history: string): string | undefined {
    const entries = readEntries(history);
    const newest = entries.at(-1);
    if (!newest) return undefined;
    const fresh = entries.filter(({ number }) => number > this.lastNumber);
    // A history that is full counts no further.
    if (fresh.length === 0 && newest.text !== this.lastText) fresh.push(newest);
    this.lastNumber = newest.number;
    this.lastText = newest.text;
    const text = fresh.map((entry) => entry.text).join("\n");
    return text.trim() === "" ? undefined : text;
  }
}

function readEntries(history: string): { readonly number: number; readonly text: string }[] {
  // bash writes the separator behind the number, ash behind the text.
  const parts =
    history.includes(separator) && /^\s*\d+\*?\s+\x1e/.test(history)
      ? history.split(/\n?(?=[ \t]*\d+\*?[ \t]+\x1e)/)
      : history.split(separator);
  return parts.flatMap((part) => {
    const match = /^\s*(\d+)\*?\s+\x1e?(.*)$/s.exec(part);
    return match ? [{ number: Number(match[1]), text: (match[2] ?? "").trimEnd() }] : [];
  });
}
