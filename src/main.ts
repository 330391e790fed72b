import type { SignalName } from "./cli/io.js";
import { standardInput } from "./cli/standard-input.js";
import { DfdebugError } from "./errors.js";
import { log } from "./log.js";

/*
 * argv -> cli -> exit code. The only module that touches process.exit and signals. It imports nothing heavy: what a
 * command needs is loaded when the command is known.
 */

const cancelled = new AbortController();

/** Who takes which signals while they mean something else than the end; the last one has them. */
const takers: { readonly names: readonly SignalName[]; readonly listener: (name: SignalName) => void }[] = [];
const watched = new Set<SignalName>();

function takeSignals(names: readonly SignalName[], listener: (name: SignalName) => void): () => void {
  const taker = { names, listener };
  takers.push(taker);
  for (const name of names) watch(name);
  return () => {
    const at = takers.indexOf(taker);
    if (at >= 0) takers.splice(at, 1);
  };
}

const ending: readonly SignalName[] = ["INT", "TERM", "HUP"];

/** Who took a signal gets it. Else the first one ends cleanly, the second at once. */
function watch(name: SignalName): void {
  if (watched.has(name)) return;
  watched.add(name);
  process.on(`SIG${name}`, () => {
    const taker = takers.findLast(({ names }) => names.includes(name));
    if (taker) {
      taker.listener(name);
      return;
    }
    if (!ending.includes(name)) return;
    if (cancelled.signal.aborted) process.exit(130);
    void import("./errors.js").then(({ CancelledError }) => {
      cancelled.abort(new CancelledError());
    });
  });
}

async function main(argv: readonly string[]): Promise<number> {
  log("main", "started");
  for (const name of ending) watch(name);
  const { runCli } = await import("./cli/program.js");
  return runCli(argv, {
    env: process.env,
    cwd: process.cwd(),
    // Node opens each of them when it is first touched, which takes its time.
    get stdin() {
      return standardInput();
    },
    get stdout() {
      return output(process.stdout);
    },
    get stderr() {
      return output(process.stderr);
    },
    signal: cancelled.signal,
    takeSignals,
    raise: (name) => {
      process.kill(0, `SIG${name}`);
    },
  });
}

/** The output streams in use. */
const outputs = new Set<NodeJS.WriteStream>();

function output(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  // A reader that went away (`dfdebug ... | head`) is no error of ours.
  if (!outputs.has(stream)) stream.on("error", ignoreClosedPipe);
  outputs.add(stream);
  return stream;
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
    const stderr = output(process.stderr);
    stderr.write(renderError(error, { stream: stderr, env: process.env }));
    return error instanceof DfdebugError ? error.exitCode : 1;
  })
  .then(async (code) => {
    await Promise.all([...outputs].map(flushed));
    log("main", "exit", { code });
    process.exit(code);
  })
  .catch(() => {
    process.exit(1);
  });
