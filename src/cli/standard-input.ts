import { fstatSync } from "node:fs";
import { ReadStream } from "node:tty";
import { LendingSocket } from "../docker/lending-socket.js";
import type { CliIo } from "./io.js";

let input: CliIo["stdin"] | undefined;

/** This process's standard input, as process.stdin; a pipe lends what it reads. Nothing is read until it is wanted. */
export function standardInput(): CliIo["stdin"] {
  return (input ??= openPipe() ?? process.stdin);
}

/** The terminal that standard input is, once more, where the stream that read it was destroyed. */
export function reopenTerminal(): CliIo["stdin"] {
  return new ReadStream(0);
}

function openPipe(): CliIo["stdin"] | undefined {
  try {
    const status = fstatSync(0);
    // A terminal's members that it lacks are those that process.stdin has not for a pipe, either.
    if (status.isFIFO() || status.isSocket()) return new LendingSocket({ fd: 0 }) as unknown as CliIo["stdin"];
  } catch {
    // Closed, or a kind that process.stdin has an answer for.
  }
  return undefined;
}
