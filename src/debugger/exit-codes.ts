/** What an exit code usually means, for people; undefined where it says nothing beyond "failed". */
export function exitCodeMeaning(code: number): string | undefined {
  const known = meanings.get(code);
  if (known !== undefined) return known;
  if (code > 128 && code < 160) return `killed by signal ${String(code - 128)}`;
  return undefined;
}

const meanings: ReadonlyMap<number, string> = new Map([
  [2, "an error in the shell, or a command's own (wrong usage, a missing file, a failed make)"],
  [100, "apt-get's code for an error"],
  [126, "the command was found but could not be executed (permission, or not a program)"],
  [127, "command not found"],
  [129, "killed by SIGHUP"],
  [130, "interrupted (SIGINT)"],
  [134, "aborted (SIGABRT): a failed assertion, or out of memory in the program itself"],
  [135, "bus error (SIGBUS)"],
  [136, "arithmetic error (SIGFPE)"],
  [137, "killed (SIGKILL): most often the kernel, out of memory"],
  [139, "segmentation fault (SIGSEGV)"],
  [141, "a pipe was closed while it was written to (SIGPIPE)"],
  [143, "terminated (SIGTERM)"],
]);
