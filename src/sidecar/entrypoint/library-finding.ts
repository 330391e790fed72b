import type { Finding, RunInstruction } from "./finding.js";
import type { LibraryProblem } from "./libraries.js";

/** A library's problem in the words of the report. `program`: the one that loads it. */
export function libraryFinding(
  problem: LibraryProblem,
  program: { readonly path: string },
  instruction: RunInstruction,
): Finding {
  const { library, neededBy } = problem;
  const who = neededBy === program.path ? program.path : `${neededBy}, which ${program.path} loads,`;
  if (problem.kind === "version")
    return {
      kind: "library-version",
      instruction,
      message: `${who} needs ${problem.version} of ${library}, which is older here and has it not`,
      hint: /^GLIBC/.test(problem.version)
        ? "It was built on a newer system: build it on this base image, or use a newer one."
        : `Use a newer ${library}, or build against this one.`,
    };
  return {
    kind: "library-missing",
    instruction,
    message: `${who} needs the library ${library}, which its loader does not find`,
    hint: missingHint(problem),
  };
}

function missingHint(problem: Extract<LibraryProblem, { kind: "missing" }>): string {
  const { library, elsewhere, isConfigured, others } = problem;
  if (elsewhere !== undefined && isConfigured)
    return `It is in ${elsewhere}, and /etc/ld.so.cache does not know it: RUN ldconfig.`;
  if (elsewhere !== undefined)
    return `It is in ${elsewhere}, which is not searched: ENV LD_LIBRARY_PATH=${elsewhere}, or an RPATH.`;
  if (others.length > 0) return `The image has ${others.join(", ")}: another version.`;
  return /^libc\.so\.6$/.test(library)
    ? "It was built for glibc: use a base image that has it (debian, ubuntu), or build static."
    : "Install the package that has it, copy it from the stage that built the program, or link it statically.";
}
