/*
 * File names are bytes. Inside the walk a path is a "byte string": one character (0 to 255) for each byte, so that
 * names which are no UTF-8 survive and the order of strings is the order of bytes, which BuildKit insists on.
 */

const beyondAscii = /[^\0-\x7f]/;

/** A byte string for node:fs. */
export function fsPath(path: string): string | Buffer {
  return beyondAscii.test(path) ? Buffer.from(path, "latin1") : path;
}

/** A byte string as text: what people and patterns see. */
export function pathText(path: string): string {
  return beyondAscii.test(path) ? Buffer.from(path, "latin1").toString("utf8") : path;
}

/** Text as a byte string. */
export function bytePath(text: string): string {
  return beyondAscii.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}
