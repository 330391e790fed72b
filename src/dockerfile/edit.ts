import type { Dockerfile, Instruction } from "./syntax.js";

export { unifiedDiff } from "./diff.js";
export { mergeTexts } from "./merge.js";
export { fixRun, withLayout } from "./fix-run.js";
export { needsBraces, onOneLine, simpleCommands, withoutCommands, type ShorterText } from "./shell-commands.js";
export { isTypedStrictly, strictOptions, typedText, withoutStrictText } from "./strict-shell.js";
export { joinedShellText, scriptShell, shellText } from "./shell-text.js";

/**
 * The Dockerfile's text with one instruction replaced. What stands around it stays byte for byte; the new text takes the
 * place's line endings, and its own continuations the file's escape character. It is not checked: parse the result.
 */
export function replaceInstruction(dockerfile: Dockerfile, instruction: Instruction, newText: string): string {
  const { source } = dockerfile;
  const { start, end } = instruction.range;
  const text = newText.replace(/^(?:[ \t]*\r?\n)+/, "").replace(/[\r\n]+$/, "");
  return source.slice(0, start.offset) + withLineEndings(source, end.offset, text) + source.slice(end.offset);
}

/** The line ending that the instruction's place has: that of the line it ends on, else that of the file's first line. */
function withLineEndings(source: string, end: number, text: string): string {
  const here = source.indexOf("\n", end);
  const at = here === -1 ? source.indexOf("\n") : here;
  const isCrlf = at > 0 && source[at - 1] === "\r";
  const plain = text.replace(/\r\n/g, "\n");
  return isCrlf ? plain.replaceAll("\n", "\r\n") : plain;
}

/**
 * The Dockerfile's text without its `# syntax=` line, for a build with the engine's own frontend. Every instruction
 * keeps its line, and the other directives keep their effect: they must stand above every comment, so they move up.
 */
export function withoutSyntaxDirective(dockerfile: Dockerfile): string {
  const { directives, source } = dockerfile;
  const kept = directives.filter(({ name }) => name !== "syntax");
  if (kept.length === directives.length) return source;
  let text = "";
  let copied = 0;
  directives.forEach(({ range }, index) => {
    const moved = kept[index]?.range;
    const line = moved === undefined ? "#" : source.slice(moved.start.offset, moved.end.offset);
    text += source.slice(copied, range.start.offset) + line;
    copied = range.end.offset;
  });
  return text + source.slice(copied);
}
