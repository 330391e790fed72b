import { SessionStateError } from "../../errors.js";

/** What a shell would take for a pipe, a redirection or the end of a command. */
const operator = /^(?:\|\|?|&&?|;)$|^(?:\d?>>?|<)|;$/;

/**
 * A prompt of dfdebug's is no shell: a line that a shell would take apart is refused, for the command would get a `|` or a `>`
 * as its argument. What is quoted is meant. `hint` says what does it. Throws SessionStateError.
 */
export function refuseShellOperators(line: string, hint: string): void {
  const words = [...line.matchAll(/"[^"]*"|'[^']*'|\S+/g)].map(([word]) => word);
  // The command's name may be joined with it: `logs|tail`.
  const glued = /^[\w-]+(\|\|?|&&|;|>)/.exec(words[0] ?? "")?.[1];
  const found = glued ?? words.find((word) => operator.test(word));
  if (found === undefined) return;
  throw new SessionStateError(`This prompt is no shell: it does not know ${/[|&;<>]+/.exec(found)?.[0] ?? found}`, {
    code: "NO_SHELL",
    hint,
  });
}
