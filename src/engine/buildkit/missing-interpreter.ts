import { posix } from "node:path";
import { envProgram, readShebang, type Shebang } from "../../dockerfile/shebang.js";
import { DfdebugError } from "../../errors.js";
import type { Ref, StepFinding } from "../engine.js";
import type { FailedStep } from "./step-findings.js";

/** Files that are looked at, at most: commands are at a RUN's beginning far more often than not. */
const mostFiles = 20;

/** A RUN's script that is there, but not the program that its `#!` names. The kernel and shells call the script itself not found. */
export async function missingInterpreter(failed: FailedStep, exitCode: number): Promise<StepFinding | undefined> {
  const { step, planned, source, signal } = failed;
  const { instruction } = step;
  // 126 and 127 are a shell's; runc itself ends with 1 or 255 where exec form names the script, or the heredoc is one.
  const isDirect = instruction.json !== undefined || instruction.heredocs.length > 0;
  const codes = isDirect ? [126, 127, 1, 255] : [126, 127];
  if (instruction.keyword !== "RUN" || !codes.includes(exitCode)) return undefined;
  try {
    const { run, cwd, runEnv } = await planned.configuration(source.solver, step, "before");
    if (!run) return undefined;
    const { argv, script } = run;
    const words = instruction.json ? argv.slice(0, 1) : commandsIn(argv.at(-1) ?? "");
    const paths = new Set(words.filter((word) => word.includes("/") && !/[$'"*]/.test(word)));
    // Most that is not found is no path: nobody waits for a state then.
    if (!script && paths.size === 0) return undefined;
    const state = await planned.state(source, planned.place(step).before, step, "before", signal);
    const looked = new Look(state, runEnv, signal);
    if (script) {
      const missing = await looked.missing(Buffer.from(script.content));
      return missing && finding("The heredoc", missing, "Write its lines with line feeds only", exitCode);
    }
    for (const path of [...paths].slice(0, mostFiles)) {
      const head = await looked.head(posix.resolve("/", cwd, path));
      const missing = head && (await looked.missing(head));
      if (missing)
        return finding(
          path,
          missing,
          "Convert it (sed -i 's/\\r$//'), and keep it so with .gitattributes (*.sh text eol=lf)",
          exitCode,
        );
    }
  } catch {
    // The state cannot be read: what the step printed has to do.
  }
  return undefined;
}

/** The first words of a shell text's commands, as far as they can be told without reading it as a shell does. */
function commandsIn(text: string): string[] {
  return text.split(/[;&|(){}`\n]+|\b(?:if|then|else|elif|while|until|do|exec|time)\s/).flatMap((command) => {
    const [first] = command
      .trim()
      .split(/\s+/)
      .filter((word) => !/^(?:\w+=.*|!)$/.test(word));
    return first === undefined ? [] : [first];
  });
}

interface Missing {
  readonly shebang: Shebang;
  readonly program: string;
}

function finding(script: string, { shebang, program }: Missing, remedy: string, exitCode: number): StepFinding {
  const there = script.startsWith("The ") ? script : `${script} is there: it`;
  const cause = shebang.isCrlf
    ? `${there} has Windows line ends, so its first line asks for ${program}\\r, which is no program.`
    : `${there} is a script for ${program}, which is not in this stage.`;
  const advice = shebang.isCrlf
    ? `${remedy}.`
    : `Install ${posix.basename(program)} before, or write a #! line that names a program which is there.`;
  return { message: `exit code ${String(exitCode)}`, cause: [cause], advice: [advice] };
}

/** Looks at scripts in a state. */
class Look {
  private readonly state: Ref;
  private readonly env: readonly string[];
  private readonly options: { signal?: AbortSignal };

  constructor(state: Ref, env: readonly string[], signal: AbortSignal | undefined) {
    this.state = state;
    this.env = env;
    this.options = signal ? { signal } : {};
  }

  /** A file's beginning; undefined where there is no file. */
  async head(path: string): Promise<Buffer | undefined> {
    if (!(await this.isThere(path))) return undefined;
    if ((await this.state.stat(path, this.options)).type === "directory") return undefined;
    for await (const chunk of this.state.readFile(path, this.options)) return Buffer.from(chunk);
    return undefined;
  }

  /** The program that a script's `#!` names in vain. */
  async missing(head: Buffer): Promise<Missing | undefined> {
    const shebang = readShebang(head);
    if (!shebang) return undefined;
    const { interpreter, argument, isCrlf } = shebang;
    if (isCrlf && argument === "") return { shebang, program: interpreter };
    if (!(await this.isThere(interpreter))) return { shebang: { ...shebang, isCrlf: false }, program: interpreter };
    const program = envProgram(shebang);
    if (program === undefined || (!isCrlf && (await this.inPath(program)))) return undefined;
    return { shebang, program };
  }

  private async inPath(program: string): Promise<boolean> {
    if (program.includes("/")) return this.isThere(program);
    const path = this.env.find((one) => one.startsWith("PATH="))?.slice("PATH=".length) ?? "";
    for (const folder of path.split(":")) if (await this.isThere(posix.join("/", folder, program))) return true;
    return false;
  }

  private async isThere(path: string): Promise<boolean> {
    try {
      await this.state.stat(path, this.options);
      return true;
    } catch (error) {
      if (error instanceof DfdebugError && error.code === "NOT_FOUND") return false;
      throw error;
    }
  }
}
