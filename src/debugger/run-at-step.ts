import type { Build, Step, StepContainerOptions } from "../engine/engine.js";
import { DfdebugError } from "../errors.js";

/** A shell's code of a command that SIGINT ended. */
const interruptedCode = 130;

/** Where a diagnostic's output goes as it comes. */
export interface DiagnosticOutput {
  stdout(data: Uint8Array): void;
  stderr(data: Uint8Array): void;
}

/**
 * Runs a command at a step, on the state before it (or another of its states) and in its environment, through the step's
 * SHELL (the toolbox's where the state has none). Resolves with the command's exit code; 125 where no container could be opened (docker's code), 130
 * where it was interrupted.
 */
export async function runAtStep(
  build: Build,
  step: Step,
  command: string,
  output: DiagnosticOutput,
  options: { signal: AbortSignal | undefined; state?: StepContainerOptions["state"] | undefined },
): Promise<number> {
  const { signal } = options;
  try {
    await using container = await build.openContainer(step, {
      state: options.state ?? "clean",
      view: "inside",
      signal,
    });
    const { shell } = container.environment;
    const pick = 'for s in "$1" /bin/sh /.dfdebug/bin/sh; do [ -x "$s" ] && break; done; shift';
    const argv = container.toolbox.available
      ? [
          "/.dfdebug/bin/sh",
          "-c",
          `${pick}; exec "$s" "$@"`,
          "sh",
          shell[0] ?? "/bin/sh",
          ...shellArguments(shell),
          command,
        ]
      : [...shell, command];
    const process = await container.exec({ argv, signal });
    process.stdout.on("data", (data: Uint8Array) => output.stdout(data));
    process.stderr.on("data", (data: Uint8Array) => output.stderr(data));
    const code = await process.exited;
    return signal?.aborted ? interruptedCode : code;
  } catch (error) {
    if (signal?.aborted) return interruptedCode;
    if (!(error instanceof DfdebugError)) throw error;
    output.stderr(Buffer.from(`${error.message}\n${error.hint === undefined ? "" : `${error.hint}\n`}`));
    return error.exitCode === 126 || error.exitCode === 127 ? error.exitCode : 125;
  }
}

function shellArguments(shell: readonly string[]): readonly string[] {
  return shell.length > 1 ? shell.slice(1) : ["-c"];
}
