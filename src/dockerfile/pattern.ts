/** One element of a shell pattern: a character, `?` or `*`. BuildKit knows no bracket expressions. */
type Token =
  { readonly kind: "character"; readonly text: string } | { readonly kind: "any" } | { readonly kind: "star" };

/** A pattern holds a backslash that escapes nothing that can be escaped. */
export class PatternError extends Error {}

function tokens(pattern: string): Token[] {
  const characters = Array.from(pattern);
  const result: Token[] = [];
  for (let index = 0; index < characters.length; index++) {
    const character = characters[index] ?? "";
    if (character === "*") result.push({ kind: "star" });
    else if (character === "?") result.push({ kind: "any" });
    else if (character === "\\") {
      const next = characters[++index];
      if (next === undefined || !"*?\\}/".includes(next)) throw new PatternError(`invalid escape \\${next ?? ""}`);
      result.push({ kind: "character", text: next });
    } else result.push({ kind: "character", text: character });
  }
  return result;
}

/** Where a match that begins at `from` ends (the longest, or the shortest one), or -1. Wildcards stop at a line feed, as in Go. */
function matchAt(pattern: readonly Token[], value: readonly string[], from: number, longest: boolean): number {
  let states = new Set<number>();
  const enter = (into: Set<number>, state: number): void => {
    let index = state;
    into.add(index);
    while (pattern[index]?.kind === "star") into.add(++index);
  };
  enter(states, 0);
  let end = -1;
  for (let at = from; ; at++) {
    if (states.has(pattern.length)) {
      end = at;
      if (!longest) return end;
    }
    const character = value[at];
    if (character === undefined || states.size === 0) return end;
    const next = new Set<number>();
    for (const state of states) {
      const token = pattern[state];
      if (token === undefined) continue;
      if (token.kind === "character") {
        if (token.text === character) enter(next, state + 1);
      } else if (character !== "\n") enter(next, token.kind === "star" ? state : state + 1);
    }
    states = next;
  }
}

/** `${value#pattern}` and, longest, `${value##pattern}`. Throws PatternError. */
export function removePrefix(value: string, pattern: string, longest: boolean): string {
  const characters = Array.from(value);
  const end = matchAt(tokens(pattern), characters, 0, longest);
  return end === -1 ? value : characters.slice(end).join("");
}

/** `${value%pattern}` and, longest, `${value%%pattern}`. Throws PatternError. */
export function removeSuffix(value: string, pattern: string, longest: boolean): string {
  const characters = Array.from(value).reverse();
  const end = matchAt(tokens(pattern).reverse(), characters, 0, longest);
  return end === -1 ? value : characters.slice(end).reverse().join("");
}

/** Go's regexp templates in a pattern without groups: `$0` is the match, every other name is empty, `$$` a dollar. */
function fillTemplate(template: string, match: string): string {
  return template.replace(/\$(?:(\$)|(\w+)|\{(\w+)\})/g, (_, dollar?: string, name?: string, braced?: string) => {
    if (dollar !== undefined) return "$";
    return (name ?? braced) === "0" ? match : "";
  });
}

/** `${value/pattern/replacement}` and, all, `${value//pattern/replacement}`. Throws PatternError. */
export function replacePattern(value: string, pattern: string, replacement: string, all: boolean): string {
  const parsed = tokens(pattern);
  const characters = Array.from(value);
  const leadingStar = parsed.findIndex((token) => token.kind === "star");
  let result = "";
  let copied = 0;
  let lastEnd = -1;
  for (let at = 0; at <= characters.length; at++) {
    const end = matchAt(parsed, characters, at, true);
    if (end === -1) {
      // A star that was reached and led nowhere leads nowhere from any later start of the same line either.
      if (leadingStar === 0) {
        const newline = characters.indexOf("\n", at);
        if (newline === -1) break;
        at = newline;
      }
      continue;
    }
    const empty = end === at;
    if (!empty || at !== lastEnd) {
      const match = characters.slice(at, end).join("");
      result += characters.slice(copied, at).join("") + (all ? fillTemplate(replacement, match) : replacement);
      copied = end;
      lastEnd = end;
      if (!all) break;
    }
    if (!empty) at = end - 1;
  }
  return result + characters.slice(copied).join("");
}
