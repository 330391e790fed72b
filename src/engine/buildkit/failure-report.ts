import {
  BuildError,
  DockerfileError,
  EngineError,
  type DfdebugError,
  type ErrorDetails,
  type ErrorRange,
} from "../../errors.js";
import { parseInstruction } from "../../dockerfile/parse.js";
import type { Dockerfile, Instruction } from "../../dockerfile/syntax.js";
import type { BuildRequest, EngineCapabilities, Step, StepFailure } from "../engine.js";
import { contextFailure } from "./context-failure.js";
import { diagnoseCopyStep } from "./copy-diagnosis.js";
import { diskFull, diskFullHint, type CallError } from "./failures.js";
import type { Vertex } from "./graph.js";
import type { PlannedGraph, StateSource } from "./planned-graph.js";
import type { AskedRegistries } from "./registry-failure.js";
import type { SolvedFailure } from "./solver.js";

/** What people need to know of a failed step. */
export async function describeFailure(input: {
  solved: SolvedFailure;
  step: Step;
  /** For FROM: the op of the base image's ONBUILD trigger that failed. */
  trigger: Vertex | undefined;
  planned: PlannedGraph;
  source: StateSource;
  request: BuildRequest;
  capabilities: EngineCapabilities;
  /** The failed vertex's error in the progress stream: all that engines without error details say. */
  streamError: string | undefined;
  signal: AbortSignal | undefined;
}): Promise<StepFailure> {
  const { error } = input.solved;
  const isRun = input.step.instruction.keyword === "RUN" || input.trigger?.op.op?.$case === "exec";
  const words = input.streamError || error.message;
  const exitCode = isRun ? (error.exitCode ?? exitCodeIn(words)) : undefined;
  const isCopy = input.step.instruction.keyword === "COPY" || input.step.instruction.keyword === "ADD";
  return {
    step: input.step,
    message:
      exitCode === undefined
        ? `${diskFull(words) ? "The engine's disk is full: " : ""}${cleaned(words)}`
        : `exit code ${String(exitCode)}`,
    exitCode,
    outOfMemory: /out of memory|OOM/i.test(words),
    copy: isCopy ? await diagnoseCopyStep(input, words) : undefined,
    trigger: input.trigger && (input.planned.triggerOf(input.trigger.digest) ?? triggerInstruction(input.trigger)),
    dirty: dirtyOf(input.solved.error, input.capabilities),
  };
}

/** The instruction of an op that an ONBUILD trigger made; undefined where the op's name does not hold it. */
function triggerInstruction({ name }: Vertex): Instruction | undefined {
  const text = name.replace(/^(?:\[[^\]]*\]\s*)+/, "");
  try {
    return parseInstruction(text, { file: "ONBUILD" });
  } catch (error) {
    if (error instanceof DockerfileError) return undefined;
    throw error;
  }
}

function dirtyOf(error: CallError, capabilities: EngineCapabilities): StepFailure["dirty"] {
  if (error.solve?.mountIDs.some((id) => id !== "")) return { available: true };
  const reason = !capabilities.dirtyState
    ? "this engine does not keep what a failed step left (Docker Engine 23.0 and later do)"
    : error.vertex === undefined
      ? "the engine's report is longer than can be received, for the instruction is in it several times"
      : "the step failed before it changed anything";
  return { available: false, reason };
}

/** Engine 20.10 sends no details: the code stands only at the end of its sentence. */
function exitCodeIn(message: string): number | undefined {
  const match = /exit code: (\d+)\s*$/.exec(message);
  return match ? Number(match[1]) : undefined;
}

/** An engine's message without the chain of functions it came through. */
export function cleaned(message: string): string {
  return message
    .replace(
      /^(?:(?:failed to (?:solve(?: with frontend [\w.]+)?|compute cache key|create LLB definition|calculate checksum of ref \S+(?=:\s)|build LLB|load cache key|do request)|rpc error: code = \w+ desc =|executor failed running)[: ]\s*)+/i,
      "",
    )
    .replace(/: not found: not found$/, ": not found")
    .trim();
}

interface Known {
  readonly pattern: RegExp;
  readonly code: string;
  readonly message: (match: RegExpExecArray) => string;
  readonly hint: string;
}

/*
 * Failures that have no step. BuildKit passes on what registries, runc and the kernel said as words under the code
 * UNKNOWN; where it sends a code (NOT_FOUND, ...) for these, it is the same for all of them. So words decide here.
 */
const known: readonly Known[] = [
  {
    pattern: /secret (\S+?):? not found|secret not found: (\S+)|no such secret:? (\S+)/i,
    code: "SECRET_MISSING",
    message: (match) => `The build needs the secret ${match[1] ?? match[2] ?? match[3] ?? ""}`.trimEnd(),
    hint: "Give it with --secret id=NAME,src=FILE or --secret id=NAME,env=VARIABLE.",
  },
  {
    pattern: /unset ssh forward key (\S+)|no ssh(?: handler)? (?:for|forwarded)|invalid empty ssh agent socket/i,
    code: "SSH_MISSING",
    message: () => "The build needs an SSH agent",
    hint: "Give it with --ssh default (the agent at $SSH_AUTH_SOCK) or --ssh NAME=PATH.",
  },
  {
    pattern: /x509: |certificate (?:signed by|has expired|is not)|tls: /i,
    code: "REGISTRY_TLS",
    message: () => "The registry's certificate was not accepted by the engine",
    hint: "Add the registry's CA to the engine (/etc/docker/certs.d/REGISTRY/ca.crt), or mark it insecure in daemon.json.",
  },
  {
    pattern:
      /no such host|temporary failure in name resolution|server misbehaving|i\/o timeout|connection refused|network is unreachable|context deadline exceeded|dial tcp|proxyconnect|\bEOF\b/i,
    code: "REGISTRY_UNREACHABLE",
    message: () => "The engine cannot reach a registry",
    hint: "Images are pulled by the engine, not by dfdebug: check its network and proxy. An image that is already in the engine is used as it is.",
  },
  {
    pattern: /no match for platform|does not (?:provide|support) (?:the specified|any) platform/i,
    code: "PLATFORM_MISSING",
    message: () => "A base image does not exist for this platform",
    hint: "Choose another --platform, or an image that is built for it.",
  },
  {
    pattern: /: not found|manifest unknown|does not exist/i,
    code: "IMAGE_NOT_FOUND",
    message: () => "A base image was not found",
    hint: "Check its name and tag. Images that exist only in another engine must be pushed, or loaded with docker load.",
  },
];

/** An error that belongs to no step, or that came up while the build was planned. */
export function planError(
  error: CallError,
  parts: {
    request: Pick<BuildRequest, "context" | "dockerfileName" | "ignoreSyntax" | "platform">;
    registries: AskedRegistries;
  },
  dockerfile: Dockerfile | undefined,
): DfdebugError {
  const { request, registries } = parts;
  const words = cleaned(error.message);
  const syntax = dockerfile?.directives.find((directive) => directive.name === "syntax");
  const image = syntax?.value
    .split(/\s/, 1)[0]
    ?.replace(/^docker\.io\//, "")
    .replace(/[:@].*$/, "");
  if (syntax && image && !request.ignoreSyntax && error.message.includes(image))
    return new DockerfileError(`The frontend image of "# syntax=${syntax.value}" could not be loaded: ${words}`, {
      code: "SYNTAX_IMAGE",
      file: dockerfile?.file ?? request.dockerfileName,
      range: syntax.range,
      source: dockerfile?.source,
      cause: error,
      hint: "Offline, or behind a proxy? --ignore-syntax builds with the engine's own frontend.",
    });
  const context = contextFailure(error.message, words, request, error);
  if (context) return context;
  const line = error.sources[0]?.startLine || lineIn(error.message);
  const refusal = registries.refusal(error.message, words);
  const lineOrFrom = line || lineOfImage(error.message, dockerfile, refusal?.host);
  const range = lineOrFrom ? rangeOfLine(lineOrFrom) : undefined;
  if (refusal) return located(refusal.message, { ...refusal, cause: error }, dockerfile, range);
  if (diskFull(error.message)) {
    const details = { code: "ENGINE_DISK_FULL", hint: diskFullHint, cause: error };
    return located(`The engine's disk is full: ${words}`, details, dockerfile, range);
  }
  for (const entry of known) {
    const match = entry.pattern.exec(error.message);
    if (!match) continue;
    const message = `${entry.message(match)}: ${words}`;
    // For another platform than its own an engine asks the registry, whatever it has for its own.
    const hint =
      request.platform === undefined
        ? entry.hint
        : `${entry.hint} It has to be one for --platform ${request.platform}.`;
    return located(message, { code: entry.code, hint, cause: error }, dockerfile, range);
  }
  const unknownFlag = /unknown flag: (\S+)|unknown instruction: (\S+)/i.exec(error.message);
  if (dockerfile && (range ?? unknownFlag))
    return new DockerfileError(words, {
      code: unknownFlag ? "FRONTEND_TOO_OLD" : "FRONTEND",
      file: dockerfile.file,
      range,
      source: dockerfile.source,
      cause: error,
      hint: unknownFlag
        ? "This engine's own Dockerfile frontend does not know it. A newer engine does, or `# syntax=docker/dockerfile:1` as the first line (pulled from a registry)."
        : undefined,
    });
  return new BuildError(words, { code: "BUILD", cause: error });
}

function located(
  message: string,
  details: ErrorDetails,
  dockerfile: Dockerfile | undefined,
  range: ErrorRange | undefined,
): DfdebugError {
  if (!range || !dockerfile) return new BuildError(message, details);
  return new DockerfileError(message, { ...details, file: dockerfile.file, range, source: dockerfile.source });
}

/** Engine 20.10 says which image or registry, and not which line has it. The longest name that is told is the one meant. */
function lineOfImage(message: string, dockerfile: Dockerfile | undefined, host?: string): number | undefined {
  const above = new Set<string>();
  let found: { line: number; length: number } | undefined;
  for (const { from, name } of dockerfile?.stages ?? []) {
    const image = from.args[0]?.text ?? "";
    const repository = image.replace(/(?::[^/:]*)?(?:@.*)?$/, "");
    const isTold = saysWord(message, repository);
    const isOfHost = host !== undefined && image.startsWith(`${host}/`);
    if (repository !== "" && !above.has(image.toLowerCase()) && (isTold || isOfHost))
      if (!found || repository.length > found.length)
        found = { line: from.range.start.line, length: repository.length };
    if (name !== undefined) above.add(name.toLowerCase());
  }
  return found?.line;
}

/** Whether a name stands in a text as a whole, not as a part of a longer one. */
function saysWord(text: string, name: string): boolean {
  return text.split(name).some((before, index, parts) => {
    const after = parts[index + 1];
    return after !== undefined && !/[\w.-]$/.test(before) && !/^[\w.-]/.test(after);
  });
}

/** Engine 20.10 names the line only in words. */
function lineIn(message: string): number | undefined {
  const match = /parse error(?: on)? line (\d+)/i.exec(message);
  return match ? Number(match[1]) : undefined;
}

function rangeOfLine(line: number): ErrorRange {
  return { start: { line, column: 0 }, end: { line, column: 0 } };
}

/** The engine answered something that it never should. */
export function unexpected(error: unknown): EngineError {
  return new EngineError(`The engine refused a call: ${error instanceof Error ? error.message : String(error)}`, {
    code: "ENGINE_REFUSED",
    cause: error,
    hint: "`dfdebug doctor` says what this engine can do.",
  });
}
