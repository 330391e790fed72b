import { expansionProblem } from "./check.js";
import { expand, type Variables } from "./expand.js";
import { defaultPlatform, formatPlatform, parsePlatform } from "./platform.js";
import type { Dockerfile, Instruction, Range } from "./syntax.js";

export interface GlobalOptions {
  readonly target?: string | undefined;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly platform?: string | undefined;
  readonly buildPlatform?: string | undefined;
}

/** One `NAME` or `NAME=default` of an ARG as written. */
export interface ArgDeclaration {
  readonly name: string;
  readonly value: string | undefined;
  readonly range: Range;
}

/** What an ARG declares. */
export function argDeclarations(instruction: Instruction): ArgDeclaration[] {
  return instruction.args.map(({ text, range }) => {
    const equals = text.indexOf("=");
    return equals === -1
      ? { name: text, value: undefined, range }
      : { name: text.slice(0, equals), value: text.slice(equals + 1), range };
  });
}

/** TARGETPLATFORM and the like, which BuildKit sets before the first ARG; --build-arg wins over them. */
export function platformArgs(dockerfile: Dockerfile, options: GlobalOptions): Map<string, string> {
  const build = (options.buildPlatform && parsePlatform(options.buildPlatform)) || undefined;
  const target = (options.platform && parsePlatform(options.platform)) || build || defaultPlatform;
  const host = build ?? target;
  const stage = options.target ?? dockerfile.stages.at(-1)?.name ?? "default";
  const values: readonly (readonly [string, string])[] = [
    ["BUILDPLATFORM", formatPlatform(host)],
    ["BUILDOS", host.os],
    ["BUILDOSVERSION", ""],
    ["BUILDARCH", host.architecture],
    ["BUILDVARIANT", host.variant],
    ["TARGETPLATFORM", formatPlatform(target)],
    ["TARGETOS", target.os],
    ["TARGETOSVERSION", ""],
    ["TARGETARCH", target.architecture],
    ["TARGETVARIANT", target.variant],
    ["TARGETSTAGE", stage],
  ];
  return new Map(values.map(([name, value]) => [name, options.buildArgs.get(name) ?? value]));
}

/** The values that FROM sees: platform arguments, and the ARGs before the first FROM. Throws DockerfileError. */
export function globalValues(dockerfile: Dockerfile, options: GlobalOptions): Map<string, string> {
  const values = platformArgs(dockerfile, options);
  for (const instruction of dockerfile.globalArgs) {
    for (const { name, value, range } of argDeclarations(instruction)) {
      const given = options.buildArgs.get(name);
      if (given !== undefined) values.set(name, given);
      else if (value !== undefined) values.set(name, expandAt(dockerfile, value, values, range));
    }
  }
  return values;
}

/** Expands one word of a Dockerfile. Throws DockerfileError at `range`. */
export function expandAt(dockerfile: Dockerfile, text: string, variables: Variables, range: Range): string {
  try {
    return expand(text, variables, { escape: dockerfile.escape }).text;
  } catch (error) {
    throw expansionProblem(dockerfile, error, range);
  }
}
