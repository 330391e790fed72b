import { posix } from "node:path";
import { expansionProblem, keyValues } from "./check.js";
import { expand, type Variables } from "./expand.js";
import { parseDuration } from "./flags.js";
import { argDeclarations } from "./globals.js";
import { defaultPath, defaultShell, type ImageConfig } from "./image-config.js";
import { parseInstruction } from "./parse.js";
import { exposedPorts, PortError } from "./ports.js";
import { problem } from "./problem.js";
import { rawBody, runCommand, type RunCommand } from "./run-command.js";
import type { Instruction, Plan, Range, Stage } from "./syntax.js";

/** A variable that instructions see, and where its value comes from. */
export interface EnvEntry {
  readonly name: string;
  readonly value: string;
  readonly origin: "image" | "ENV" | "ARG";
  /** The Dockerfile's line that set it; undefined for the base image's. */
  readonly line: number | undefined;
}

/** An ARG that was declared above, in this stage or in one that it is built on. */
export interface ArgInScope {
  readonly name: string;
  /** Undefined: declared, and nothing gives it a value. An ENV of the same name may hide it: see the environment. */
  readonly value: string | undefined;
  /** The default as written. */
  readonly default: string | undefined;
  /** `global`: an ARG before the first FROM, or a platform argument, that it makes visible. */
  readonly setBy: "build-arg" | "default" | "global" | "nothing";
  /** The line that declares it. */
  readonly line: number;
}

export interface Configured {
  readonly config: ImageConfig;
  /** In the order of their declaration; of a name that is declared twice, the last. */
  readonly args: readonly ArgInScope[];
  /** What $NAME expands to in instructions: ENV and ARG together. */
  readonly env: readonly EnvEntry[];
  /** `NAME=value` for the process of a RUN: `env`, and the proxy variables given with --build-arg. */
  readonly runEnv: readonly string[];
  /** "" where none is set: root. */
  readonly user: string;
  readonly cwd: string;
  readonly shell: readonly string[];
  /** What a RUN starts here; undefined for other instructions. */
  readonly run: RunCommand | undefined;
}

type Draft = { -readonly [Key in keyof ImageConfig]: ImageConfig[Key] };

/** ARGs that BuildKit reads itself and keeps from the environment. */
const hiddenArgs = new Set(["BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"]);
const proxyNames = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];

/** Applies instructions one after another, as dockerfile2llb's dispatch does. */
export class ConfigBuilder {
  private readonly plan: Plan;
  private readonly buildArgs: ReadonlyMap<string, string>;
  private readonly os: string;
  private config: Draft = {};
  /** In the order of the last assignment, as llb.EnvList gives it to a process. */
  private readonly env = new Map<string, EnvEntry>();
  private readonly args = new Map<string, ArgInScope>();
  private hasCmd = false;
  /** Where triggers are reported: their stage's FROM (an image's own are nowhere in this file). */
  private triggeredBy: Range | undefined;

  constructor(plan: Plan, buildArgs: ReadonlyMap<string, string>, os: string) {
    this.plan = plan;
    this.buildArgs = buildArgs;
    this.os = os;
  }

  /** FROM an image. */
  enterOnImage(from: Instruction, image: ImageConfig): void {
    const { OnBuild, ...config } = image;
    this.config = config;
    this.enter(from);
    const { file } = this.plan.dockerfile;
    for (const trigger of OnBuild ?? []) this.applyTrigger(from, parseInstruction(trigger, { file }));
  }

  /** FROM a stage whose instructions were applied. */
  enterOnStage(from: Instruction, base: Stage): void {
    const { OnBuild: _, ...config } = this.config;
    this.config = config;
    this.enter(from);
    for (const { trigger } of base.instructions) if (trigger !== undefined) this.applyTrigger(from, trigger);
  }

  private enter(from: Instruction): void {
    this.hasCmd = false;
    const path = defaultPath(this.os);
    const env = this.config.Env ?? [];
    const hasPath = env.some((entry) => entry.startsWith("PATH="));
    if (!hasPath && path !== undefined) this.config.Env = [...env, `PATH=${path}`];
    for (const entry of this.config.Env ?? []) {
      const [name, value] = cut(entry);
      const known = this.env.get(name);
      const isKnown = known?.origin === "ENV" && known.value === value;
      this.setVariable(isKnown ? known : { name, value, origin: "image", line: undefined });
    }
    const { WorkingDir } = this.config;
    if (WorkingDir) this.config.WorkingDir = this.directory(WorkingDir, from.range);
  }

  private applyTrigger(from: Instruction, trigger: Instruction): void {
    this.triggeredBy = from.range;
    try {
      this.apply(trigger);
    } finally {
      this.triggeredBy = undefined;
    }
  }

  private setVariable(entry: EnvEntry): void {
    this.env.delete(entry.name);
    this.env.set(entry.name, entry);
  }

  private readonly variables: Variables = { get: (name) => this.env.get(name)?.value };

  private expand(text: string, range: Range): string {
    return this.expansion(text, range).text;
  }

  private expansion(text: string, range: Range) {
    try {
      return expand(text, this.variables, { escape: this.plan.dockerfile.escape });
    } catch (error) {
      throw expansionProblem(this.plan.dockerfile, error, this.triggeredBy ?? range);
    }
  }

  /** Applies one instruction. What changes only files changes nothing here. Throws DockerfileError. */
  apply(instruction: Instruction): void {
    const config = this.config;
    const [first] = instruction.args;
    switch (instruction.keyword) {
      case "ENV":
        this.applyEnv(instruction);
        break;
      case "ARG":
        this.applyArg(instruction);
        break;
      case "LABEL": {
        const labels: Record<string, string> = { ...config.Labels };
        for (const { name, value, range } of keyValues(instruction)) {
          labels[this.expand(name, range)] = this.expand(value, range);
        }
        config.Labels = labels;
        break;
      }
      case "USER":
        if (first !== undefined) config.User = this.expand(first.text, first.range);
        break;
      case "WORKDIR":
        if (first !== undefined) config.WorkingDir = this.directory(this.expand(first.text, first.range), first.range);
        break;
      case "STOPSIGNAL":
        if (first !== undefined) config.StopSignal = this.expand(first.text, first.range);
        break;
      case "SHELL":
        config.Shell = instruction.json ?? [];
        break;
      case "CMD":
        this.hasCmd = true;
        config.Cmd = this.commandLine(instruction);
        break;
      case "ENTRYPOINT":
        config.Entrypoint = this.commandLine(instruction);
        if (!this.hasCmd) delete config.Cmd;
        break;
      case "HEALTHCHECK":
        config.Healthcheck = healthcheck(instruction);
        break;
      case "EXPOSE":
        this.applyExpose(instruction);
        break;
      case "VOLUME": {
        const volumes: Record<string, object> = { ...config.Volumes };
        instruction.args.forEach(({ text, range }, index) => {
          volumes[this.expand((instruction.json?.[index] ?? text).trim(), range)] = {};
        });
        config.Volumes = volumes;
        break;
      }
      case "ONBUILD":
        config.OnBuild = [...(config.OnBuild ?? []), triggerText(instruction)];
        break;
      case "ADD":
      case "COPY":
      case "FROM":
      case "MAINTAINER":
      case "RUN":
        break;
    }
  }

  private applyEnv(instruction: Instruction): void {
    // Every pair sees the variables as they were before the instruction.
    const pairs = keyValues(instruction).map(
      ({ name, value, range }) => [this.expand(name, range), this.expand(value, range), range] as const,
    );
    const env = [...(this.config.Env ?? [])];
    for (const [name, value, range] of pairs) {
      const line = (this.triggeredBy ?? range).start.line;
      this.setVariable({ name, value, origin: "ENV", line });
      const at = env.findIndex((entry) => cut(entry)[0] === name);
      env[at === -1 ? env.length : at] = `${name}=${value}`;
    }
    this.config.Env = env;
  }

  private applyArg(instruction: Instruction): void {
    for (const { name, value: written, range } of argDeclarations(instruction)) {
      const given = this.buildArgs.get(name);
      let value = given;
      let setBy: ArgInScope["setBy"] = "build-arg";
      if (given === undefined && written !== undefined) {
        value = this.expand(written, range);
        setBy = "default";
      } else if (given === undefined) {
        const inherited = this.plan.globals.get(name);
        setBy = inherited === undefined ? "nothing" : "global";
        value = inherited;
      }
      const line = (this.triggeredBy ?? range).start.line;
      this.args.delete(name);
      this.args.set(name, { name, value, default: written, setBy, line });
      if (value !== undefined && !hiddenArgs.has(name)) this.setVariable({ name, value, origin: "ARG", line });
    }
  }

  private applyExpose(instruction: Instruction): void {
    const ports: Record<string, object> = { ...this.config.ExposedPorts };
    for (const { text, range } of instruction.args) {
      for (const word of this.expansion(text, range).words) {
        try {
          for (const port of exposedPorts(word)) ports[port] = {};
        } catch (error) {
          if (!(error instanceof PortError)) throw error;
          throw problem(
            this.plan.dockerfile,
            "BAD_VALUE",
            error.message,
            this.triggeredBy ?? range,
            "Write EXPOSE 8080 or EXPOSE 53/udp.",
          );
        }
      }
    }
    this.config.ExposedPorts = ports;
  }

  private commandLine(instruction: Instruction): readonly string[] {
    if (instruction.json !== undefined) return instruction.json;
    return [...this.shell(), instruction.args[0]?.text ?? ""];
  }

  private shell(): readonly string[] {
    const { Shell } = this.config;
    return Shell !== undefined && Shell.length > 0 ? Shell : defaultShell(this.os);
  }

  private directory(path: string, range: Range): string {
    const current = this.config.WorkingDir ?? "/";
    if (this.os === "windows") return this.windowsDirectory(current, path, range);
    if (path.startsWith("/")) return path;
    return posix.join("/", current, path);
  }

  private windowsDirectory(current: string, path: string, range: Range): string {
    const parts = path.replaceAll("\\", "/").split(":");
    if (parts.length > 1 && (parts[0]?.toLowerCase() !== "c" || parts[1] === "")) {
      throw problem(this.plan.dockerfile, "BAD_VALUE", `${path} is not on drive C:`, range, "Write a path on C:.");
    }
    const plain = posix.normalize(parts.slice(-1).join(""));
    const parent = current.replace(/^[cC]:/, "").replaceAll("\\", "/");
    return (plain.startsWith("/") ? plain : posix.join("/", parent, plain)).replaceAll("/", "\\");
  }

  /** What stands now; `instruction` is the one that is looked at. */
  result(instruction: Instruction): Configured {
    const shell = this.shell();
    const env = [...this.env.values()];
    return {
      config: { ...this.config },
      args: [...this.args.values()],
      env,
      runEnv: [...env.map(({ name, value }) => `${name}=${value}`), ...this.proxies()],
      user: this.config.User ?? "",
      cwd: this.config.WorkingDir || "/",
      shell,
      run: instruction.keyword === "RUN" ? runCommand(instruction, shell) : undefined,
    };
  }

  /** Proxy variables reach every RUN in both spellings, declared or not (solver/llbsolver/ops/exec.go). */
  private proxies(): string[] {
    const given = [...this.buildArgs].sort(([left], [right]) => (left < right ? -1 : 1));
    return proxyNames.flatMap((name) => {
      const value = given.findLast(([key]) => key.toUpperCase() === name)?.[1];
      return value === undefined || value === "" ? [] : [`${name}=${value}`, `${name.toLowerCase()}=${value}`];
    });
  }
}

function cut(entry: string): readonly [string, string] {
  const equals = entry.indexOf("=");
  return equals === -1 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)];
}

function triggerText(instruction: Instruction): string {
  const text = instruction.text.replace(/^ONBUILD[\t\n\f\r ]*/i, "");
  return text + instruction.heredocs.map((doc) => `\n${rawBody(instruction, doc)}${doc.name}`).join("");
}

function healthcheck(instruction: Instruction): Readonly<Record<string, unknown>> {
  const [type, command] = instruction.args;
  if (type?.text.toUpperCase() === "NONE") return { Test: ["NONE"] };
  const value = (name: string): string => instruction.flags.find((flag) => flag.name === name)?.value ?? "";
  const duration = (name: string): number => parseDuration(value(name)) ?? 0;
  const check: Record<string, unknown> = {
    Test: instruction.json === undefined ? ["CMD-SHELL", command?.text ?? ""] : ["CMD", ...instruction.json],
  };
  const numbers: readonly (readonly [string, number])[] = [
    ["Interval", duration("interval")],
    ["Timeout", duration("timeout")],
    ["StartPeriod", duration("start-period")],
    ["StartInterval", duration("start-interval")],
    ["Retries", Number(value("retries"))],
  ];
  for (const [key, number] of numbers) if (number !== 0) check[key] = number;
  return check;
}
