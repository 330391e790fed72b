import { Writable } from "node:stream";
import { writeAll } from "../../write-all.js";
import { LineSanitizer } from "./sanitize.js";
import { detectStyle, type Environment } from "./style.js";

/** Longer lines than this are cut on a terminal; what is piped is never changed. */
const maxLine = 1024 * 1024;

/** A terminal for untrusted output: whole lines, colours kept where they are wanted, all other control sequences taken out. */
export class SanitizedOutput extends Writable {
  private readonly target: NodeJS.WriteStream;
  private readonly sanitizer: LineSanitizer;

  constructor(target: NodeJS.WriteStream, env: Environment) {
    super();
    this.target = target;
    this.sanitizer = new LineSanitizer({ colour: detectStyle(target, env).colour, maxLine });
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.pass(this.sanitizer.push(chunk), done);
  }

  /** The last line where it has no end. */
  override _final(done: (error?: Error) => void): void {
    this.pass(this.sanitizer.end(), done);
  }

  private pass(lines: readonly string[], done: (error?: Error) => void): void {
    if (lines.length === 0) done();
    else void writeAll(this.target, `${lines.join("\n")}\n`).then(() => done());
  }
}

/** Where a container's output goes: untouched to a file or a pipe, made harmless on a terminal. */
export function outputFor(target: NodeJS.WriteStream, env: Environment): Writable {
  return target.isTTY ? new SanitizedOutput(target, env) : target;
}

/** What a terminal still has to be shown of a last line without an end. */
export async function finishOutput(output: Writable): Promise<void> {
  if (!(output instanceof SanitizedOutput)) return;
  await new Promise<void>((resolve) => output.end(resolve));
}
