import { getSystemErrorMap } from "node:util";

/**
 * What is wrong with a standard output that failed with this error, in a line. Undefined where its reader only went away
 * (`dfdebug ... | head`), which is no error.
 */
export function outputLost({ code, errno, message }: NodeJS.ErrnoException): string | undefined {
  if (code === "EPIPE") return undefined;
  const [, reason = message] = getSystemErrorMap().get(errno ?? 0) ?? [];
  return `Standard output cannot be written: ${reason}`;
}
