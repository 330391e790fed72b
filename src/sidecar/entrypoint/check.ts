import { posix } from "node:path";
import { defaultPath, defaultShell, type ImageConfig } from "../../dockerfile/image-config.js";
import type { ContainerFiles } from "../copy/container-files.js";
import { findAccount, type Account } from "../../dockerfile/accounts.js";
import { CommandCheck, foldersOf, type AccountFiles } from "./command-check.js";
import { combineCommand, originOf, type CommandPart } from "./command.js";
import type { Finding, Program } from "./finding.js";
import { ProgramFiles } from "./program-files.js";

/** What a container would run, and what stands in the way. */
export interface EntrypointReport {
  readonly argv: readonly string[];
  readonly parts: readonly CommandPart[];
  readonly programs: readonly Program[];
  /** USER's value; "" is root. */
  readonly user: string;
  /** Undefined where it is not to be found. */
  readonly account: Account | undefined;
  readonly directory: string;
  readonly findings: readonly Finding[];
  /** What is no obstacle, but not what people expect. */
  readonly notes: readonly string[];
}

/** Reads files of the container, and starts nothing. `architecture`: the engine's. Rejects with EngineError. */
export async function checkEntrypoint(
  from: ContainerFiles,
  config: ImageConfig,
  architecture: string,
): Promise<EntrypointReport> {
  const files = new ProgramFiles(from);
  const shell = config.Shell?.length ? config.Shell : defaultShell("linux");
  const line = combineCommand(config.Entrypoint, config.Cmd, shell);
  const directory = posix.resolve("/", config.WorkingDir ?? "");
  const user = config.User ?? "";
  const findings: Finding[] = [];
  const notes: string[] = [];

  const blocking = await files.fileOnTheWay(directory);
  if (blocking !== undefined)
    findings.push({
      kind: "workdir-is-file",
      instruction: "WORKDIR",
      message: `The working directory ${directory} cannot be: ${blocking} is a file`,
      hint: "docker makes a directory that is missing, but none in a file's place.",
    });
  const [passwd, group] = await Promise.all([files.text("/etc/passwd"), files.text("/etc/group")]);
  const accounts = { passwd, group };
  const account = accountOf(accounts, user, findings);
  if (account && account.name === undefined && account.uid !== 0)
    notes.push(`/etc/passwd has no uid ${String(account.uid)}: the process has no user name, and HOME is /.`);

  const [program] = line.argv;
  const check = new CommandCheck(accounts);
  if (program === undefined || program === "")
    findings.push({
      kind: "no-command",
      instruction: "CMD",
      message: program === "" ? "The command's first word is empty" : "The image has neither ENTRYPOINT nor CMD",
      hint: "Give one, or a command behind the image's name.",
    });
  else {
    const env = config.Env ?? [];
    const words = line.argv.map((text, index) => ({ text, instruction: originOf(line, index) }));
    await check.check(words, { files, searched: searchedIn(env), directory, account, architecture, env });
    findings.push(...check.findings);
    notes.push(...check.notes);
  }
  notes.push(...formNotes(line.parts));
  return { argv: line.argv, parts: line.parts, programs: check.programs, user, account, directory, findings, notes };
}

function accountOf({ passwd, group }: AccountFiles, user: string, findings: Finding[]): Account | undefined {
  const account = findAccount(user, passwd, group);
  if (!("missing" in account)) return account;
  const { missing, name, near } = account;
  const file = missing === "user" ? "passwd" : "group";
  const isEmpty = (missing === "user" ? passwd : group) === "";
  findings.push({
    kind: `${missing}-missing`,
    instruction: "USER",
    message: `There is no ${missing} ${name}: /etc/${file} ${isEmpty ? "is missing or empty" : "does not name it"}`,
    hint: near === undefined ? `Make it with RUN add${missing}, or give a number.` : `Did you mean ${near}?`,
  });
  return undefined;
}

function searchedIn(env: readonly string[]): string[] {
  const path = env.findLast((entry) => entry.startsWith("PATH="))?.slice("PATH=".length);
  return foldersOf(path ?? defaultPath("linux") ?? "");
}

function formNotes(parts: readonly CommandPart[]): string[] {
  const [entrypoint, cmd] = parts;
  if (!entrypoint || !cmd) return [];
  if (entrypoint.form === "shell")
    return ["ENTRYPOINT is in shell form: CMD, and what is given behind the image's name, is not used by its command."];
  if (cmd.form === "shell")
    return [`CMD is in shell form: ${cmd.words.slice(0, 2).join(" ")} and its text are arguments of ENTRYPOINT.`];
  return [];
}
