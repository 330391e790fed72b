import { PatternError, removePrefix, removeSuffix, replacePattern } from "./pattern.js";
import { isSpace } from "./text.js";

/*
 * Variable expansion as BuildKit's frontend does it (frontend/dockerfile/shell): quotes, escapes, $name, ${name} with
 * every modifier, and word splitting.
 */

/** Where variables come from. A name that is set to nothing gives "", one that is not set undefined. */
export interface Variables {
  get(name: string): string | undefined;
}

export interface ExpandOptions {
  /** The file's escape character. */
  readonly escape: "\\" | "`";
  /** Quotes stay in the result. */
  readonly rawQuotes?: boolean;
  /** Escape characters stay in the result. */
  readonly rawEscapes?: boolean;
  /** A variable that is not set stays as written. */
  readonly keepUnset?: boolean;
  /** Quotes mean nothing: heredoc bodies. */
  readonly ignoreQuotes?: boolean;
}

export interface Expansion {
  readonly text: string;
  /** `text` split at white space that is not quoted. */
  readonly words: readonly string[];
  /** Names that were looked up and found. */
  readonly used: ReadonlySet<string>;
  /** Names that were looked up and not found. */
  readonly unset: ReadonlySet<string>;
}

export type ExpansionErrorCode = "UNTERMINATED_QUOTE" | "BAD_SUBSTITUTION" | "REQUIRED_VARIABLE";

/** What cannot be expanded. It knows neither file nor range: who expands an instruction makes it a DockerfileError. */
export class ExpansionError extends Error {
  readonly code: ExpansionErrorCode;

  constructor(code: ExpansionErrorCode, message: string) {
    super(message);
    this.name = "ExpansionError";
    this.code = code;
  }
}

/** More than anyone writes, and less than the stack holds. */
const maximumDepth = 500;

const specialParameters = new Set(["@", "*", "#", "?", "-", "$", "!", "0"]);

function isDigit(character: string): boolean {
  return character >= "0" && (character <= "9" || (character > "\x7f" && /^\p{Nd}$/u.test(character)));
}

function isLetter(character: string): boolean {
  if (character <= "\x7f") return /^[a-zA-Z]$/.test(character);
  return /^\p{L}$/u.test(character);
}

/** Splits a word while it is expanded: white space ends a word where it is neither quoted nor escaped. */
class WordSplitter {
  private readonly words: string[] = [];
  private current = "";

  addCharacter(character: string): void {
    if (!isSpace(character.charCodeAt(0))) this.current += character;
    else this.end();
  }

  addRaw(text: string): void {
    this.current += text;
  }

  addText(text: string): void {
    for (const character of text) this.addCharacter(character);
  }

  private end(): void {
    if (this.current !== "") this.words.push(this.current);
    this.current = "";
  }

  finish(): string[] {
    this.end();
    return this.words;
  }
}

class Lexer {
  readonly used = new Set<string>();
  readonly unset = new Set<string>();
  private readonly text: string;
  private readonly variables: Variables;
  private readonly options: ExpandOptions;
  private rawEscapes: boolean;
  private at = 0;
  private depth = 0;

  constructor(text: string, variables: Variables, options: ExpandOptions) {
    this.text = text;
    this.variables = variables;
    this.options = options;
    this.rawEscapes = options.rawEscapes ?? false;
  }

  /** The next character, whole where it takes two units; "" at the end. */
  private peek(): string {
    const point = this.text.codePointAt(this.at);
    if (point === undefined) return "";
    return point > 0xffff ? String.fromCodePoint(point) : (this.text[this.at] ?? "");
  }

  private next(): string {
    const character = this.peek();
    this.at += character.length;
    return character;
  }

  /** Expands up to `stop` (which is consumed) or the end. */
  process(stop: string | undefined, rawEscapes = this.rawEscapes): { text: string; words: string[] } {
    const outer = this.rawEscapes;
    this.rawEscapes = rawEscapes;
    try {
      return this.processUntil(stop);
    } finally {
      this.rawEscapes = outer;
    }
  }

  private processUntil(stop: string | undefined): { text: string; words: string[] } {
    const words = new WordSplitter();
    const quotes = !(this.options.ignoreQuotes ?? false);
    let text = "";
    for (let character = this.peek(); character !== ""; character = this.peek()) {
      if (character === stop) {
        this.next();
        return { text, words: words.finish() };
      }
      if (character === "$") {
        const value = this.dollar();
        text += value;
        words.addText(value);
      } else if ((character === "'" || character === '"') && quotes) {
        const quoted = character === "'" ? this.singleQuoted() : this.doubleQuoted();
        text += quoted;
        words.addRaw(quoted);
      } else if (character === "<") {
        const operator = this.heredocOperator();
        text += operator;
        words.addRaw(operator);
      } else if (character === this.options.escape) {
        this.next();
        if (this.rawEscapes) {
          text += character;
          words.addRaw(character);
        }
        const escaped = this.next();
        text += escaped;
        words.addRaw(escaped);
      } else {
        this.next();
        text += character;
        words.addCharacter(character);
      }
    }
    if (stop !== undefined) throw new ExpansionError("BAD_SUBSTITUTION", `"${stop}" is missing`);
    return { text, words: words.finish() };
  }

  /** `<<` and the blanks behind it, which belong to the heredoc's word. */
  private heredocOperator(): string {
    this.next();
    if (this.peek() !== "<") return "<";
    this.next();
    const start = this.at;
    while (this.peek() === " " || this.peek() === "\t" || this.peek() === "\r") this.next();
    return "<<" + this.text.slice(start, this.at);
  }

  /** Everything up to the next single quote; nothing is special in it. */
  private singleQuoted(): string {
    const end = this.text.indexOf("'", this.at + 1);
    if (end === -1) throw new ExpansionError("UNTERMINATED_QUOTE", "a single quote (') is not closed");
    const start = this.at;
    this.at = end + 1;
    return this.options.rawQuotes === true ? this.text.slice(start, end + 1) : this.text.slice(start + 1, end);
  }

  /** Everything up to the next double quote; $ expands, and the escape character escapes ", $ and itself. */
  private doubleQuoted(): string {
    const { escape, rawQuotes } = this.options;
    this.next();
    let text = rawQuotes === true ? '"' : "";
    for (;;) {
      const character = this.peek();
      if (character === "") throw new ExpansionError("UNTERMINATED_QUOTE", 'a double quote (") is not closed');
      if (character === "$") {
        text += this.dollar();
        continue;
      }
      this.next();
      if (character === '"') return rawQuotes === true ? text + '"' : text;
      if (character !== escape) {
        text += character;
        continue;
      }
      if (this.rawEscapes) text += character;
      const escaped = this.peek();
      if (escaped === "") continue;
      text += escaped === '"' || escaped === "$" || escaped === escape ? this.next() : character;
    }
  }

  private lookUp(name: string): string | undefined {
    const value = this.variables.get(name);
    (value === undefined ? this.unset : this.used).add(name);
    return value;
  }

  private dollar(): string {
    this.next();
    if (this.peek() === "{") {
      this.next();
      if (++this.depth > maximumDepth) throw new ExpansionError("BAD_SUBSTITUTION", "variables are nested too deeply");
      const value = this.braced();
      this.depth--;
      return value;
    }
    const name = this.name();
    if (name === "") return "$";
    const value = this.lookUp(name);
    return value ?? (this.options.keepUnset === true ? `$${name}` : "");
  }

  /** Letters, digits and underscores; digits alone where it begins with one; or one special parameter. */
  private name(): string {
    const start = this.at;
    const first = this.peek();
    if (isDigit(first)) {
      while (isDigit(this.peek())) this.next();
    } else if (specialParameters.has(first)) {
      this.next();
    } else {
      for (let next = first; next === "_" || isLetter(next) || isDigit(next); next = this.peek()) this.next();
    }
    return this.text.slice(start, this.at);
  }

  /** What follows `${`. */
  private braced(): string {
    const first = this.peek();
    if (first === "") throw new ExpansionError("BAD_SUBSTITUTION", '"}" is missing');
    if (first === "{" || first === "}" || first === ":") {
      throw new ExpansionError("BAD_SUBSTITUTION", `\${${first} is no variable`);
    }
    const name = this.name();
    let modifier = this.next();
    if (modifier === "}") {
      return this.lookUp(name) ?? (this.options.keepUnset === true ? `\${${name}}` : "");
    }
    if (modifier === "/") return this.replaced(name);
    let emptyIsUnset = false;
    let written = modifier;
    if (modifier === ":") {
      emptyIsUnset = true;
      modifier = this.next();
      written += modifier;
    }
    const removes = modifier === "#" || modifier === "%";
    if ((!removes && !["-", "+", "?"].includes(modifier)) || modifier === "" || (removes && emptyIsUnset)) {
      if (modifier === "") throw new ExpansionError("BAD_SUBSTITUTION", '"}" is missing');
      throw new ExpansionError("BAD_SUBSTITUTION", `"${written}" is no modifier of a variable`);
    }
    const word = this.process("}", removes).text;
    const value = this.lookUp(name);
    if (value === undefined && this.options.keepUnset === true) return `\${${name}${written}${word}}`;
    const missing = value === undefined || (emptyIsUnset && value === "");
    switch (modifier) {
      case "-":
        return missing ? word : value;
      case "+":
        return missing ? "" : word;
      case "?":
        if (!missing) return value;
        throw new ExpansionError(
          "REQUIRED_VARIABLE",
          `${name}: ${word === "" ? `must not be ${value === undefined ? "unset" : "empty"}` : word}`,
        );
      default:
        return this.removed(modifier, value ?? "", word);
    }
  }

  private removed(modifier: string, value: string, word: string): string {
    const longest = word.startsWith(modifier);
    const pattern = longest ? word.slice(1) : word;
    return this.withPattern(pattern, () =>
      modifier === "#" ? removePrefix(value, pattern, longest) : removeSuffix(value, pattern, longest),
    );
  }

  private replaced(name: string): string {
    const all = this.peek() === "/";
    if (all) this.next();
    const pattern = this.process("/", true).text;
    const replacement = this.process("}", true).text;
    const value = this.lookUp(name);
    if (value === undefined && this.options.keepUnset === true) return `\${${name}/${pattern}/${replacement}}`;
    return this.withPattern(pattern, () => replacePattern(value ?? "", pattern, replacement, all));
  }

  private withPattern(pattern: string, apply: () => string): string {
    try {
      return apply();
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      throw new ExpansionError("BAD_SUBSTITUTION", `the pattern ${pattern} is invalid: ${error.message}`);
    }
  }
}

/**
 * Expands one word: variables replaced, quotes and escapes taken away. `words` is what BuildKit's ProcessWords gives
 * (EXPOSE, heredocs), `text` what ProcessWord gives (everything else). Throws ExpansionError.
 */
export function expand(text: string, variables: Variables, options: ExpandOptions): Expansion {
  const lexer = new Lexer(text, variables, options);
  const result = lexer.process(undefined);
  return { ...result, used: lexer.used, unset: lexer.unset };
}

/** No variable is set. */
export const noVariables: Variables = { get: () => undefined };
