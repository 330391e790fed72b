import { Script } from "../../src/debugger/commands/script.js";

/** Debugger commands as a file (`strict`) or a pipe gives them. */
export function scriptOf(lines: readonly string[], options: { strict?: boolean } = {}): Script {
  async function* each(): AsyncGenerator<string, undefined> {
    yield* lines;
    return undefined;
  }
  return new Script(each(), { name: "commands", strict: options.strict ?? false });
}
