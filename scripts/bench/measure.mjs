// What the benchmarks measure with: turns, wall time, memory, a pseudo-terminal; and the table of their results.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const program = join(root, "dist/dfdebug.js");
export const docker = existsSync("/usr/bin/docker") ? "/usr/bin/docker" : "docker";

/** @typedef {{milliseconds: number, peakBytes?: number, mebibytes?: number}} Sample with what passed through, for a rate */
/** @typedef {{case: string, tool: string, samples: Sample[]}} Row */

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** The largest resident set that a process and its children have had, in bytes, by Linux's own high-water marks. */
function watchMemory(pid) {
  const peaks = new Map();
  const look = (process_) => {
    try {
      const status = readFileSync(`/proc/${process_}/status`, "utf8");
      const peak = /^VmHWM:\s+(\d+)/m.exec(status)?.[1];
      if (peak !== undefined) peaks.set(process_, Number(peak) * 1024);
      const children = readFileSync(`/proc/${process_}/task/${process_}/children`, "utf8").trim();
      if (children !== "") for (const child of children.split(" ")) look(child);
    } catch {
      // Gone since.
    }
  };
  const timer = setInterval(() => look(String(pid)), 10);
  return () => {
    clearInterval(timer);
    return [...peaks.values()].reduce((sum, peak) => sum + peak, 0);
  };
}

/** One run of `npm run bench`: a scratch folder, the engine's environment, and the rows so far. */
export class Bench {
  /** @type {Row[]} */
  rows = [];
  scratch = mkdtempSync(join(tmpdir(), "dfdebug-bench-"));
  env = { ...process.env, DOCKER_BUILDKIT: "1", NO_COLOR: "1" };

  /** @param {boolean} quick few rounds of small cases: does it work at all? */
  constructor(quick) {
    this.quick = quick;
  }

  dispose() {
    rmSync(this.scratch, { recursive: true, force: true });
  }

  /** A folder of small files. */
  folder(name, files) {
    const path = join(this.scratch, name);
    mkdirSync(path, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
    return path;
  }

  /** Runs every tool `rounds` times, taking turns; who begins changes from round to round. */
  async compare(title, rounds, tools) {
    process.stderr.write(`bench: ${title}\n`);
    const samples = Object.keys(tools).map(() => []);
    for (let round = 0; round < rounds; round++) {
      const order = Object.entries(tools).map(([, measure], index) => ({ measure, index }));
      if (round % 2 === 1) order.reverse();
      for (const { measure, index } of order) samples[index].push(await measure(round));
    }
    Object.keys(tools).forEach((tool, index) => this.rows.push({ case: title, tool, samples: samples[index] }));
  }

  dfdebugBuild(args, options) {
    return this.timed(process.execPath, [program, "build", ...args], options);
  }

  dockerBuild(args, options) {
    return this.timed(docker, ["build", ...args], options);
  }

  /** Wall time of a command; an exit code that is not of `expected` (one, or several) ends the benchmark. */
  timed(file, args, { expected = 0, memory = false } = {}) {
    return new Promise((resolve, reject) => {
      const start = performance.now();
      const child = spawn(file, args, { env: this.env, stdio: ["ignore", "pipe", "pipe"] });
      const peak = memory && child.pid !== undefined ? watchMemory(child.pid) : undefined;
      let output = "";
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding("utf8").on("data", (text) => (output = (output + text).slice(-4000)));
      child.once("error", reject);
      child.once("close", (code) => {
        const milliseconds = performance.now() - start;
        const peakBytes = peak?.();
        if ([expected].flat().includes(code))
          resolve(peakBytes === undefined ? { milliseconds } : { milliseconds, peakBytes });
        else reject(new Error(`${file} ${args.join(" ")} ended with ${String(code)}:\n${output}`));
      });
    });
  }

  /** Time from process start until `prompt` is on a pseudo-terminal's screen; then types `leave`, key by key as prompts come. */
  async untilPrompt(file, args, prompt, leave) {
    const { spawn: spawnPty } = await import("@lydell/node-pty");
    const start = performance.now();
    const pty = spawnPty(file, args, { name: "xterm-256color", cols: 100, rows: 30, env: this.env, cwd: this.scratch });
    return new Promise((resolve, reject) => {
      let screen = "";
      let milliseconds;
      const exits = [...leave];
      const timer = setTimeout(() => pty.kill("SIGKILL"), 60_000);
      pty.onData((data) => {
        // ash asks the terminal where the cursor is; a terminal answers.
        if (data.includes("\x1b[6n")) pty.write("\x1b[1;1R");
        screen += stripVTControlCharacters(data);
        if (milliseconds === undefined && prompt.test(screen)) milliseconds = performance.now() - start;
        if (milliseconds !== undefined && exits.length > 0 && exits[0].after.test(screen)) {
          pty.write(exits.shift().keys);
          screen = "";
        }
      });
      pty.onExit(() => {
        clearTimeout(timer);
        if (milliseconds === undefined) reject(new Error(`no prompt came:\n${screen.slice(-2000)}`));
        else resolve({ milliseconds });
      });
    });
  }

  /** The rows as medians; the first tool of a case is what the others are compared with. */
  results() {
    return this.rows.map(({ case: title, tool, samples }) => {
      const base = this.rows.find((row) => row.case === title);
      const milliseconds = median(samples.map((sample) => sample.milliseconds));
      const peaks = samples.flatMap(({ peakBytes }) => (peakBytes === undefined ? [] : [peakBytes]));
      return {
        case: title,
        tool,
        runs: samples.length,
        milliseconds: Math.round(milliseconds * 10) / 10,
        ratio: Math.round((milliseconds / median(base.samples.map((sample) => sample.milliseconds))) * 100) / 100,
        ...(samples[0]?.mebibytes !== undefined && {
          mebibytesPerSecond: Math.round((samples[0].mebibytes / milliseconds) * 1000),
        }),
        ...(peaks.length > 0 && { peakMegabytes: Math.round(Math.max(...peaks) / 1e6) }),
      };
    });
  }
}

export function table(lines) {
  const cells = [["", "", "runs", "median", "ratio", "rate", "peak memory"]];
  let previous = "";
  for (const line of lines) {
    const memory = line.peakMegabytes === undefined ? "" : `${line.peakMegabytes} MB`;
    const rate = line.mebibytesPerSecond === undefined ? "" : `${line.mebibytesPerSecond} MiB/s`;
    const title = line.case === previous ? "" : line.case;
    previous = line.case;
    cells.push([title, line.tool, `${line.runs}`, `${line.milliseconds} ms`, line.ratio.toFixed(2), rate, memory]);
  }
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const align = (cell, column) => (column < 2 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]));
  return cells.map((row) => row.map(align).join("  ").trimEnd()).join("\n");
}
