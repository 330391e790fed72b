import { isBareHeredoc, joinedShellText, shellText } from "./shell-text.js";
import type { Instruction } from "./syntax.js";

/*
 * A SHELL with -e or -u ends its script early; a shell that somebody types into cannot, for it would end with the first typing
 * error. A command of such a step is typed in a subshell that has these options, where it ends as the step does.
 */

const wrapped = /^\(set -[eu]+;? ?([\s\S]*)\)$/;

/** Which of `e` and `u` a SHELL has, in that order; "" for none, and for what is no POSIX shell. */
export function strictOptions(shell: readonly string[]): string {
  const found = new Set<string>();
  const [program = "", ...words] = shell;
  if (!/(?:^|\/)(?:ba|da|a|z|k|mk)?sh$/.test(program)) return "";
  words.forEach((word, index) => {
    if (!/^-\w+$/.test(word)) return;
    for (const letter of word.slice(1)) found.add(letter);
    if (!word.endsWith("o")) return;
    const [, first = ""] = /^(errexit|nounset)$/.exec(words[index + 1] ?? "") ?? [];
    found.add(first === "errexit" ? "e" : first === "nounset" ? "u" : "");
  });
  return ["e", "u"].filter((letter) => found.has(letter)).join("");
}

/**
 * The command as it is typed where the step's SHELL is strict; as it stands where these options change nothing of it, or where
 * it ends in a comment.
 */
function strictText(text: string, shell: readonly string[]): string {
  const unquoted = text.replaceAll(/'[^']*'|\\[^]/g, "");
  const options = strictOptions(shell)
    .replace("e", /[;\n]|[^&>]&(?![&>\d])/.test(text.replaceAll(/\\\n/g, " ")) ? "e" : "")
    .replace("u", unquoted.includes("$") ? "u" : "");
  // A comment would take the parenthesis with it.
  if (options === "" || (!text.includes("\n") && /(?:^|\s)#/.test(text))) return text;
  return text.includes("\n") ? `(set -${options}\n${text}\n)` : `(set -${options}; ${text})`;
}

/**
 * A RUN in the forms in which it is typed at a prompt of the step's SHELL: as written, several lines where it has them, and on
 * one line where that is possible.
 */
export function typedText(
  instruction: Instruction,
  shell: readonly string[],
): { readonly whole: string; readonly joined: string | undefined } {
  const [whole, joined] = [shellText(instruction, shell), joinedShellText(instruction)];
  // Exec form has no shell, and a heredoc alone is given to one with these options.
  if (instruction.json !== undefined || isBareHeredoc(instruction)) return { whole, joined };
  return { whole: strictText(whole, shell), joined: joined === undefined ? undefined : strictText(joined, shell) };
}

/** Whether that is another text than the instruction's own. */
export function isTypedStrictly(instruction: Instruction, shell: readonly string[]): boolean {
  return typedText(instruction, shell).whole !== shellText(instruction, shell);
}

/** The command that was typed in `strictText`'s subshell; as it stands where it was not. */
export function withoutStrictText(text: string): string {
  return (wrapped.exec(text.trim())?.[1] ?? text).trim();
}
