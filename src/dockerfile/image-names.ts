import { DockerfileError } from "../errors.js";
import { expandAt, globalValues, type GlobalOptions } from "./globals.js";
import { contextName } from "./image-reference.js";
import { mountField, mountFields } from "./mount.js";
import type { Dockerfile, Flag, Instruction, Range, Stage } from "./syntax.js";

/** A name that the engine takes for an image, and where it stands. */
export interface ImageName {
  /** A FROM's with its variables expanded; never empty. */
  readonly name: string;
  readonly stage: Stage;
  readonly instruction: Instruction;
  readonly range: Range;
}

/**
 * The images that a Dockerfile names, in file order: by FROM, COPY --from and a mount's from. Names of stages above are none
 * (see planBuild), nor are `scratch` and the build contexts that were given (by contextName). A FROM whose variables cannot be
 * expanded is left out.
 */
export function imageNames(
  dockerfile: Dockerfile,
  options: GlobalOptions & { readonly contexts: Iterable<string> },
): ImageName[] {
  const known = new Set(["scratch", "context"]);
  const contexts = new Set(options.contexts);
  const globals = quietly(() => globalValues(dockerfile, options)) ?? new Map<string, string>();
  const found: ImageName[] = [];
  for (const stage of dockerfile.stages) {
    const written = stage.from.args[0];
    const base = written && quietly(() => expandAt(dockerfile, written.text, globals, written.range));
    if (written && base && !known.has(base) && !contexts.has(contextName(base)))
      found.push({ name: base, stage, instruction: stage.from, range: written.range });
    for (const instruction of stage.instructions)
      for (const flag of instruction.flags) {
        const name = namedBy(instruction, flag);
        if (!name || known.has(name.toLowerCase()) || /^[+-]?\d+$/.test(name)) continue;
        if (!contexts.has(contextName(name)))
          found.push({ name, stage, instruction, range: rangeIn(dockerfile, flag, `from=${name}`) });
      }
    if (stage.name !== undefined) known.add(stage.name);
  }
  return found;
}

/** What a flag reads from. */
function namedBy({ keyword }: Instruction, { name, value }: Flag): string | undefined {
  if (keyword === "COPY" && name === "from") return value;
  if (keyword !== "RUN" || name !== "mount" || value === undefined) return undefined;
  return mountField(mountFields(value) ?? [], "from");
}

/** The part of a flag that reads so; the whole flag where it is written in another way. */
function rangeIn({ source }: Dockerfile, { range }: Flag, text: string): Range {
  const at = source.slice(range.start.offset, range.end.offset).indexOf(text);
  if (at < 0 || range.start.line !== range.end.line) return range;
  const shifted = (by: number): Range["start"] => ({
    line: range.start.line,
    column: range.start.column + by,
    offset: range.start.offset + by,
  });
  return { start: shifted(at), end: shifted(at + text.length) };
}

/** Undefined where the Dockerfile does not allow it: that is said where the build is planned. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof DockerfileError) return undefined;
    throw error;
  }
}
