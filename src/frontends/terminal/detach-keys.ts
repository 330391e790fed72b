import { UsageError } from "../../errors.js";

/**
 * docker's form of a key sequence (moby/term, ascii.go): single characters and `ctrl-` with a letter or one of @ [ \ ] ^ _,
 * separated by commas. Empty: no keys. Throws UsageError.
 */
export function parseDetachKeys(text: string): Buffer {
  if (text === "") return Buffer.alloc(0);
  return Buffer.from(
    text.split(",").map((key) => {
      const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1];
      if (control !== undefined) return control.toUpperCase().charCodeAt(0) - 0x40;
      if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
      throw new UsageError(`--detach-keys ${text}: ${key} is no key`, {
        hint: "As docker's: ctrl-p,ctrl-q; single characters and ctrl- with a letter, separated by commas.",
      });
    }),
  );
}

/** Looks for a key sequence in what is typed. Its beginning is held back until it is known not to be one. */
export class DetachKeys {
  private readonly sequence: Buffer;
  private matched = 0;

  constructor(sequence: Buffer) {
    this.sequence = sequence;
  }

  /** What of the keys is for the program; `detached` where the sequence is complete (what follows it is for nobody). */
  take(keys: Buffer): { pass: Buffer; detached: boolean } {
    const pass: number[] = [];
    for (const key of keys) {
      if (this.sequence.length > 0 && key === this.sequence[this.matched]) {
        this.matched += 1;
        if (this.matched === this.sequence.length) return { pass: Buffer.from(pass), detached: true };
        continue;
      }
      // The held keys were typed for the program; this one may begin the sequence anew.
      pass.push(...this.sequence.subarray(0, this.matched));
      this.matched = 0;
      if (this.sequence.length > 0 && key === this.sequence[0]) this.matched = 1;
      else pass.push(key);
    }
    return { pass: Buffer.from(pass), detached: false };
  }
}
