import type { SidecarProcess, SoleProcess } from "../../sidecar/sidecar.js";
import { RawTerminal } from "../../frontends/terminal/raw-terminal.js";
import { cancellation } from "../../errors.js";
import type { CliIo } from "../io.js";

/** How a command in a sidecar ended. */
export type Outcome =
  | { readonly kind: "code"; readonly code: number }
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
  if (input) {
    stdin.on("error", () => input.end());
    stdin.pipe(input);
  }
  try {
    const end = await Promise.race([exec.copyOutput({ stdout: io.stdout, stderr: io.stderr }), givenUp]);
    if (end === "reader gone") return { kind: end };
    const code = await exec.exitCode().catch(() => undefined);
    return code === undefined ? { kind: "lost" } : { kind: "code", code };
  } finally {
    release();
    if (input) {
      stdin.unpipe(input);
      stdin.pause();
      input.destroy();
    }
  }
}

/** On a terminal: keys as they are pressed, Ctrl-C too; its size follows. Rejects as `relayStreams`. */
export async function relayTerminal(process: SidecarProcess, io: CliIo): Promise<Outcome> {
  const { exec } = process;
  const terminal = new RawTerminal(io.stdin, io.stdout);
  const interrupted = new Promise<never>((_resolve, reject) => {
    io.signal.addEventListener("abort", () => reject(cancellation(io.signal)), { once: true });
  });
  interrupted.catch(() => undefined);
  const ended = (): void => {
    exec.stdin.end();
  };
  const stopSize = terminal.onResize((size) => exec.resize(size));
  exec.stdin.on("drain", () => terminal.resumeKeys());
  try {
    await using _raw = terminal.enter((keys) => {
      if (exec.stdin.writable && !exec.stdin.write(keys)) terminal.pauseKeys();
    }, ended);
    await Promise.race([exec.copyOutput({ stdout: io.stdout, stderr: io.stderr }), interrupted]);
    const code = await exec.exitCode().catch(() => undefined);
    return code === undefined ? { kind: "lost" } : { kind: "code", code };
  } finally {
    stopSize();
    terminal.reset();
    exec.stdin.destroy();
  }
}
