import { argDeclarations, expandAt } from "./globals.js";
import { problem } from "./problem.js";
import type { Dockerfile, Stage } from "./syntax.js";

/** A name that lacks a part: `node:`, `/app`, `registry//app`, `app:@sha256:…`. */
const incomplete = /^[:/@]|[:/@]$|\/[:/@]|:@/;

/** The image or stage that a FROM names, its variables expanded. Throws DockerfileError where they make no name. */
export function baseName(dockerfile: Dockerfile, stage: Stage, globals: ReadonlyMap<string, string>): string {
  const written = stage.from.args[0];
  if (written === undefined) throw problem(dockerfile, "MISSING_ARGUMENTS", "FROM needs an image", stage.from.range);
  const name = expandAt(dockerfile, written.text, globals, written.range);
  const isBlank = name === "";
  if (!isBlank && !(written.text.includes("$") && incomplete.test(name))) return name;
  throw problem(
    dockerfile,
    "BLANK_BASE",
    `the image name ${written.text} expands to ${isBlank ? "nothing" : `"${name}"`}`,
    written.range,
    blankHint(dockerfile, written.text, globals),
  );
}

/** What to do about the variables that have no value. */
function blankHint(dockerfile: Dockerfile, text: string, globals: ReadonlyMap<string, string>): string {
  const unset = [...text.matchAll(/\$\{?(\w+)/g)].map((match) => match[1] ?? "").filter((name) => !globals.get(name));
  const name = unset.length === 1 ? unset[0] : undefined;
  const late = dockerfile.stages
    .flatMap(({ instructions }) => instructions)
    .find((one) => one.keyword === "ARG" && argDeclarations(one).some((declared) => declared.name === name));
  if (name !== undefined && late)
    return `ARG ${name} on line ${String(late.range.start.line)} is of a stage: FROM sees those before the first FROM only.`;
  return `Give ${name ?? "its variable"} a default in an ARG before the first FROM, or a value with --build-arg.`;
}
