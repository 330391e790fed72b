import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { words } from "../../src/debugger/commands/table.js";
import { describeEngines, expectNothingLeft } from "../support/engines.js";
import { dfdebug } from "../support/run-dfdebug.js";

/*
 * The examples of docs/stepping.md: each `console` block is a command and its transcript, over the `dockerfile` block
 * above it. DFDEBUG_UPDATE_DOCS=1 writes what dfdebug prints into the page instead.
 */
const page = fileURLToPath(new URL("../../docs/stepping.md", import.meta.url));
const text = readFileSync(page, "utf8");
const dockerfile = /```dockerfile\n([\s\S]*?)```/.exec(text)?.[1] ?? "";
const examples = [...text.matchAll(/```console\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");

describeEngines("docs/stepping.md", (engine) => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-docs-"));
    writeFileSync(join(folder, "Dockerfile"), dockerfile);
  });

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
    expectNothingLeft(engine);
  });

  it.each(examples.map((example, index) => ({ title: example.split("\n")[0] ?? "", example, index })))(
    "$index: $title",
    async ({ title, example }) => {
      const commands = [...example.matchAll(/^\(dfdebug\) (.*)$/gm)].map((match) => match[1]);
      const [, , ...args] = words(title);
      const run = await dfdebug(engine, args, { cwd: folder, input: commands.join("\n") });
      const actual = `${title}\n${run.stdout.replace(/^\n/, "")}`;
      if (process.env["DFDEBUG_UPDATE_DOCS"])
        writeFileSync(
          page,
          readFileSync(page, "utf8").replace(`\`\`\`console\n${example}`, () => `\`\`\`console\n${actual}`),
        );
      else expect(actual).toBe(example);
      expect([0, 1, 130]).toContain(run.code);
    },
  );
});
