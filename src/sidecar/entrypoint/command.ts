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

/** Whether a program's path is a POSIX shell's. */
export function isShell(path: string | undefined): boolean {
  return shells.has(path?.split("/").at(-1) ?? "");
}

/** Where in a command line a shell's script stands (`sh -ec SCRIPT`); undefined where it is none. */
export function shellScriptIndex(argv: readonly string[]): number | undefined {
  if (!isShell(argv[0])) return undefined;
  for (let at = 1; at < argv.length; at++) {
    const word = argv[at] ?? "";
    if (/^-[a-zA-Z]*c[a-zA-Z]*$/.test(word)) return at + 1 < argv.length ? at + 1 : undefined;
    if (!/^[-+]/.test(word)) return undefined;
  }
  return undefined;
}
