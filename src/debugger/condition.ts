import { expand, ExpansionError, type Variables } from "../dockerfile/expand.js";
import { UsageError } from "../errors.js";

/** What conditions ask of a build at a place: each is found out only when a condition asks. */
export interface ConditionFacts {
  /** What $NAME stands for in the step's instruction. */
  variables(): Promise<Variables>;
  readonly escape: "\\" | "`";
  /** The step before came from the cache. */
  cached(): Promise<boolean>;
  /** The step before added, changed or deleted the path, or something under it. */
  changed(path: string): Promise<boolean>;
  /** The path is there before the step. */
  exists(path: string): Promise<boolean>;
  /** Bytes that the step before added. */
  size(): Promise<number>;
}

/** A condition, ready to be asked. */
export type Condition = (facts: ConditionFacts) => Promise<boolean>;

/**
 * Reads a condition: `$NAME == value`, `!=`, `=~ regular expression`, `$NAME` (is not empty), `cached`,
 * `changed(PATH)`, `exists(PATH)`, `size > 50MB`, with `!`, `&&`, `||` and parentheses. Throws UsageError.
 */
export function parseCondition(text: string): Condition {
  return new ConditionParser(text).parse();
}

type Token = { readonly kind: "operator" | "word"; readonly text: string; readonly at: number };

const tokenPattern =
  /\s*(?:(&&|\|\||==|!=|=~|>=|<=|[!()<>])|("(?:\\.|[^"\\])*"|'[^']*'|(?:\$\{[^}]*\}|[^\s!()<>=&|"'])+))/y;

class ConditionParser {
  private readonly text: string;
  private readonly tokens: Token[] = [];
  private next = 0;

  constructor(text: string) {
    this.text = text;
    tokenPattern.lastIndex = 0;
    const end = text.trimEnd().length;
    while (tokenPattern.lastIndex < end) {
      const at = tokenPattern.lastIndex;
      const match = tokenPattern.exec(text);
      if (!match) throw this.problem("cannot be read", at);
      this.tokens.push({
        kind: match[1] === undefined ? "word" : "operator",
        text: match[1] ?? match[2] ?? "",
        at,
      });
    }
  }

  parse(): Condition {
    if (this.tokens.length === 0) throw this.problem("is empty", 0);
    const condition = this.any();
    const rest = this.tokens[this.next];
    if (rest) throw this.problem(`${rest.text} is not expected here`, rest.at);
    return condition;
  }

  private any(): Condition {
    let left = this.all();
    while (this.takes("||")) {
      const [one, other] = [left, this.all()];
      left = async (facts) => (await one(facts)) || other(facts);
    }
    return left;
  }

  private all(): Condition {
    let left = this.unary();
    while (this.takes("&&")) {
      const [one, other] = [left, this.unary()];
      left = async (facts) => (await one(facts)) && other(facts);
    }
    return left;
  }

  private unary(): Condition {
    if (this.takes("!")) {
      const inner = this.unary();
      return async (facts) => !(await inner(facts));
    }
    if (this.takes("(")) {
      const inner = this.any();
      this.needs(")");
      return inner;
    }
    return this.primary();
  }

  private primary(): Condition {
    const word = this.word();
    switch (word) {
      case "cached":
        return (facts) => facts.cached();
      case "changed":
      case "exists": {
        if (!this.takes("(")) break;
        const path = this.word();
        this.needs(")");
        return async (facts) => facts[word](await value(path, facts));
      }
      case "size":
        return this.size();
      default:
    }
    return this.comparison(word);
  }

  private size(): Condition {
    const operator = ["<=", ">=", "<", ">", "==", "!="].find((text) => this.takes(text));
    if (operator === undefined) throw this.problem("size is compared: size > 50MB", this.tokens[this.next]?.at);
    const written = this.word();
    const limit = parseSize(written);
    if (limit === undefined) throw this.problem(`${written} is no size: write 500kB, 50MB or 1GiB`);
    return async (facts) => compare(await facts.size(), operator, limit);
  }

  private comparison(left: string): Condition {
    const operator = ["==", "!=", "=~"].find((text) => this.takes(text));
    if (operator === undefined) {
      if (!left.startsWith("$"))
        throw this.problem(`${left} is no condition: it is $NAME, cached, changed(PATH), exists(PATH) or size > SIZE`);
      return async (facts) => (await value(left, facts)) !== "";
    }
    const right = this.word();
    const words = operator === "=~" ? [left] : [left, right];
    if (!words.some((word) => word.includes("$")))
      throw this.problem(
        `no variable is compared in ${left} ${operator} ${right}: write $${left.replaceAll(/\W/g, "")}`,
      );
    if (operator === "=~") {
      const pattern = this.pattern(right);
      return async (facts) => pattern.test(await value(left, facts));
    }
    return async (facts) => ((await value(left, facts)) === (await value(right, facts))) === (operator === "==");
  }

  private pattern(word: string): RegExp {
    try {
      return new RegExp(/^(["']).*\1$/s.test(word) ? word.slice(1, -1) : word);
    } catch (error) {
      throw this.problem(error instanceof Error ? error.message : "is no regular expression");
    }
  }

  private takes(operator: string): boolean {
    const token = this.tokens[this.next];
    if (token?.kind !== "operator" || token.text !== operator) return false;
    this.next += 1;
    return true;
  }

  private needs(operator: string): void {
    if (!this.takes(operator)) throw this.problem(`${operator} is missing`, this.tokens[this.next]?.at);
  }

  private word(): string {
    const token = this.tokens[this.next];
    if (token?.kind !== "word")
      throw this.problem(token ? `${token.text} is not expected here` : "ends too early", token?.at);
    this.next += 1;
    return token.text;
  }

  private problem(why: string, at?: number): UsageError {
    const column = at === undefined ? "" : ` (at column ${String(at + 1)})`;
    return new UsageError(`The condition \`${this.text}\`: ${why}${column}`, {
      code: "BAD_CONDITION",
      hint: 'Examples: $NODE_ENV == production, !cached, changed(/etc/passwd) && size > 50MB, exists(/app/dist), $V =~ "^1[.]".',
    });
  }
}

/** A word's value: quotes taken away, variables expanded as BuildKit does. */
async function value(word: string, facts: ConditionFacts): Promise<string> {
  if (!/[$"'\\]/.test(word)) return word;
  try {
    return expand(word, await facts.variables(), { escape: facts.escape }).text;
  } catch (error) {
    if (!(error instanceof ExpansionError)) throw error;
    throw new UsageError(`${word}: ${error.message}`, { code: "BAD_CONDITION", cause: error });
  }
}

const units: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  kib: 2 ** 10,
  m: 1e6,
  mb: 1e6,
  mib: 2 ** 20,
  g: 1e9,
  gb: 1e9,
  gib: 2 ** 30,
};

/** Bytes of `50MB`, `1GiB`, `1024`; undefined for what is none. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([a-z]*)$/i.exec(text);
  const unit = units[(match?.[2] ?? "?").toLowerCase()];
  return match && unit !== undefined ? Number(match[1]) * unit : undefined;
}

function compare(left: number, operator: string, right: number): boolean {
  switch (operator) {
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
    case "!=":
      return left !== right;
    default:
      return left === right;
  }
}
