// Makes docs/commands.md and docs/errors.md from the code. With --check: fails when they are stale, or when an error code of
// the source is not in the table.
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const check = process.argv.includes("--check");
const folder = mkdtempSync(join(root, "node_modules/.dfdebug-docs-"));

const entry = `
export { createProgram } from "./src/cli/program.ts";
export { errorCodes } from "./src/cli/error-codes.ts";
export { debuggerCommands } from "./src/debugger/commands/table.ts";
`;

function* sources(path) {
  for (const name of readdirSync(path)) {
    const file = join(path, name);
    if (statSync(file).isDirectory()) {
      if (name !== "gen") yield* sources(file);
    } else if (name.endsWith(".ts")) yield readFileSync(file, "utf8");
  }
}

/** Table cells hold no line feeds and no bars. */
const cell = (text) => text.replaceAll("|", "\\|").replaceAll("\n", " ");

function commandsPage({ createProgram, debuggerCommands }) {
  const io = { stdout: process.stdout, stderr: process.stderr };
  const program = createProgram(io, () => undefined);
  const lines = [
    "# Commands",
    "",
    "Made from the code by `npm run docs`; do not edit.",
    "",
    "Every command takes `-H, --host <endpoint>` and `-c, --context <name>` before it: which engine to use.",
    "",
  ];
  const visit = (command, path) => {
    const words = command.registeredArguments.map((argument) =>
      argument.required ? `<${argument.name()}>` : `[${argument.name()}]`,
    );
    lines.push(
      `## dfdebug ${path.join(" ")}${words.length > 0 ? ` ${words.join(" ")}` : ""}`,
      "",
      command.description(),
      "",
    );
    for (const argument of command.registeredArguments)
      if (argument.description) lines.push(`\`${argument.name()}\`: ${argument.description}`, "");
    if (command.options.length > 0) {
      lines.push("| option | meaning |", "| --- | --- |");
      for (const option of command.options.filter(({ hidden }) => !hidden)) {
        const choices = option.argChoices ? ` (${option.argChoices.join(", ")})` : "";
        lines.push(`| \`${cell(option.flags)}\` | ${cell(option.description)}${choices} |`);
      }
      lines.push("");
    }
    for (const child of command.commands) visit(child, [...path, child.name()]);
  };
  for (const child of program.commands) visit(child, [child.name()]);
  lines.push("# At the (dfdebug) prompt", "", "| command | also | what it does |", "| --- | --- | --- |");
  for (const { usage, aliases, help } of debuggerCommands)
    lines.push(`| \`${cell(usage)}\` | ${aliases.map((alias) => `\`${alias}\``).join(" ")} | ${cell(help)} |`);
  lines.push(
    "",
    "Tab completes commands and paths of the step's state. History is kept in `$XDG_STATE_HOME/dfdebug/history`.",
    "",
  );
  return lines.join("\n");
}

function errorsPage({ errorCodes }) {
  const lines = [
    "# Errors",
    "",
    "Made from the code by `npm run docs`; do not edit.",
    "",
    "Exit codes: 0 built; 1 the build failed; 2 wrong usage; 3 the engine is unreachable or was lost; 130 interrupted.",
    "",
    "Messages say what failed and on what, and what to do next. Behind each is a code, which the JSON output carries.",
    "",
    "| code | meaning |",
    "| --- | --- |",
  ];
  for (const code of Object.keys(errorCodes).sort()) lines.push(`| \`${code}\` | ${cell(errorCodes[code])} |`);
  return `${lines.join("\n")}\n`;
}

try {
  const bundle = join(folder, "docs.mjs");
  await build({
    absWorkingDir: root,
    stdin: { contents: entry, resolveDir: root, loader: "ts" },
    outfile: bundle,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    packages: "external",
    logLevel: "error",
  });
  const made = await import(pathToFileURL(bundle).href);
  const unknown = new Set();
  for (const text of sources(join(root, "src")))
    for (const [, code] of text.matchAll(/\bcode: "([A-Z][A-Z_]+)"/g))
      if (!(code in made.errorCodes)) unknown.add(code);
  if (unknown.size > 0) {
    console.error(`codes without a meaning in src/cli/error-codes.ts: ${[...unknown].join(", ")}`);
    process.exitCode = 1;
  }
  for (const [name, text] of [
    ["commands.md", commandsPage(made)],
    ["errors.md", errorsPage(made)],
  ]) {
    const path = join(root, "docs", name);
    if (!check) writeFileSync(path, text);
    else if (readFileSync(path, "utf8") !== text) {
      console.error(`docs/${name} is stale: run npm run docs`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
