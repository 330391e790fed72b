import { DfdebugError } from "./errors.js";

/*
 * argv -> cli -> exit code. The only module that touches process.exit and signals. It imports nothing heavy: what a
 * command needs is loaded when the command is known.
 */

const cancelled = new AbortController();

/** Who takes Ctrl-C while it means something else than the end; the last one has it. */
const interruptHandlers: (() => void)[] = [];

function onInterrupt(handler: () => void): () => void {
  interruptHandlers.push(handler);
  return () => {
    const at = interruptHandlers.indexOf(handler);
    if (at >= 0) interruptHandlers.splice(at, 1);
  };
}

/** First signal: end cleanly. Second: at once. Interactive front ends take Ctrl-C themselves while they read keys. */
function onSignal(name: "SIGINT" | "SIGTERM" | "SIGHUP"): void {
  process.on(name, () => {
    const handler = name === "SIGINT" ? interruptHandlers.at(-1) : undefined;
    if (handler) {
      handler();
      return;
    }
    if (cancelled.signal.aborted) process.exit(130);
    void import("./errors.js").then(({ CancelledError }) => {
      cancelled.abort(new CancelledError());
    });
  });
}

async function main(argv: readonly string[]): Promise<number> {
  if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
    const { version } = await import("./cli/version.js");
    process.stdout.write(`${version}\n`);
    return 0;
  }
  // Node 22 and later keep compiled code on disk: a third of the start-up time.
  const { enableCompileCache } = (await import("node:module")) as { enableCompileCache?: () => unknown };
  enableCompileCache?.();
  onSignal("SIGINT");
  onSignal("SIGTERM");
  onSignal("SIGHUP");
  // A reader that went away (`dfdebug ... | head`) is no error of ours.
  process.stdout.on("error", ignoreClosedPipe);
  process.stderr.on("error", ignoreClosedPipe);
  const { runCli } = await import("./cli/program.js");
  return runCli(argv, {
    env: process.env,
    cwd: process.cwd(),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: cancelled.signal,
    onInterrupt,
  });
}

function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

/** Output to a pipe is written asynchronously: exit only when it is out. */
async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return;
  await new Promise<void>((resolve) => {
    stream.write("", () => {
      resolve();
    });
  });
}

main(process.argv.slice(2))
  .catch(async (error: unknown) => {
    const { renderError } = await import("./frontends/terminal/error-text.js");
    process.stderr.write(renderError(error, { stream: process.stderr, env: process.env }));
    return error instanceof DfdebugError ? error.exitCode : 1;
  })
  .then(async (code) => {
    await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
    process.exit(code);
  })
  .catch(() => {
    process.exit(1);
  });
