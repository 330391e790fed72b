import type { ReadStream } from "node:tty";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { HeldKeyboard, type KeySignal } from "../../../../src/frontends/terminal/held-keyboard.js";
import { RawTerminal } from "../../../../src/frontends/terminal/raw-terminal.js";
import { Keyboard, Screen } from "../../../support/screen.js";

/** A keyboard that is held, and what became of what was done with it. */
class Held {
  readonly keyboards = [new Keyboard()];
  readonly done: string[] = [];
  readonly terminal: RawTerminal;
  readonly held: HeldKeyboard;

  constructor() {
    const reopen = (): ReadStream => {
      this.keyboards.push(new Keyboard());
      return this.keyboard.stream;
    };
    this.terminal = new RawTerminal(this.keyboard.stream, new Screen(true).stream, reopen);
    this.held = new HeldKeyboard({
      terminal: this.terminal,
      raise: (name: KeySignal) => this.done.push(`${name} ${this.mode}`),
      stopping: () => this.done.push("stopping"),
      continued: () => this.done.push(`continued ${this.mode}`),
    });
  }

  get keyboard(): Keyboard {
    return this.keyboards.at(-1) ?? new Keyboard();
  }

  get mode(): string {
    return this.keyboard.isRaw ? "raw" : "normal";
  }

  /** Types, and waits until it was read. */
  async type(keys: string): Promise<void> {
    this.keyboard.type(keys);
    for (let turns = 0; turns < 3; turns++) await turn();
  }

  /** What a reader gets that enters now, and leaves at once. */
  async read(): Promise<string> {
    let text = "";
    await using _raw = this.terminal.enter((keys) => (text += keys.toString()));
    for (let turns = 0; turns < 3; turns++) await turn();
    return text;
  }
}

describe("a keyboard that is held", () => {
  it("is raw until nobody holds it, whoever reads in between, and has what was typed read next", async () => {
    const held = new Held();
    await held.held.offer();
    expect(held.mode).toBe("raw");
    await held.type("one");
    await held.type("two");
    expect(await held.read()).toBe("onetwo");
    expect(held.mode).toBe("raw");
    await held.type("three");
    expect(await held.read()).toBe("three");
    await held.held[Symbol.asyncDispose]();
    expect(held.mode).toBe("normal");
  });

  it("offers what was typed since it was first offered", async () => {
    const held = new Held();
    held.held.hold();
    await held.type("while it builds\r");
    held.keyboard.type("on its way\r");
    await held.held.offer();
    await held.type("at the prompt\r");
    await held.held.offer();
    expect(await held.read()).toBe("at the prompt\r");
    await held.held[Symbol.asyncDispose]();
  });

  it("takes Enter for the end of a line, and for nothing where there is none", async () => {
    const held = new Held();
    await held.held.offer();
    await held.type("\r");
    await held.type("\r\r");
    expect(await held.read()).toBe("");
    for (const key of ["n", "\r", "\r", "next\rnext\r", "\r"]) await held.type(key);
    expect(await held.read()).toBe("n\rnext\rnext\r");
    await held.held[Symbol.asyncDispose]();
  });

  it("raises what Ctrl-C stands for, and forgets what was typed before", async () => {
    const held = new Held();
    await held.held.offer();
    await held.type("before");
    await held.type("x\x03\x03behind");
    expect(held.done).toEqual(["INT raw", "INT raw"]);
    expect(await held.read()).toBe("behind");
    // Who reads has Ctrl-C as a key.
    await held.type("\x03");
    expect(held.done).toHaveLength(3);
    await held.held[Symbol.asyncDispose]();
  });

  it("leaves the terminal normal to whom Ctrl-Z or Ctrl-\\ gives it, and has it again behind that", async () => {
    const held = new Held();
    await held.held.offer();
    const [first] = held.keyboards;
    await held.type("before\x1a");
    expect(held.done).toEqual(["stopping", "TSTP normal", "continued raw"]);
    // Node would put it back once more at the end, from the background.
    expect(first?.destroyed).toBe(true);
    expect(held.terminal.ended).toBe(false);
    await held.type("behind");
    expect(await held.read()).toBe("behind");
    await held.type("\x1c");
    expect(held.done.slice(3)).toEqual(["QUIT normal", "continued raw"]);
    await held.held[Symbol.asyncDispose]();
    expect(held.mode).toBe("normal");
  });

  it("is set again when the job goes on, for a shell has put it back", async () => {
    const held = new Held();
    await held.held.offer();
    held.keyboard.isRaw = false;
    process.emit("SIGCONT");
    expect(held.done).toEqual(["continued raw"]);
    await held.type("typed");
    expect(await held.read()).toBe("typed");
    await held.held[Symbol.asyncDispose]();
    process.emit("SIGCONT");
    expect(held.done).toHaveLength(1);
  });

  it("is lent to another program, normal and not read", async () => {
    const held = new Held();
    await held.held.offer();
    await held.terminal.lend(async () => {
      expect(held.mode).toBe("normal");
      expect(held.keyboard.isPaused()).toBe(true);
    });
    expect(held.mode).toBe("raw");
    await held.held[Symbol.asyncDispose]();
  });

  it("is not touched where everything is over at once", async () => {
    const held = new Held();
    held.held.holdSoon();
    await held.held[Symbol.asyncDispose]();
    await turn();
    expect(held.mode).toBe("normal");
  });
});
