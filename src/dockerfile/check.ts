import { checkFlags } from "./flags.js";
import { heredocStart } from "./heredoc.js";
import { ExpansionError } from "./expand.js";
import { problem, type DockerfileErrorCode, type Origin } from "./problem.js";
import type { Instruction, Keyword, Range } from "./syntax.js";

/** What each instruction needs, for the hint of a message about it. */
const usage: Readonly<Record<Keyword, string>> = {
  ADD: "ADD SOURCE... DESTINATION",
  ARG: "ARG NAME[=DEFAULT]...",
  CMD: 'CMD ["program", "argument"]',
  COPY: "COPY SOURCE... DESTINATION",
  ENTRYPOINT: 'ENTRYPOINT ["program", "argument"]',
  ENV: "ENV NAME=VALUE...",
  EXPOSE: "EXPOSE PORT[/PROTOCOL]...",
  FROM: "FROM IMAGE [AS NAME]",
  HEALTHCHECK: "HEALTHCHECK [--interval=30s] CMD command, or HEALTHCHECK NONE",
  LABEL: "LABEL NAME=VALUE...",
  MAINTAINER: "MAINTAINER NAME",
  ONBUILD: "ONBUILD INSTRUCTION",
  RUN: "RUN command",
  SHELL: 'SHELL ["/bin/bash", "-c"]',
  STOPSIGNAL: "STOPSIGNAL SIGTERM",
  USER: "USER NAME[:GROUP]",
  VOLUME: 'VOLUME PATH..., or VOLUME ["/path"]',
  WORKDIR: "WORKDIR PATH",
};

/** Instructions that are wrong without an argument. RUN, CMD and ENTRYPOINT may be empty: BuildKit takes them. */
const needsArgument: ReadonlySet<Keyword> = new Set<Keyword>([
  "ARG",
  "ENV",
  "EXPOSE",
  "HEALTHCHECK",
  "LABEL",
  "MAINTAINER",
  "ONBUILD",
  "SHELL",
  "STOPSIGNAL",
  "USER",
  "VOLUME",
  "WORKDIR",
]);

/** What names a stage, lower-case. */
export const stageName = /^[a-z][a-z0-9\-_.]*$/;

/** What cannot be expanded or lexed, as a DockerfileError at `range`. Other errors come back as they are. */
export function expansionProblem(origin: Origin, error: unknown, range: Range): unknown {
  if (!(error instanceof ExpansionError)) return error;
  const hints: Readonly<Record<ExpansionError["code"], string>> = {
    UNTERMINATED_QUOTE: "Close the quote, or write the escape character before it.",
    BAD_SUBSTITUTION: "Write $NAME, ${NAME}, ${NAME:-default} or ${NAME:+value}; \\$ for a dollar sign.",
    REQUIRED_VARIABLE: "Give it a value with ENV, ARG or --build-arg.",
  };
  return problem(origin, error.code, error.message, range, hints[error.code]);
}

/** Checks one instruction as BuildKit's instructions package does. Throws DockerfileError. */
export function checkInstruction(origin: Origin, instruction: Instruction, lenientFlags: boolean): void {
  const { keyword, args, json } = instruction;
  const fail = (code: DockerfileErrorCode, message: string, range = instruction.range, hint?: string) =>
    problem(origin, code, message, range, hint ?? `Write ${usage[keyword]}.`);

  if (needsArgument.has(keyword) && args.length === 0) throw fail("MISSING_ARGUMENTS", `${keyword} needs an argument`);
  if (keyword === "HEALTHCHECK" && args[0]?.text.toUpperCase() === "NONE") {
    if (args[1] !== undefined) throw fail("BAD_HEALTHCHECK", "HEALTHCHECK NONE takes no arguments", args[1].range);
    return;
  }
  switch (keyword) {
    case "FROM":
      checkFrom();
      break;
    case "COPY":
    case "ADD":
      checkCopy();
      break;
    case "HEALTHCHECK":
      if (args[0] !== undefined && args[0].text.toUpperCase() !== "CMD") {
        throw fail("BAD_HEALTHCHECK", `HEALTHCHECK has no form ${args[0].text}`, args[0].range);
      }
      if (args.length < 2) throw fail("BAD_HEALTHCHECK", "HEALTHCHECK CMD needs a command");
      break;
    case "SHELL":
      if (json === undefined) {
        throw fail(
          "BAD_JSON_FORM",
          "SHELL must be written in JSON form",
          undefined,
          'Write an array of strings in double quotes, as in SHELL ["/bin/bash", "-c"].',
        );
      }
      break;
    case "ARG":
      for (const arg of args) if (arg.text.startsWith("=")) throw blankName(arg.range);
      break;
    case "ENV":
    case "LABEL":
      for (const pair of keyValues(instruction)) if (pair.name === "") throw blankName(pair.range);
      break;
    case "VOLUME":
      (json ?? args.map((arg) => arg.text)).forEach((path, index) => {
        if (path.trim() === "") throw fail("BAD_VALUE", "VOLUME cannot be an empty path", args[index]?.range);
      });
      break;
    case "ONBUILD":
      checkTrigger();
      break;
    default:
  }
  checkFlags(origin, keyword, instruction.flags, lenientFlags);

  function blankName(range: Range) {
    return fail("BAD_KEY_VALUE", `${keyword} has a blank name`, range);
  }

  function checkFrom(): void {
    const [, as, name] = args;
    if (args.length === 3 && as?.text.toLowerCase() === "as" && name !== undefined) {
      if (stageName.test(name.text.toLowerCase())) return;
      throw fail(
        "BAD_STAGE_NAME",
        `"${name.text}" cannot name a stage`,
        name.range,
        "A stage's name begins with a letter and holds only letters, digits, -, _ and dots.",
      );
    }
    if (args.length === 0) throw fail("MISSING_ARGUMENTS", "FROM needs an image");
    if (args.length !== 1) {
      throw fail("TOO_MANY_ARGUMENTS", "FROM takes one argument, or three: IMAGE AS NAME", as?.range);
    }
  }

  function checkCopy(): void {
    const destination = args.at(-1);
    if (args.length < 2 || destination === undefined) {
      throw fail("MISSING_ARGUMENTS", `${keyword} needs a source and a destination`);
    }
    let heredoc;
    try {
      heredoc = heredocStart(json?.at(-1) ?? destination.text);
    } catch {
      return;
    }
    if (heredoc !== undefined) {
      throw fail("BAD_HEREDOC", `the destination of ${keyword} cannot be a heredoc`, destination.range);
    }
  }

  function checkTrigger(): void {
    const inner = args[0]?.text.split(/[\t\v\f\r ]/, 1)[0]?.toUpperCase() ?? "";
    if (inner !== "ONBUILD" && inner !== "FROM" && inner !== "MAINTAINER") return;
    throw fail(
      "BAD_TRIGGER",
      `${inner} cannot stand in ONBUILD`,
      instruction.trigger?.keywordRange,
      "ONBUILD takes any instruction but ONBUILD, FROM and MAINTAINER.",
    );
  }
}

/** A `name=value` of ENV or LABEL as written. */
export interface KeyValue {
  readonly name: string;
  readonly value: string;
  readonly range: Range;
}

/** The pairs of an ENV or LABEL, its old form `ENV name value` included. */
export function keyValues(instruction: Instruction): KeyValue[] {
  const [first, second] = instruction.args;
  if (first !== undefined && second !== undefined && !first.text.includes("=")) {
    return [{ name: first.text, value: second.text, range: { start: first.range.start, end: second.range.end } }];
  }
  return instruction.args.map((arg) => {
    const equals = arg.text.indexOf("=");
    return { name: arg.text.slice(0, equals), value: arg.text.slice(equals + 1), range: arg.range };
  });
}
