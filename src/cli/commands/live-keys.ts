import { RawTerminal } from "../../frontends/terminal/raw-terminal.js";
import type { CliIo } from "../io.js";

/**
 * Reads the keys of a display that goes on until it is left: `q`, Ctrl-D or a closed terminal (0), or Ctrl-C (130). All others
 * are `key`'s. The terminal is raw until the result is disposed.
 */
export function readLiveKeys(
  io: CliIo,
  on: { readonly key?: (key: string) => void; readonly left: (code: number) => void },
): AsyncDisposable {
  return new RawTerminal(io.stdin, io.stdout).enter(
    (pressed) => {
      for (const key of pressed.toString("latin1")) {
        if (key === "q" || key === "Q" || key === "\x04") on.left(0);
        else if (key === "\x03") on.left(130);
        else on.key?.(key);
      }
    },
    () => on.left(0),
  );
}
