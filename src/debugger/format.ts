/** `0.1s`, `59.9s`, `1m 04s`, `2h 03m`. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${String(Math.floor(whole / 60))}m ${String(whole % 60).padStart(2, "0")}s`;
  return `${String(Math.floor(whole / 3600))}h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")}m`;
}

/** Bytes as docker prints them: powers of 1000, three significant digits. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit] ?? "B"}`;
}

/** `1 file`, `1,204 files`. */
export function formatCount(count: number, noun: string, plural = `${noun}s`): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? noun : plural}`;
}

/** A plain text in lines of at most `width` columns, broken at blanks where that is possible; `columns` measures a text. */
export function wrap(text: string, width: number, columns = (part: string): number => part.length): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && columns(longer) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}
