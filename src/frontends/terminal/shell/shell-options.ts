/** What would end an interactive shell, or make it print or forget what nobody wants at a prompt. */
const scriptOnly = new Set(["errexit", "nounset", "xtrace", "verbose", "noexec", "onecmd", "monitor", "privileged"]);

/** Options by their names, as `set -o` and bash's `shopt -s` take them. */
export interface NamedOptions {
  readonly set: readonly string[];
  readonly shopt: readonly string[];
}

/** The named options of a step's SHELL (`-o pipefail`, `-euo pipefail`, `-O globstar`) that an interactive shell can have, too. */
export function namedOptions(shell: readonly string[]): NamedOptions {
  const behind = (flag: RegExp): string[] =>
    shell.filter((name, index) => flag.test(shell[index - 1] ?? "") && /^\w+$/.test(name) && !scriptOnly.has(name));
  return { set: behind(/^-[A-Za-z]*o$/), shopt: behind(/^-[A-Za-z]*O$/) };
}
