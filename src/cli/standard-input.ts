import { fstatSync, statSync } from "node:fs";
import { Readable } from "node:stream";
import { ReadStream } from "node:tty";
import { LendingSocket } from "../docker/lending-socket.js";
import type { CliIo } from "./io.js";

let input: CliIo["stdin"] | undefined;

/** This process's standard input, as process.stdin; a pipe lends what it reads. Nothing is read until it is wanted. */
export function standardInput(): CliIo["stdin"] {
  return (input ??= open() ?? process.stdin);
}

/** The terminal that standard input is, once more, where the stream that read it was destroyed. */
export function reopenTerminal(): CliIo["stdin"] {
  return new ReadStream(0);
}

function open(): CliIo["stdin"] | undefined {
  try {
    const status = fstatSync(0);
    // A terminal's members that it lacks are those that process.stdin has not for a pipe, either.
    if (status.isFIFO() || status.isSocket()) return new LendingSocket({ fd: 0 }) as unknown as CliIo["stdin"];
    // As a script in CI has it. What process.stdin reads files with takes 5 ms to load.
    if (status.isCharacterDevice() && status.rdev === statSync("/dev/null").rdev)
      return Readable.from([]) as unknown as CliIo["stdin"];
  } catch {
    // Closed, or a kind that process.stdin has an answer for.
  }
  return undefined;
}
