/** What was killed by the closed pipe of its reader ends with this code, as in a shell. */
export const readerGone = 141;

/** One object of a command's `--json` output, a line (DESIGN.md section 6). `time`: ISO 8601. */
export function jsonLine(type: string, time: string, fields: object): string {
  return `${JSON.stringify({ type, time, ...fields })}\n`;
}
