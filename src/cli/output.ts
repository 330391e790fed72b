import type { Writable } from "node:stream";

/** What was killed by the closed pipe of its reader ends with this code, as in a shell. */
export const readerGone = 141;

/** Writes, and waits while the reader is slow. False when nobody reads any more. */
export async function writeAll(stream: Writable, data: string | Uint8Array): Promise<boolean> {
  if (stream.destroyed) return false;
  if (stream.write(data)) return true;
  return new Promise((resolve) => {
    const settle = (isRead: boolean) => (): void => {
      stream.off("drain", drained);
      stream.off("close", gone);
      resolve(isRead);
    };
    const drained = settle(true);
    const gone = settle(false);
    stream.once("drain", drained);
    stream.once("close", gone);
  });
}

/** One object of a command's `--json` output, a line (DESIGN.md section 6). `time`: ISO 8601. */
export function jsonLine(type: string, time: string, fields: object): string {
  return `${JSON.stringify({ type, time, ...fields })}\n`;
}
