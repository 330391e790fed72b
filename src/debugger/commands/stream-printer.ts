import { StringDecoder } from "node:string_decoder";
import { tone, type CommandIo } from "./io.js";

/** Prints a command's output line by line as it comes, both streams in the order they come. */
export class StreamPrinter {
  private readonly io: CommandIo;
  private readonly streams = { stdout: new StreamLines(), stderr: new StreamLines() };
  private printed: Promise<void> = Promise.resolve();

  constructor(io: CommandIo) {
    this.io = io;
  }

  stdout(data: Uint8Array): void {
    this.print(this.streams.stdout.push(data));
  }

  stderr(data: Uint8Array): void {
    this.print(this.streams.stderr.push(data));
  }

  /** Resolves when everything was printed. */
  async end(): Promise<void> {
    this.print(this.streams.stdout.end());
    this.print(this.streams.stderr.end());
    await this.printed;
  }

  private print(lines: readonly string[]): void {
    if (lines.length === 0) return;
    this.printed = this.printed.then(() => this.io.print(...lines.map((text) => [tone("output", text)])));
  }
}

class StreamLines {
  private readonly decoder = new StringDecoder("utf8");
  private rest = "";

  push(data: Uint8Array): string[] {
    const lines = (this.rest + this.decoder.write(Buffer.from(data))).split("\n");
    this.rest = lines.pop() ?? "";
    return lines;
  }

  end(): string[] {
    const rest = this.rest + this.decoder.end();
    this.rest = "";
    return rest === "" ? [] : [rest];
  }
}
