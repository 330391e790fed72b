import { spawn } from "node:child_process";
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
