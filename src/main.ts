import type { SignalName } from "./cli/io.js";
import { standardInput } from "./cli/standard-input.js";
import { DfdebugError } from "./errors.js";
import { log } from "./log.js";
import { outputLost } from "./output-lost.js";

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
      return output(process.stdout, noteLoss);
    },
    get stderr() {
      return output(process.stderr, dropped);
    },
    signal: cancelled.signal,
    takeSignals,
    raise: (name) => {
      process.kill(0, `SIG${name}`);
    },
  });
}

/** The output streams in use, and who gets to know that one failed. */
const outputs = new Map<NodeJS.WriteStream, (error: Error) => void>();

function output(stream: NodeJS.WriteStream, onError: (error: Error) => void): NodeJS.WriteStream {
  if (!outputs.has(stream)) stream.on("error", onError);
  outputs.set(stream, onError);
  return stream;
}

/** What the command was to give and cannot: its work is ended as by a signal, and this is told at its end. */
let loss: DfdebugError | undefined;

function noteLoss(error: NodeJS.ErrnoException): void {
  const message = loss ? undefined : outputLost(error);
  if (message === undefined) return;
  loss = new DfdebugError(message, { code: "OUTPUT", cause: error }, 1);
  cancelled.abort(loss);
}

/** Progress and messages that cannot be written are lost, which changes nothing about what is done. */
function dropped(): void {
  // There is nowhere to say it.
}

/** Output to a pipe is written asynchronously: exit only when it is out. */
async function flushed(stream: NodeJS.WriteStream, onError: (error: Error) => void): Promise<void> {
  if (stream.writableLength > 0)
    await new Promise<void>((resolve) => {
      stream.write("", () => {
        resolve();
      });
    });
  // The event comes later than the end of what only printed.
  if (stream.errored) onError(stream.errored);
}

/** Tells an error; the exit code. */
async function report(error: unknown): Promise<number> {
  const { renderError } = await import("./frontends/terminal/error-text.js");
  const stderr = output(process.stderr, dropped);
  stderr.write(renderError(error, { stream: stderr, env: process.env }));
  return error instanceof DfdebugError ? error.exitCode : 1;
}

async function flushAll(): Promise<void> {
  await Promise.all([...outputs].map(([stream, onError]) => flushed(stream, onError)));
}

main(process.argv.slice(2))
  .catch((error: unknown) => (loss ? 1 : report(error)))
  .then(async (code) => {
    await flushAll();
    const last = loss ? await report(loss) : code;
    await flushAll();
    log("main", "exit", { code: last });
    process.exit(last);
  })
  .catch(() => {
    process.exit(1);
  });
