import { shellText } from "../../dockerfile/edit.js";
import type { ShellFix } from "../shell-fix.js";
import type { CommandContext } from "./command.js";

/** The command to retry the step with; undefined where the user wants none. */
export async function chooseFix(
  { stopped, io }: CommandContext,
  fix: ShellFix,
  shell: readonly string[],
): Promise<string | undefined> {
  const { instruction, number } = stopped.step;
  const step = `step ${String(number)}`;
  const shown = (command: string): string => {
    const [first = "", ...rest] = command.split("\n");
    return rest.length === 0 ? `\`${first}\`` : `\`${first}\` and ${String(rest.length)} more lines`;
  };
  switch (fix.kind) {
    case "same": {
      const again = await io.confirm(`The same command ended with 0 there. Run ${step} again?`, true);
      return again ? shellText(instruction, shell) : undefined;
    }
    case "replace": {
      const question = fix.isUnproven
        ? `Retry ${step} with ${shown(fix.command)}?`
        : `${shown(fix.command)} ended with 0 there. Retry ${step} with it?`;
      const wanted = await io.confirm(question, true);
      return wanted ? fix.command : undefined;
    }
    case "either": {
      await io.print(
        `${shown(fix.instead)} ${fix.isUnproven ? "ran" : "ended with 0"} there. Retry ${step} with it`,
        `  b  before the instruction: ${shown(fix.before)}`,
        "  i  in its place",
        "  n  not at all",
      );
      for (;;) {
        const answer = (await io.question("[b/i/N] "))?.trim().toLowerCase();
        // It may as well have been a look around.
        if (answer === undefined || answer === "" || answer === "n" || answer === "no") return undefined;
        if (answer === "b") return fix.before;
        if (answer === "i") return fix.instead;
      }
    }
  }
}
