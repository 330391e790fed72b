import { PassThrough, Writable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";

/** Somewhere to write to, as a program sees its standard output. Escape sequences are taken out of `text`. */
export class Screen extends Writable {
  readonly isTTY: boolean;
  readonly columns = 100;
  readonly rows = 30;
  text = "";
  private seen = 0;

  constructor(isTTY: boolean) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
  }

  override _write(chunk: string | Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk
      .toString()
      .replaceAll(/\x1b(\][^\x07]*\x07|\[[0-?]*[ -/]*[@-~]|[=>78])/g, "")
      .replaceAll("\r", "");
    done();
  }

  /** Waits for text behind what was waited for before. */
  async expect(text: string): Promise<void> {
    for (let turns = 0; turns < 20_000; turns++) {
      const at = this.text.indexOf(text, this.seen);
      if (at >= 0) {
        this.seen = at + text.length;
        return;
      }
      await turn();
    }
    throw new Error(`no ${JSON.stringify(text)} on the screen; since then:\n${this.text.slice(this.seen)}`);
  }

  /** As the type of a standard stream, as far as it is used. */
  get stream(): NodeJS.WriteStream {
    return this as unknown as NodeJS.WriteStream;
  }
}

/** A terminal's keyboard. */
export class Keyboard extends PassThrough {
  readonly isTTY = true;
  isRaw = false;

  setRawMode(raw: boolean): this {
    this.isRaw = raw;
    return this;
  }

  type(keys: string): void {
    this.write(keys);
  }

  get stream(): NodeJS.ReadStream {
    return this as unknown as NodeJS.ReadStream;
  }
}
