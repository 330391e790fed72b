import type { Duplex } from "node:stream";
import type { ContainerInfo, Containers } from "../../docker/containers.js";
import { noDetachKeys } from "../../docker/exec.js";
import { copyInput, copyOutput, type OutputSinks } from "../../docker/streams.js";
import { DfdebugError, UsageError, cancellation } from "../../errors.js";
import { DetachKeys, parseDetachKeys } from "../../frontends/terminal/detach-keys.js";
import { RawTerminal } from "../../frontends/terminal/raw-terminal.js";
import { finishOutput, outputFor } from "../../frontends/terminal/sanitized-output.js";
import { nameOf } from "../../sidecar/target.js";
import type { CliIo } from "../io.js";
import { readerGone } from "../output.js";
import type { EngineFlags } from "../program.js";
import { findContainer, requireRunning, untilInterrupted, withContainers } from "./with-containers.js";

export interface AttachFlags {
  readonly stdin?: boolean;
  /** Ctrl-C and Ctrl-\ go to the container's terminal. */
  readonly passInterrupt?: boolean;
  readonly detachKeys: string;
}

/**
 * `dfdebug attach`: what a running container writes from now on; with --stdin what is typed goes to it. Ctrl-C leaves it and
 * reaches nobody else, unless it was asked for. Resolves with the container's exit code where it ends, 0 where it was left
 * on a terminal, 130 where a signal ended it. Rejects with UsageError, ContainerError or EngineError.
 */
export function runAttach(name: string, flags: AttachFlags, engineFlags: EngineFlags, io: CliIo): Promise<number> {
  const keys = parseDetachKeys(flags.detachKeys);
  return untilInterrupted(io, () =>
    withContainers(engineFlags, io, async (containers) => {
      const info = await findContainer(containers, name, io);
      requireRunning(info);
      const takesInput = flags.stdin === true;
      if (takesInput && !info.Config.OpenStdin)
        throw new UsageError(`${nameOf(info)} has no standard input: it was made without -i`, {
          hint: `Without --stdin dfdebug attach shows what it writes; dfdebug exec ${nameOf(info)} sh starts a shell beside it.`,
        });
      const query = { stream: true, stdin: takesInput, stdout: true, stderr: true, detachKeys: noDetachKeys };
      const stream = await containers.connection.hijack(`/containers/${info.Id}/attach`, { query, signal: io.signal });
      stream.on("error", () => undefined);
      return await new Attachment(containers, info, stream, flags, io).run(new DetachKeys(keys));
    }),
  );
}

/** One connection to a container's first process. */
class Attachment {
  private readonly containers: Containers;
  private readonly info: ContainerInfo;
  private readonly stream: Duplex;
  private readonly flags: AttachFlags;
  private readonly io: CliIo;
  private leave: (why: "left") => void = () => undefined;

  constructor(containers: Containers, info: ContainerInfo, stream: Duplex, flags: AttachFlags, io: CliIo) {
    this.containers = containers;
    this.info = info;
    this.stream = stream;
    this.flags = flags;
    this.io = io;
  }

  async run(keys: DetachKeys): Promise<number> {
    const { io, info, stream } = this;
    const waiting = new AbortController();
    const code = this.exitCode(waiting.signal);
    const left = new Promise<"left">((resolve) => (this.leave = resolve));
    const interrupted = new Promise<never>((_resolve, reject) => {
      io.signal.addEventListener("abort", () => reject(cancellation(io.signal)), { once: true });
    });
    interrupted.catch(() => undefined);
    // A container's terminal is shown as it is; lines of a program without one are made harmless on ours.
    const sinks: OutputSinks = info.Config.Tty
      ? io
      : { stdout: outputFor(io.stdout, io.env), stderr: outputFor(io.stderr, io.env) };
    try {
      await using _input = io.stdin.isTTY ? this.typed(keys) : this.piped();
      const end = await Promise.race([
        copyOutput(stream, sinks, { isTerminal: info.Config.Tty, lends: sinks === io }),
        left,
        interrupted,
      ]);
      if (end === "reader gone") return readerGone;
      if (end === "ended") return await code;
    } finally {
      waiting.abort();
      stream.destroy();
      if (sinks !== io) await Promise.all([finishOutput(sinks.stdout), finishOutput(sinks.stderr)]);
    }
    io.stderr.write(`\nLeft ${nameOf(info)}, which goes on.\n`);
    return 0;
  }

  /** Of this run: the container may have been started again when we ask. */
  private async exitCode(signal: AbortSignal): Promise<number> {
    const path = `/containers/${this.info.Id}/wait`;
    const answer = this.containers.connection.json<{ StatusCode: number }>("POST", path, {
      query: { condition: "next-exit" },
      signal,
    });
    const code = answer.then(
      ({ StatusCode }) => StatusCode,
      (error: unknown) => {
        if (error instanceof DfdebugError) return 0;
        throw error;
      },
    );
    code.catch(() => undefined);
    return code;
  }

  private typed(keys: DetachKeys): AsyncDisposable {
    const { io, stream, info, flags } = this;
    const terminal = new RawTerminal(io.stdin, io.stdout);
    const takesInput = flags.stdin === true;
    const resizeTo = (h: number, w: number): Promise<unknown> =>
      this.containers.connection.json("POST", `/containers/${info.Id}/resize`, { query: { h, w } });
    const resize = (): void => {
      const { columns, rows } = terminal.size;
      resizeTo(rows, columns).catch(() => undefined);
    };
    // Who only watches leaves the size of the container's terminal alone.
    const follows = takesInput && info.Config.Tty;
    const stopSize = follows ? terminal.onResize(resize) : (): void => undefined;
    // A program draws what is on its screen again when that has another size; only then is it seen here (as docker does it).
    if (follows) resizeTo(terminal.size.rows + 1, terminal.size.columns + 1).then(resize, resize);
    stream.on("drain", () => terminal.resumeKeys());
    const raw = terminal.enter(
      (typed) => {
        // Who only watches has no use for Ctrl-C but to leave.
        const { pass, detached } = keys.take(typed);
        const stops =
          takesInput && flags.passInterrupt === true ? -1 : pass.findIndex((key) => key === 0x03 || key === 0x1c);
        const input = stops < 0 ? pass : pass.subarray(0, stops);
        if (takesInput && input.length > 0 && stream.writable && !stream.write(input)) terminal.pauseKeys();
        if (detached || stops >= 0) this.leave("left");
      },
      () => this.leave("left"),
    );
    const leaves = !takesInput
      ? "Ctrl-C leaves it"
      : flags.passInterrupt
        ? `${flags.detachKeys} leaves it`
        : `Ctrl-C and ${flags.detachKeys} leave it`;
    io.stderr.write(`${takesInput ? "Attached to" : "Watching"} ${nameOf(info)}; ${leaves}.\n`);
    return {
      [Symbol.asyncDispose]: async () => {
        stopSize();
        await raw[Symbol.asyncDispose]();
        terminal.reset();
      },
    };
  }

  private piped(): AsyncDisposable {
    const { io, stream, info, flags } = this;
    // The engine ends the whole connection with its input, unless the container's own ends with it.
    const stop = flags.stdin === true ? copyInput(io.stdin, stream, info.Config.StdinOnce) : undefined;
    return { [Symbol.asyncDispose]: async () => stop?.() };
  }
}
