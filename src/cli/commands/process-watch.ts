import { Writable } from "node:stream";
import type { ContainerInfo } from "../../docker/containers.js";
import { ContainerError } from "../../errors.js";
import { filesOf, recordsOf, splitParts } from "../../sidecar/report/parts.js";
import { cpuPercents, readTimes, type ProcessTimes } from "../../sidecar/report/process-times.js";
import { readProcesses, type ContainerProcess } from "../../sidecar/report/processes.js";
import { processScript } from "../../sidecar/report/scripts.js";
import type { SidecarProcess } from "../../sidecar/sidecar.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";
import type { DebugTarget } from "./debug-target.js";
import { newNonce, openTarget, startScript } from "./sidecar-script.js";
import { requireRunning } from "./with-containers.js";

/** A container's processes at one moment. */
export interface ProcessSample {
  readonly processes: readonly ContainerProcess[];
  /** Percent of one CPU since the sample before, by process id; empty for the first. */
  readonly cpu: ReadonlyMap<number, number>;
}

/** A sidecar that tells a container's processes whenever it is asked. */
export class ProcessWatch implements AsyncDisposable {
  readonly info: ContainerInfo;
  private readonly target: DebugTarget;
  private readonly process: SidecarProcess;
  private readonly nonce: string;
  private readonly output = new Rounds();
  private before: ProcessTimes | undefined;

  private constructor(target: DebugTarget, info: ContainerInfo, process: SidecarProcess, nonce: string) {
    this.target = target;
    this.info = info;
    this.process = process;
    this.nonce = nonce;
    const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
    process.exec.copyOutput({ stdout: this.output, stderr: nowhere }).then(
      () => this.output.finish(undefined),
      (error: unknown) => this.output.finish(error as Error),
    );
  }

  /** Rejects with UsageError, ContainerError (NOT_RUNNING too) or EngineError. */
  static async open(
    name: string,
    flags: { readonly image?: string },
    engineFlags: EngineFlags,
    io: CliIo,
  ): Promise<ProcessWatch> {
    const target = await openTarget(name, flags, engineFlags, io);
    try {
      if (target.target.kind !== "container") throw new Error("an image, where none was asked for");
      const { info } = target.target;
      requireRunning(info);
      const nonce = newNonce();
      const process = await startScript(await target.sidecar(), processScript, [nonce, info.Id]);
      return new ProcessWatch(target, info, process, nonce);
    } catch (error) {
      await target[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Rejects with ContainerError when the container ended, or with EngineError. */
  async sample(): Promise<ProcessSample> {
    this.process.exec.stdin.write("\n");
    const parts = splitParts(await this.output.next(`\n${this.nonce} end\n`), this.nonce);
    const times = readTimes(parts.get("times"));
    const files = filesOf(parts.get("processes"));
    const first = firstProcess(files, this.info.Id);
    const cpu = this.before ? cpuPercents(times, this.before) : new Map<number, number>();
    this.before = times;
    const processes = readProcesses(this.info.Id, first, {
      files,
      argv: recordsOf(parts.get("arguments")),
      passwd: parts.get("passwd") ?? "",
      hostPids: new Map(),
    });
    return { processes, cpu };
  }

  /** What became of the container, when it is no more. */
  end(): Promise<string | undefined> {
    return this.target.end();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.process.exec.stdin.destroy();
    return this.target[Symbol.asyncDispose]();
  }
}

/** Any process whose control group names the container; 1 where none does. */
function firstProcess(files: ReadonlyMap<string, string>, id: string): number {
  for (const [path, content] of files) {
    const pid = /^\/proc\/(\d+)\/cgroup$/.exec(path)?.[1];
    if (pid !== undefined && content.includes(id)) return Number(pid);
  }
  return 1;
}

/** Cuts the script's output where a round ends. */
class Rounds extends Writable {
  private text = "";
  private ended = false;
  private failure: Error | undefined;
  private wake: () => void = () => undefined;

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString("latin1");
    this.wake();
    done();
  }

  finish(failure: Error | undefined): void {
    this.ended = true;
    this.failure = failure;
    this.wake();
  }

  async next(mark: string): Promise<string> {
    for (;;) {
      const at = this.text.indexOf(mark);
      if (at >= 0) {
        const round = this.text.slice(0, at + mark.length);
        this.text = this.text.slice(at + mark.length);
        return Buffer.from(round, "latin1").toString("utf8");
      }
      if (this.failure !== undefined) throw this.failure;
      if (this.ended)
        throw new ContainerError("The container ended, or was restarted", {
          code: "NOT_RUNNING",
          hint: "Look again: dfdebug top.",
        });
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}
