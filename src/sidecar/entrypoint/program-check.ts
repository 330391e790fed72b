import { posix } from "node:path";
import type { Account } from "../../dockerfile/accounts.js";
import { mayExecute } from "./accounts.js";
import { readElf, runsOn, type ElfHead } from "./elf.js";
import type { Finding, Program, RunInstruction } from "./finding.js";
import { checkLibraries } from "./libraries.js";
import { libraryFinding } from "./library-finding.js";
import type { FileHead, Found, ProgramFiles } from "./program-files.js";
import { envProgram, hasMarkedShebang, readShebang, type Shebang } from "../../dockerfile/shebang.js";

/** What holds for every program of one command line. */
export interface ProgramContext {
  readonly files: ProgramFiles;
  /** PATH's folders. */
  readonly searched: readonly string[];
  readonly directory: string;
  readonly account: Account | undefined;
  /** The engine's, as Go names it. */
  readonly architecture: string;
  /** `NAME=value` each; undefined where it is not to be known, and so not which libraries are found. */
  readonly env: readonly string[] | undefined;
}

/** A program that is there. */
export interface CheckedProgram {
  readonly real: string;
  readonly mode: number;
  /** Where it is a script. */
  readonly shebang: Shebang | undefined;
}

/** A program whose file was found. */
type LocatedProgram = Omit<Program, "type" | "path" | "real"> & { readonly path: string; readonly real: string };

/** A loader is only looked for. */
type StartedRole = Exclude<Program["role"], "loader">;

/** The kernel follows no more scripts whose interpreters are scripts. */
const mostInterpreters = 5;

/** Follows a command to what the kernel loads for it, and collects what stands in the way. */
export class ProgramCheck {
  readonly programs: Program[] = [];
  readonly findings: Finding[] = [];
  private readonly context: ProgramContext;
  private readonly instruction: RunInstruction;
  private readonly label: string;

  /** `label`: what messages call the program, with a blank behind it; "" for the container's own. */
  constructor(context: ProgramContext, instruction: RunInstruction, label: string) {
    this.context = context;
    this.instruction = instruction;
    this.label = label;
  }

  /** Undefined where there is none. Rejects with EngineError. */
  async check(name: string, role: StartedRole, depth = 0): Promise<CheckedProgram | undefined> {
    const found = name.includes("/") ? await this.atPath(name) : await this.inPath(name);
    const label = role === "interpreter" ? "The interpreter " : this.label;
    if (found?.kind === undefined) {
      this.programs.push({ role, name, path: undefined, real: undefined, type: undefined });
      const kind = role === "interpreter" ? "interpreter-missing" : "program-missing";
      const where = name.startsWith("/")
        ? "is not there"
        : name.includes("/")
          ? `is not there: the working directory is ${this.context.directory}`
          : `is in no folder of PATH (${this.context.searched.join(":")})`;
      const dangling = found && danglingText(found);
      this.add(kind, `${label}${name} ${dangling ?? where}`, await this.hintFor(name, role));
      return undefined;
    }
    const { path, real, kind } = found;
    if (kind !== "file") {
      this.programs.push({ role, name, path, real, type: kind });
      this.add("program-is-folder", `${label}${path} is ${kind === "directory" ? "a folder" : "no file"}`, undefined);
      return undefined;
    }
    const head = await this.context.files.head(real);
    if (!head) return undefined;
    await this.mayRun(path, real, head);
    await this.load({ role, name, path, real }, head, depth);
    return { real, mode: head.mode, shebang: readShebang(head.bytes) };
  }

  private async load(program: LocatedProgram, head: FileHead, depth: number): Promise<void> {
    const { path } = program;
    const elf = readElf(head.bytes);
    if (elf) {
      await this.loadElf(program, elf);
      return;
    }
    const shebang = readShebang(head.bytes);
    if (shebang) {
      this.programs.push({ ...program, type: `script, #!${[shebang.interpreter, shebang.argument].join(" ").trim()}` });
      await this.loadScript(path, shebang, depth);
      return;
    }
    this.programs.push({ ...program, type: head.bytes.length === 0 ? "empty" : "neither ELF nor #!" });
    // A shell runs what the kernel refuses as a script of its own.
    if (program.role === "script") return;
    const [why, hint] = hasMarkedShebang(head.bytes)
      ? ["has a byte order mark before its #!, so that the kernel sees no script", "Save it as UTF-8 without one."]
      : head.bytes.length === 0
        ? ["is an empty file", undefined]
        : ["is neither an ELF program nor begins with #!", "A script needs a first line like #!/bin/sh."];
    this.add("not-a-program", `${path} ${why}`, hint);
  }

  private async loadElf(program: LocatedProgram, elf: ElfHead): Promise<void> {
    const { architecture } = this.context;
    const { path } = program;
    const at = this.programs.push({ ...program, type: elfType(elf, undefined) }) - 1;
    if (!elf.isProgram) {
      this.add("not-a-program", `${path} is an ELF file, but no program (an object file or a core dump)`, undefined);
      return;
    }
    if (elf.architecture === undefined || !runsOn(elf.architecture, architecture))
      this.add(
        "wrong-architecture",
        `${path} is for ${elf.architecture ?? "an architecture that docker has no name for"}, and the engine runs ${architecture}`,
        `Build for linux/${architecture} (--platform), or give the engine's machine an emulator (binfmt_misc).`,
      );
    if (elf.loader === undefined || elf.loader === "") return;
    const { path: loader, real, kind } = await this.context.files.find(elf.loader);
    const isThere = kind === "file";
    this.programs.push({
      role: "loader",
      name: loader,
      path: isThere ? loader : undefined,
      real: isThere ? real : undefined,
      type: isThere ? undefined : "missing",
    });
    if (!isThere) {
      this.add("loader-missing", `${path} needs the loader ${loader}, which is not there`, loaderHint(loader));
      return;
    }
    const { env, files, directory } = this.context;
    const libraries = env && (await checkLibraries(program, { path: loader, real }, { files, directory, env }));
    if (!libraries) return;
    this.programs[at] = { ...program, type: elfType(elf, libraries.count) };
    for (const problem of libraries.problems) this.findings.push(libraryFinding(problem, program, this.instruction));
  }

  private async loadScript(path: string, shebang: Shebang, depth: number): Promise<void> {
    const line = `#!${[shebang.interpreter, shebang.argument].join(" ").trim()}`;
    if (shebang.isCrlf)
      this.add(
        "crlf",
        `${path} has Windows line endings (CRLF): its first line is "${line}\\r", and the kernel looks for a name that ends with a carriage return`,
        "Save it with LF (.gitattributes: *.sh text eol=lf), or RUN sed -i 's/\\r$//' on it.",
      );
    if (depth >= mostInterpreters) return;
    await this.check(posix.resolve(this.context.directory, shebang.interpreter), "interpreter", depth + 1);
    const program = envProgram(shebang);
    if (program !== undefined) await this.check(program, "interpreter", depth + 1);
  }

  private async mayRun(path: string, real: string, head: FileHead): Promise<void> {
    const { account, files } = this.context;
    const isForNobody = (head.mode & 0o111) === 0;
    if (!account && !isForNobody) return;
    const who = account?.name ?? `uid ${String(account?.uid ?? 0)}`;
    if (!account || !mayExecute(head, account)) {
      this.add(
        "not-executable",
        isForNobody
          ? `${path} is not executable (mode ${octal(head.mode)})`
          : `${path} is not executable for ${who} (mode ${octal(head.mode)}, owner ${String(head.uid)}:${String(head.gid)})`,
        `COPY --chmod=755, or RUN chmod +x ${real}.`,
      );
    }
    if (!account || account.uid === 0) return;
    for (let folder = posix.dirname(real); folder !== "/"; folder = posix.dirname(folder)) {
      const above = await files.head((await files.find(folder)).real);
      if (!above || mayExecute(above, account)) continue;
      this.add(
        "not-executable",
        `${path} is out of reach for ${who}: the folder ${folder} has mode ${octal(above.mode)}, owner ${String(above.uid)}:${String(above.gid)}`,
        `RUN chmod a+x ${folder}, or put the program elsewhere.`,
      );
      return;
    }
  }

  private atPath(name: string): Promise<Found> {
    return this.context.files.find(posix.resolve(this.context.directory, name));
  }

  /** As the runtime and shells: the first that is a file which can be executed; else the first file. */
  private async inPath(name: string): Promise<Found | undefined> {
    const { files, searched } = this.context;
    let second: Found | undefined;
    for (const folder of searched) {
      const found = await files.find(posix.join(folder, name));
      if (found.kind !== "file") {
        // A symlink that leads nowhere says more than nothing at all.
        if (found.real !== found.path || found.isLoop) second ??= found;
        continue;
      }
      const head = await files.head(found.real);
      if (head && (head.mode & 0o111) !== 0) return found;
      if (second?.kind === undefined) second = found;
    }
    return second;
  }

  private async hintFor(name: string, role: StartedRole): Promise<string | undefined> {
    const { files, directory, searched } = this.context;
    if (name.startsWith("["))
      return "The exec form is JSON, with double quotes; anything else is a command for the shell.";
    if (name.includes("$") && role !== "interpreter") return "The exec form expands no variables: use the shell form.";
    if (/\s/.test(name)) return "The exec form takes the program and each argument as words of their own.";
    const places = name.includes("/")
      ? [posix.resolve(directory, name)]
      : searched.map((folder) => posix.join(folder, name));
    const beside = posix.join(directory, name);
    if (role !== "interpreter" && !name.includes("/") && (await files.find(beside)).kind === "file")
      return `It is in the working directory, which is not searched: write ./${name}.`;
    const atRoot = posix.resolve("/", name);
    if (name.includes("/") && !places.includes(atRoot) && (await files.find(atRoot)).kind === "file")
      return `Did you mean ${atRoot}?`;
    for (const place of places) {
      const on = await files.fileOnTheWay(posix.dirname(place));
      if (on !== undefined && name.includes("/")) return `${on} is a file, not a folder.`;
      const near = await files.near(place);
      if (near !== undefined && near !== place) return `Did you mean ${near}?`;
    }
    if (role === "interpreter" && /(^|\/)bash$/.test(name)) return "Install bash, or write the script for sh.";
    return undefined;
  }

  private add(kind: Finding["kind"], message: string, hint: string | undefined): void {
    this.findings.push({ kind, instruction: this.instruction, message, hint });
  }
}

function elfType({ architecture, bits, loader }: ElfHead, libraries: number | undefined): string {
  const count = libraries === undefined ? "" : `, ${String(libraries)} librar${libraries === 1 ? "y" : "ies"}`;
  return `ELF ${architecture ?? `of another architecture, ${String(bits)} bits`}, ${loader === undefined ? "static" : "dynamic"}${count}`;
}

function danglingText({ path, real, isLoop }: Found): string | undefined {
  if (isLoop) return "cannot be found: it is a symlink that leads in circles";
  return real === path ? undefined : `cannot be found: it is a symlink that leads to ${real}, which is not there`;
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

function loaderHint(loader: string): string {
  if (/ld-musl/.test(loader)) return "It was built for musl (Alpine): build it for this image's libc, or static.";
  if (/ld-linux|ld64/.test(loader))
    return "It was built for glibc: use a base image that has it (debian, ubuntu), or build static (Go: CGO_ENABLED=0).";
  return "Build it static, or for this image's libc.";
}
