import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { TestEngine } from "./engines.js";

/** The bundled program (scripts/test.mjs builds it). */
export const program = fileURLToPath(new URL("../../dist/dfdebug.js", import.meta.url));

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs dfdebug without a terminal; standard input is a pipe with `input` or nothing in it, with `null` it is /dev/null. */
export function dfdebug(
  engine: TestEngine,
  args: readonly string[],
  options: { cwd?: string; input?: string | Buffer | null; env?: NodeJS.ProcessEnv } = {},
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...args], {
      cwd: options.cwd,
      env: { ...process.env, DOCKER_HOST: engine.host, NO_COLOR: "1", ...options.env },
      stdio: [options.input === null ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const output = { stdout: "", stderr: "" };
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, ...output }));
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(options.input ?? undefined);
  });
}

/** dfdebug while it runs, without a terminal and with standard input closed. */
export interface RunningDfdebug {
  readonly child: ChildProcess;
  /** Waits until standard error so far matches; rejects when the program ends before, or says nothing like it for a minute. */
  expect(pattern: RegExp): Promise<void>;
  readonly ended: Promise<Run>;
}

/** Starts dfdebug, to be interrupted or lost. */
export function startDfdebug(
  engine: TestEngine,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): RunningDfdebug {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: options.cwd,
    env: { ...process.env, DOCKER_HOST: engine.host, NO_COLOR: "1", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
  const ended = new Promise<Run>((resolve) => child.once("close", (code) => resolve({ code, ...output })));
  return {
    child,
    ended,
    expect: (pattern) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`no ${String(pattern)} in 60 s: ${output.stderr}`)), 60_000);
        const look = (): void => {
          if (!pattern.test(output.stderr)) return;
          clearTimeout(late);
          resolve();
        };
        child.stderr.on("data", look);
        look();
        void ended.then(() => reject(new Error(`dfdebug ended before ${String(pattern)}: ${output.stderr}`)));
      }),
  };
}
