import { BuildError, DockerfileError, type DfdebugError, type ErrorDetails, type ErrorRange } from "../../errors.js";
import { imageNames, type ImageName } from "../../dockerfile/image-names.js";
import { likelyPlatform } from "../../dockerfile/platform.js";
import { guessStage } from "../../dockerfile/stage-guess.js";
import type { Dockerfile, Instruction } from "../../dockerfile/syntax.js";
import type { BuildRequest } from "../engine.js";
import { contextFailure } from "./context-failure.js";
import { cleaned, diskFull, diskFullHint, type CallError } from "./failures.js";
import type { AskedRegistries } from "./registry-failure.js";

interface Known {
  readonly pattern: RegExp;
  readonly code: string;
  readonly message: (match: RegExpExecArray) => string;
  readonly hint: string;
  /** An image was not to be had, by that name. */
  readonly isPull?: boolean;
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
    pattern: /toomanyrequests|429 Too Many Requests/i,
    code: "IMAGE_PULL",
    message: () => "The registry gives no more images for now",
    isPull: true,
    hint: "Its limit of pulls is reached: `docker login` raises Docker Hub's, and dfdebug uses the same credentials; or wait, or pull through a mirror (registry-mirrors in the engine's daemon.json).",
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
    isPull: true,
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
    isPull: true,
    hint: "Check its name and tag. Images that exist only in another engine must be pushed, or loaded with docker load.",
  },
];

/** An error that belongs to no step, or that came up while the build was planned. */
export function planError(
  error: CallError,
  parts: {
    request: Pick<
      BuildRequest,
      "buildArgs" | "buildContexts" | "context" | "dockerfileName" | "ignoreSyntax" | "platform" | "target"
    >;
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
  const line = error.sources[0]?.startLine || lineIn(error.message) || lineOfValue(words, dockerfile);
  const heredoc = dockerfile && refusedHeredoc(dockerfile, line);
  if (heredoc)
    return new DockerfileError("This engine's own Dockerfile frontend knows no heredocs", {
      code: "FRONTEND_TOO_OLD",
      file: dockerfile.file,
      range: rangeOfLine(heredoc.range.start.line),
      source: dockerfile.source,
      cause: error,
      hint: "Docker Engine 23.0 and later do, or `# syntax=docker/dockerfile:1` as the first line (pulled from a registry).",
    });
  const refusal = registries.refusal(error.message, words);
  const names = dockerfile ? imageNames(dockerfile, { ...request, contexts: request.buildContexts.keys() }) : [];
  const told = toldName(error.message, names, { line, host: refusal?.host });
  const lineOrName = line || told?.range.start.line;
  const range = lineOrName ? rangeOfLine(lineOrName) : undefined;
  const asStage = (code: string, hint: string): DfdebugError | undefined =>
    dockerfile && stageError({ dockerfile, names, told, contexts: request.buildContexts.keys() }, error, code, hint);
  if (refusal)
    return (
      asStage(refusal.code, refusal.hint ?? "") ??
      located(refusal.message, { ...refusal, cause: error }, dockerfile, range)
    );
  if (diskFull(error.message)) {
    const details = { code: "ENGINE_DISK_FULL", hint: diskFullHint, cause: error };
    return located(`The engine's disk is full: ${words}`, details, dockerfile, range);
  }
  for (const entry of known) {
    const match = entry.pattern.exec(error.message);
    if (!match) continue;
    const message = `${entry.message(match)}: ${words}`;
    // For another platform than its own an engine asks the registry, whatever it has for its own.
    const hint = [entry.hint, ...platformHints(told, request.platform)].join(" ");
    return (
      (entry.isPull && asStage(entry.code, hint)) ||
      located(message, { code: entry.code, hint, cause: error }, dockerfile, range)
    );
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

/** The error of a name that may have been meant for a stage; undefined where it can only be an image. */
function stageError(
  found: {
    dockerfile: Dockerfile;
    names: readonly ImageName[];
    told: ImageName | undefined;
    contexts: Iterable<string>;
  },
  error: CallError,
  code: string,
  hint: string,
): DfdebugError | undefined {
  const { dockerfile, told } = found;
  const contexts = [...found.contexts];
  const guesses = (told ? [told] : found.names).flatMap((use) => {
    const guess = guessStage(dockerfile, use, contexts);
    return guess && (told || guess.code !== undefined) ? [{ use, guess }] : [];
  });
  const [first, second] = guesses;
  // Engine 20.10 does not say which image a registry refused.
  if (!first || second) return undefined;
  const { use, guess } = first;
  const reason = pullReason(error.message, use.name);
  return new DockerfileError(guess.message, {
    code: guess.code ?? code,
    file: dockerfile.file,
    range: use.range,
    source: dockerfile.source,
    cause: error,
    hint: [guess.advice, reason, ...(guess.code === undefined ? [hint] : [])].join("\n"),
  });
}

/** What came of a name that the engine took for an image, in a sentence. */
export function pullReason(message: string, name: string): string {
  // BuildKit guesses as well, by fewer names.
  const words = cleaned(message).replace(/ \(did you mean [^)]*\)$/, "");
  const told = words.startsWith(`${name}: `) ? words.slice(name.length + 2) : words;
  return `The engine took it for an image: ${cleaned(told)}`;
}

/** The name that an error is about; engine 20.10 says it without a line. The longest name that is told is the one meant. */
function toldName(
  message: string,
  names: readonly ImageName[],
  at: { line: number | undefined; host: string | undefined },
): ImageName | undefined {
  let found: { use: ImageName; length: number } | undefined;
  for (const use of names) {
    const { start, end } = use.instruction.range;
    if (at.line && (at.line < start.line || at.line > end.line)) continue;
    const repository = use.name.replace(/(?::[^/:]*)?(?:@.*)?$/, "");
    const isTold = saysWord(message, repository) || (at.host !== undefined && use.name.startsWith(`${at.host}/`));
    if (isTold && (!found || repository.length > found.length)) found = { use, length: repository.length };
  }
  return found?.use;
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

/** The instruction whose heredoc a frontend that knows none took for instructions: others blame an instruction's first line. */
function refusedHeredoc({ stages }: Dockerfile, line: number | undefined): Instruction | undefined {
  return stages
    .flatMap(({ instructions }) => instructions)
    .find(({ heredocs: [first], range }) => line && first && line >= first.range.start.line && line <= range.end.line);
}

/** Nor does it name one for a value that an EXPOSE or a STOPSIGNAL does not take: `Invalid containerPort: http`. */
function lineOfValue(words: string, dockerfile: Dockerfile | undefined): number | undefined {
  const [, value] = /^Invalid (?:\w+): (\S+)$/.exec(words) ?? [];
  if (value === undefined) return undefined;
  const instructions = dockerfile?.stages.flatMap((stage) => stage.instructions) ?? [];
  const found = instructions.find(({ args }) => args.some(({ text }) => text.split(/[:/]/).includes(value)));
  return found?.range.start.line;
}

/** For which platform an image has to be, where that is said. */
function platformHints(told: ImageName | undefined, requested: string | undefined): string[] {
  const flag =
    told?.instruction === told?.stage.from ? told?.stage.from.flags.find(({ name }) => name === "platform") : undefined;
  const platform = flag?.value ?? requested;
  if (!platform) return [];
  const likely = likelyPlatform(platform);
  return [
    `It has to be one for --platform ${platform}.`,
    ...(likely === undefined ? [] : [`No processor is called so: did you mean ${likely}?`]),
  ];
}

function rangeOfLine(line: number): ErrorRange {
  return { start: { line, column: 0 }, end: { line, column: 0 } };
}
