/** An instruction's part of the command line. */
export interface CommandPart {
  readonly instruction: "ENTRYPOINT" | "CMD";
  readonly words: readonly string[];
  /** An image keeps no trace of the form: what the shell form makes is taken for it. */
  readonly form: "shell" | "exec";
}

/** ENTRYPOINT and CMD combined. */
export interface CommandLine {
  readonly argv: readonly string[];
  readonly parts: readonly CommandPart[];
}

/** `shell`: the image's SHELL, or the default. */
export function combineCommand(
  entrypoint: readonly string[] | null | undefined,
  cmd: readonly string[] | null | undefined,
  shell: readonly string[],
): CommandLine {
  const parts = [
    { instruction: "ENTRYPOINT", words: entrypoint ?? [] } as const,
    { instruction: "CMD", words: cmd ?? [] } as const,
  ].filter(({ words }) => words.length > 0);
  return {
    argv: parts.flatMap(({ words }) => words),
    parts: parts.map((part) => ({ ...part, form: isShellForm(part.words, shell) ? "shell" : "exec" })),
  };
}

function isShellForm(words: readonly string[], shell: readonly string[]): boolean {
  return words.length === shell.length + 1 && shell.every((word, index) => words[index] === word);
}

/** Which instruction a word of the command line comes from. */
export function originOf({ parts }: CommandLine, index: number): CommandPart["instruction"] {
  const [first] = parts;
  return (first && index < first.words.length ? first : (parts[1] ?? first))?.instruction ?? "CMD";
}

const shells = new Set(["sh", "ash", "bash", "dash", "ksh", "zsh"]);

/** Where in a command line a shell's script stands (`sh -ec SCRIPT`); undefined where it is none. */
export function shellScriptIndex(argv: readonly string[]): number | undefined {
  if (!shells.has(argv[0]?.split("/").at(-1) ?? "")) return undefined;
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (/^-[a-zA-Z]*c[a-zA-Z]*$/.test(word)) return at + 1 < argv.length ? at + 1 : undefined;
    if (!/^[-+]/.test(word)) return undefined;
  }
  return undefined;
}

/** Commands of a shell that change nothing about which program the next one is. */
const passed = new Set(["cd", "echo", "set", "trap", "true", "ulimit", "umask", ":"]);
/** What the shell does itself, or what makes the rest unknowable. */
const own = new Set(
  `. [ alias break builtin case command continue do done elif else esac eval exit export false fi for function getopts
  hash if jobs kill local printf pwd read readonly return shift source test then time times type unset until wait while
  [[ declare let shopt select bg fg history pushd popd typeset { } !`.split(/\s+/),
);

/**
 * The first program that a shell's script starts, as far as that can be read without running it: assignments, `exec` and
 * harmless builtins before it are passed over. Undefined for what begins with a variable, a compound command or a builtin.
 */
export function firstProgram(script: string): string | undefined {
  let isMoved = false;
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
      continue;
    }
    if (word.isExpanded) return undefined;
    if (word.text === "exec") continue;
    if (own.has(word.text)) return undefined;
    if (!passed.has(word.text))
      return isMoved && word.text.includes("/") && !word.text.startsWith("/") ? undefined : word.text;
    isMoved ||= word.text === "cd";
    // To the end of the builtin's own words.
    if (!reader.skipCommand()) return undefined;
  }
  return undefined;
}

interface Word {
  readonly text: string;
  readonly isOperator: boolean;
  /** `NAME=value`, whatever the value is. */
  readonly isAssignment: boolean;
  /** It has a variable, a command's output or a pattern in it. */
  readonly isExpanded: boolean;
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
      return { text: operator, isOperator: true, isAssignment: false, isExpanded: false };
    }
    return this.word();
  }

  private word(): Word {
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
    return { text, isOperator: false, isAssignment, isExpanded };
  }
}
