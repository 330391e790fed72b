import { copyInput } from "../../docker/streams.js";
import type { SidecarProcess, SoleProcess } from "../../sidecar/sidecar.js";
import { cancellation } from "../../errors.js";
import type { CliIo } from "../io.js";

/** How a command in a sidecar ended. */
export type Outcome =
  | { readonly kind: "code"; readonly code: number }
  /** The user ended the session at the prompt. */
  | { readonly kind: "quit" }
  /** Its sidecar was taken away under it. */
  | { readonly kind: "lost" }
  /** Nobody reads our standard output any more. */
  | { readonly kind: "reader gone" };

/** After so many signals a command that does not end is given up. */
const patience = 3;

/**
 * Without a terminal: standard input, output and error byte for byte, the end of input too, and signals to the command.
 * Rejects with EngineError, or CancelledError when the command ignores the third signal.
 */
export async function relayStreams(process: SidecarProcess | SoleProcess, io: CliIo): Promise<Outcome> {
  const { exec } = process;
  // A process that was made without input has none to take.
  const input = "stdin" in exec ? exec.stdin : undefined;
  let signals = 0;
  let giveUp: (error: Error) => void = () => undefined;
  const givenUp = new Promise<never>((_resolve, reject) => (giveUp = reject));
  givenUp.catch(() => undefined);
  const release = io.takeSignals(["INT", "TERM", "HUP", "QUIT", "USR1", "USR2"], (name) => {
    signals += 1;
    if (signals > patience) giveUp(cancellation(io.signal));
    else process.kill(name);
  });
  const { stdin } = io;
  const stopInput = input ? copyInput(stdin, input) : undefined;
  try {
    const end = await Promise.race([exec.copyOutput(io, { lends: true }), givenUp]);
    if (end === "reader gone") return { kind: end };
    const code = await exec.exitCode().catch(() => undefined);
    return code === undefined ? { kind: "lost" } : { kind: "code", code };
  } finally {
    release();
    stopInput?.();
    input?.destroy();
  }
}
