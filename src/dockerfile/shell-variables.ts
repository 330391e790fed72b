/*
 * The variables of a POSIX shell script: which it needs from its environment, and which it sets itself. What cannot be told
 * counts as set: a heredoc, eval, a sourced file or an indirect name may set anything.
 */

/** How a script uses a variable that it does not set. */
export interface NeededVariable {
  readonly name: string;
  /** It stands in a condition, too: that it is not set may be meant. */
  readonly isTested: boolean;
}

/** The variables that a script needs and does not set, in the order of their first use; none where that cannot be told. */
export function neededVariables(script: string): readonly NeededVariable[] {
  const reader = new VariableReader(script);
  if (!reader.read()) return [];
  return [...reader.used]
    .filter(([name]) => !reader.set.has(name))
    .map(([name, isTested]) => ({ name, isTested: isTested || reader.guarded.has(name) }));
}

/** Commands whose arguments are names that they set. */
const setting =
  /^(?:export|local|declare|readonly|typeset|read|for|select|getopts|mapfile|readarray|unset|let|printf)$/;
const testing = /^(?:\[|\[\[|test|case)$/;
const opaque = /^(?:eval|source|\.)$/;

class VariableReader {
  /** By name: whether it stands in a condition. */
  readonly used = new Map<string, boolean>();
  readonly set = new Set<string>();
  /** Used with a default somewhere. */
  readonly guarded = new Set<string>();
  private readonly text: string;
  private at = 0;
  private isTest = false;
  private isOpaque = false;

  constructor(text: string) {
    this.text = text;
  }

  /** False where the script cannot be understood. */
  read(): boolean {
    this.commands("");
    return !this.isOpaque && this.at >= this.text.length;
  }

  /** Commands up to a closing character; it is taken. */
  private commands(close: string): void {
    let isWordStart = true;
    let depth = 0;
    while (this.at < this.text.length && !this.isOpaque) {
      const character = this.text[this.at] ?? "";
      if (character === close && depth === 0) {
        this.at += 1;
        return;
      }
      if (isWordStart && this.word()) {
        isWordStart = false;
        continue;
      }
      isWordStart = /[\s;&|()!`]/.test(character);
      if (/[\n;&|]/.test(character)) this.isTest = false;
      if (character === "(") depth += 1;
      else if (character === ")") depth = Math.max(0, depth - 1);
      this.piece(character, false);
    }
    if (close !== "") this.isOpaque = true;
  }

  /** A word that means something to us begins here; true where it was taken. */
  private word(): boolean {
    const rest = this.text.slice(this.at);
    if (rest.startsWith("#")) {
      this.at += /^[^\n]*/.exec(rest)?.[0].length ?? 0;
      return true;
    }
    const [assigned, name] = /^([A-Za-z_]\w*)(?:\[[^\]]*\])?\+?=/.exec(rest) ?? [];
    if (assigned !== undefined && name !== undefined) {
      this.set.add(name);
      this.at += assigned.length;
      return true;
    }
    if (rest.startsWith("((")) this.names(/^\(\([^)]*/.exec(rest)?.[0] ?? "");
    const word = /^(?:[A-Za-z_]\w*|\[\[?|\]\]?|\.)(?=[\s;]|$)/.exec(rest)?.[0];
    if (word === undefined) return false;
    if (opaque.test(word)) this.isOpaque = true;
    if (setting.test(word)) this.names(/^[^;&|\n]*/.exec(rest)?.[0].slice(word.length) ?? "");
    if (testing.test(word)) this.isTest = true;
    else if (/^(?:\]\]?|in)$/.test(word)) this.isTest = false;
    this.at += word.length;
    return true;
  }

  /** All names in a text count as set. */
  private names(text: string): void {
    for (const [, name] of text.matchAll(/(?<![$\w{])([A-Za-z_]\w*)/g)) if (name !== undefined) this.set.add(name);
  }

  /** One character of a word, or what begins with it. */
  private piece(character: string, isQuoted: boolean): void {
    if (character === "\\") this.at += 2;
    else if (character === "$") this.expansion(isQuoted);
    else if (character === "`") {
      this.at += 1;
      this.commands("`");
    } else if (!isQuoted && character === "'") this.singleQuotes(1, /'/g);
    else if (!isQuoted && character === '"') {
      this.at += 1;
      this.rest('"', true);
    } else {
      if (!isQuoted && /^<<(?!<)/.test(this.text.slice(this.at, this.at + 3))) this.isOpaque = true;
      this.at += !isQuoted && this.text.startsWith("<<<", this.at) ? 3 : 1;
    }
  }

  private singleQuotes(skipped: number, end: RegExp): void {
    end.lastIndex = this.at + skipped;
    if (end.exec(this.text)) this.at = end.lastIndex;
    else this.isOpaque = true;
  }

  /** The rest of a quoted text or an expansion, to its end, which is taken. */
  private rest(end: string, isQuoted: boolean): void {
    while (this.at < this.text.length && !this.isOpaque) {
      const character = this.text[this.at] ?? "";
      if (character === end) {
        this.at += 1;
        return;
      }
      this.piece(character, isQuoted);
    }
    this.isOpaque = true;
  }

  private expansion(isQuoted: boolean): void {
    const rest = this.text.slice(this.at);
    if (!isQuoted && rest.startsWith("$'")) {
      this.singleQuotes(2, /(?<!\\)(?:\\\\)*'/g);
      return;
    }
    if (rest.startsWith("$(")) {
      if (rest.startsWith("$((")) this.names(/^\$\(\([^)]*/.exec(rest)?.[0].slice(1) ?? "");
      const before = this.isTest;
      this.at += 2;
      this.commands(")");
      this.isTest = before;
      return;
    }
    const [plain, name] = /^\$([A-Za-z_]\w*)/.exec(rest) ?? [];
    if (plain !== undefined && name !== undefined) {
      this.use(name);
      this.at += plain.length;
    } else if (rest.startsWith("${")) this.braces(rest);
    else this.at += /^\$[\d@*#?$!-]/.test(rest) ? 2 : 1;
  }

  private braces(rest: string): void {
    const [head, name, operator] = /^\$\{#?([A-Za-z_]\w*|\d+|[@*#?$!-])(:?[-=?+])?/.exec(rest) ?? [];
    if (head === undefined || name === undefined) {
      // An indirect name, or no variable at all.
      this.isOpaque = true;
      return;
    }
    if (/^[A-Za-z_]/.test(name)) {
      if (operator === undefined) this.use(name);
      else this.guarded.add(name);
      if (operator?.endsWith("=")) this.set.add(name);
    }
    this.at += head.length;
    this.rest("}", false);
  }

  private use(name: string): void {
    this.used.set(name, this.used.get(name) === true || this.isTest);
  }
}
