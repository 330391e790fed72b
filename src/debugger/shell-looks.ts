import { withoutCommands, type ShorterText } from "../dockerfile/edit.js";

/*
 * Which commands that were typed at a shell only look around. Where it cannot be told a command counts as one that does
 * something: what is left out of a fix by mistake is missing in the Dockerfile.
 */

function names(list: string): ReadonlySet<string> {
  return new Set(list.split(" "));
}

/** Programs that show something, and are no condition for what follows. */
const showing = names(
  "ls ll pwd cat less more head tail grep egrep find env printenv echo printf history clear id whoami groups hostname stat file df du ps top uname date tree wc man help",
);
/** What else changes no file, or none in a way that a Dockerfile could: conditions, heads of loops, editors. */
const harmless = names("for select which type command exit vi vim nano alias true test [");
/** What may stand in a pipeline behind what it shows. */
const filters = names("awk column cut nl rev sed sort tac tr uniq");

/** Whether a simple command changes nothing. */
export function onlyLooks(command: string): boolean {
  const shown = withoutHarmlessParts(command);
  const name = programOf(shown);
  return (showing.has(name) || harmless.has(name)) && !writes(shown);
}

/**
 * What was typed without the commands that only showed something, but for those of programs that the instruction (`original`)
 * runs itself: they are its own.
 */
export function withoutLooks(text: string, original: string): ShorterText {
  const own = names(original.replaceAll(/[^\w./-]+/g, " "));
  const isLook = (parts: readonly string[]): boolean =>
    parts.every((part, index) => {
      const shown = withoutHarmlessParts(part);
      const name = programOf(shown);
      const isKnown = showing.has(name) || (index > 0 && filters.has(name) && !/\s-i/.test(shown));
      // A quiet grep is there for its exit code; a substitution may do anything.
      const isPlain = !/\$\(|`|\s(?:-\w*q\w*|--quiet|--silent)\b/.test(shown);
      return isKnown && isPlain && !writes(shown) && !own.has(name);
    });
  return withoutCommands(text, isLook) ?? { text, lacksCode: false };
}

/** Without redirections that make no file, and without programs that only run the one behind them. */
function withoutHarmlessParts(command: string): string {
  return command
    .replaceAll(/\s*\d?>\s*(?:&\s*\d|\/dev\/null)/g, "")
    .replace(/^(?:(?:env|command)\s+(?:\w+=\S*\s+)*(?=[^-\s]))+/, "")
    .trim();
}

function programOf(command: string): string {
  return /^\S*/.exec(command)?.[0].replace(/^.*\/(?=.)/, "") ?? "";
}

function writes(command: string): boolean {
  return />/.test(command.replaceAll(/'[^']*'|"[^"]*"/g, "")) || /^find\s.*\s-(?:delete|exec|ok|fprint)/s.test(command);
}
