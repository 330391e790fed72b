import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { UsageError } from "../../errors.js";
import { TempFolder } from "../../temp-folder.js";
import type { Environment } from "./style.js";

/**
 * Lets the user's editor ($VISUAL, $EDITOR, else vi) change a text, opened at a line, in a file of its own that is removed
 * afterwards. Undefined where the editor says that it failed. Rejects with UsageError where there is none.
 */
export async function editText(
  text: string,
  options: { name: string; line: number; env: Environment },
): Promise<string | undefined> {
  const { env, line } = options;
  const editor = env["VISUAL"] || env["EDITOR"] || "vi";
  await using folder = await TempFolder.make();
  const file = join(folder.path, basename(options.name) || "Dockerfile");
  await writeFile(file, text, { mode: 0o600 });
  const code = await run(`${editor} ${placeArguments(editor, line)}`, file);
  if (code === 127)
    throw new UsageError(`The editor ${editor} is not there`, { hint: "Set VISUAL or EDITOR to the one you use." });
  return code === 0 ? await readFile(file, "utf8") : undefined;
}

/** How editors are told the line; `$1` is the file. Those with windows of their own must be told to wait. */
function placeArguments(editor: string, line: number): string {
  const name = basename(editor.trim().split(/\s+/)[0] ?? "");
  const at = `"$1:${String(line)}"`;
  if (/^(code|code-insiders|codium|cursor|windsurf)$/.test(name)) return `--wait --goto ${at}`;
  if (/^(subl|zed|mate)$/.test(name)) return `--wait ${at}`;
  if (/^(hx|helix)$/.test(name)) return at;
  return `+${String(line)} "$1"`;
}

/** As git does it: the shell reads the editor's words. */
function run(command: string, file: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn("/bin/sh", ["-c", command, "sh", file], { stdio: "inherit" });
    // Ctrl-C is the editor's while it runs.
    const ignore = (): void => undefined;
    process.on("SIGINT", ignore);
    child.once("error", reject);
    child.once("close", (code, signal) => {
      process.off("SIGINT", ignore);
      resolve(code ?? (signal ? 1 : 0));
    });
  });
}
