import { shellQuote } from "../../dockerfile/shell-quote.js";
import { sanitizeLine } from "../../frontends/terminal/sanitize.js";
import type { Style } from "../../frontends/terminal/style.js";
import { tableLines } from "../../frontends/terminal/table.js";
import type { Program, RunInstruction } from "../../sidecar/entrypoint/finding.js";
import type { LocatedReport } from "./entrypoint.js";
import { isTroubled, lastRunText } from "./last-run-text.js";

/** The report for people: what is run, then what stands in the way. */
export function entrypointText(report: LocatedReport, style: Style): string {
  const { name, argv, parts, programs, directory, findings, notes } = report;
  const rows = [
    ["command", argv.map(shellQuote).join(" "), ""],
    ...parts.map(({ instruction, form }) => [instruction, `${form} form`, where(report, instruction)]),
    ...programs.map((program) => [roleNames[program.role], programText(program), ""]),
    ["user", userText(report), where(report, "USER")],
    ["directory", directory, where(report, "WORKDIR")],
  ];
  const lines = [
    style.bold(sanitizeLine(name)),
    ...tableLines([], rows).map((line) => `  ${line.trimEnd()}`),
    "",
    verdict(report, style),
    ...findings.flatMap(({ instruction, message, hint }) => [
      `  ${style.bold([where(report, instruction), instruction].join(" ").trim())}  ${sanitizeLine(message)}`,
      ...(hint === undefined ? [] : [`    ${sanitizeLine(hint)}`]),
    ]),
    ...lastRunLines(report, style),
    ...notes.map((note) => style.dim(sanitizeLine(note))),
  ];
  return `${lines.join("\n")}\n`;
}

function verdict({ findings, lastRun }: LocatedReport, style: Style): string {
  if (findings.length > 0) return `${style.red(style.symbols.failed)} It cannot run:`;
  const isOpen = lastRun !== undefined && isTroubled(lastRun);
  return `${style.green(style.symbols.done)} ${isOpen ? "Nothing stands in the way of its start." : "It can run."}`;
}

/** What its own program did, or the engine, is no finding of the files. */
function lastRunLines({ name, lastRun, isLooping }: LocatedReport, style: Style): string[] {
  if (!lastRun || !isTroubled(lastRun)) return [];
  const mark = style.red(style.symbols.failed);
  const said = lastRun.error === "" ? [`  What it printed: dfdebug logs --tail 20 ${sanitizeLine(name)}`] : [];
  return [`${mark} It ${sanitizeLine(lastRunText(lastRun, isLooping))}.`, ...said];
}

const roleNames: Readonly<Record<Program["role"], string>> = {
  program: "program",
  interpreter: "interpreter",
  loader: "loader",
  script: "its command",
  command: "its command",
};

function programText({ name, path, real, type }: Program): string {
  if (path === undefined) return `${name} (missing)`;
  const led = real === undefined || real === path ? path : `${path} -> ${real}`;
  return type === undefined ? led : `${led} (${type})`;
}

function userText({ user, account }: LocatedReport): string {
  if (!account) return `${user} (unknown)`;
  const { name, uid, gid } = account;
  return `${name ?? String(uid)} (uid ${String(uid)}, gid ${String(gid)})`;
}

/** `Dockerfile:7`, or "". */
function where({ dockerfile, lines }: LocatedReport, instruction: RunInstruction): string {
  const line = lines[instruction];
  return dockerfile === undefined || line === undefined ? "" : `${dockerfile}:${String(line)}`;
}
