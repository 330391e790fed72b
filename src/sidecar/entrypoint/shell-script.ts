/** Commands of a shell that change nothing about which program the next one is. */
const passed = new Set(["cd", "echo", "set", "trap", "true", "ulimit", "umask", ":"]);
/** What the shell does itself, or what makes the rest unknowable. */
const own = new Set(
  `. [ alias break builtin case command continue do done elif else esac eval exit export false fi for function getopts
  hash if jobs kill local printf pwd read readonly return shift source test then time times type unset until wait while
  [[ declare let shopt select bg fg history pushd popd typeset { } !`.split(/\s+/),
);

/** `"$@"`: the arguments that the script is given. */
export const allArguments = Symbol("$@");

/** A command as it stands in a script. */
export interface ScriptCommand {
  /** The program first; cut before a word that only the shell can tell. */
  readonly words: readonly (string | typeof allArguments)[];
  /** Names of variables that are set before it. */
  readonly assigned: readonly string[];
}

/**
 * The first program that a shell's script starts, as far as that can be read without running it: assignments, `exec` and
 * harmless builtins before it are passed over. Undefined for what begins with a variable, a compound command or a builtin.
 */
export function firstCommand(script: string): ScriptCommand | undefined {
  let isMoved = false;
  const assigned: string[] = [];
  const reader = new WordReader(script);
  for (let words = 0; words < 1000; words++) {
    const word = reader.next();
    if (word === undefined) return undefined;
    if (word.isOperator) {
      if (/^[;\n&]+$/.test(word.text) && word.text !== "&") continue;
      return undefined;
    }
    if (word.isAssignment) {
      if (word.text.startsWith("PATH=")) return undefined;
      assigned.push(word.text.replace(/=.*$/s, ""));
      continue;
    }
    if (word.isArguments) return { words: [allArguments, ...reader.rest()], assigned };
    if (word.isExpanded) return undefined;
    if (word.text === "exec") continue;
    if (own.has(word.text)) return undefined;
    if (!passed.has(word.text)) {
      if (isMoved && word.text.includes("/") && !word.text.startsWith("/")) return undefined;
      return { words: [word.text, ...reader.rest()], assigned };
    }
    isMoved ||= word.text === "cd";
    // To the end of the builtin's own words.
    if (!reader.skipCommand()) return undefined;
  }
  return undefined;
}

/** Names of the script's own arguments, which it may choose by, and words that may give it others. */
const looksAtArguments = /\$(?:[1-9@*#]|\{[#!]?[1-9@*#])|\b(?:shift|getopts)\b|\bset\s+(?:-\w+\s+)*--/;
/** What may change which program a name is: PATH, another script's commands, files that come and go. */
const changesPrograms =
  /\bPATH=|(?:^|[;&|]\s*|\b(?:then|do|else)\s+)(?:\.|source|eval|cd)\s|\b(?:install|curl|wget|cp|mv|ln|tar|unzip|chmod|git|pip3?|npm|pnpm|yarn|apk|apt|apt-get|make|go|cargo|mount)\b/m;

/**
 * What a script that only prepares something ends with: `exec ...` on its last line, reached whatever it is given. Undefined
 * where that cannot be told without running it.
 */
export function lastCommand(script: string): ScriptCommand | undefined {
  const lines = script
    .replace(/\\\n/g, " ")
    .split("\n")
    .filter((line) => !/^\s*(#|$)/.test(line));
  const last = lines.pop() ?? "";
  const before = lines.join("\n");
  // Indented, it belongs to something; behind another one, it may not be reached.
  if (!/^exec\s/.test(last) || /\bexec\s+[^<>\s]/.test(before)) return undefined;
  if (looksAtArguments.test(before) || changesPrograms.test(before)) return undefined;
  const command = firstCommand(last);
  const assigned = [...before.matchAll(/\b([A-Za-z_]\w*)=/g)].map(([, name = ""]) => name);
  return command && { words: command.words, assigned: [...assigned, ...command.assigned] };
}

interface Word {
  readonly text: string;
  readonly isOperator: boolean;
  /** `NAME=value`, whatever the value is. */
  readonly isAssignment: boolean;
  /** It has a variable, a command's output or a pattern in it. */
  readonly isExpanded: boolean;
  /** It is `"$@"`. */
  readonly isArguments: boolean;
}

/** A POSIX shell's words, as far as they are plain. */
class WordReader {
  private readonly script: string;
  private at = 0;

  constructor(script: string) {
    this.script = script;
  }

  /** Past the `;`, `&&` or line feed that ends the command; false where it ends otherwise, or with the script. */
  skipCommand(): boolean {
    for (let word = this.next(); word !== undefined; word = this.next())
      if (word.isOperator) {
        if (/^[<>]/.test(word.text)) continue;
        return [";", "&&", "\n"].includes(word.text);
      }
    return false;
  }

  next(): Word | undefined {
    const { script } = this;
    for (let blank; (blank = /^(?:[ \t]+|\\\n|#[^\n]*)/.exec(script.slice(this.at)));) this.at += blank[0].length;
    if (this.at >= script.length) return undefined;
    const operator = /^(?:&&|\|\||;;|[;&|()\n]|\d*[<>]+[&|]?)/.exec(script.slice(this.at))?.[0];
    if (operator !== undefined) {
      this.at += operator.length;
      return { text: operator, isOperator: true, isAssignment: false, isExpanded: false, isArguments: false };
    }
    return this.word();
  }

  /** The command's further words, up to one that only the shell can tell. */
  rest(): (string | typeof allArguments)[] {
    const words: (string | typeof allArguments)[] = [];
    for (let word = this.next(); word !== undefined; word = this.next()) {
      if (word.isOperator) {
        // A redirection and its file are no words of the command.
        if (!/^\d*[<>]/.test(word.text)) break;
        this.next();
      } else if (word.isArguments) words.push(allArguments);
      else if (word.isExpanded) break;
      else words.push(word.text);
    }
    return words;
  }

  private word(): Word {
    const start = this.at;
    let text = "";
    let quote = "";
    let isAssignment = false;
    let isPlain = true;
    let isExpanded = false;
    for (; this.at < this.script.length; this.at++) {
      const character = this.script[this.at] ?? "";
      if (quote === "" && /[ \t\n;&|()<>]/.test(character)) break;
      if (character === quote) quote = "";
      else if (quote === "" && (character === "'" || character === '"')) {
        quote = character;
        isPlain = false;
      } else if (character === "\\" && quote !== "'") {
        this.at++;
        isPlain = false;
        text += this.script[this.at] ?? "";
      } else {
        if (character === "=" && isPlain && /^[A-Za-z_]\w*$/.test(text)) isAssignment = true;
        if ((quote !== "'" && /[$`]/.test(character)) || (quote === "" && /[*?~]/.test(character))) isExpanded = true;
        text += character;
      }
    }
    const isArguments = /^"\$(?:@|\{@\})"$/.test(this.script.slice(start, this.at));
    return { text, isOperator: false, isAssignment, isExpanded, isArguments };
  }
}
