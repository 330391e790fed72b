import { findAccount, type Account, type UnknownAccount } from "../../dockerfile/accounts.js";
import { isShell, shellScriptIndex } from "./command.js";
import type { Finding, Program, RunInstruction } from "./finding.js";
import { ProgramCheck, type CheckedProgram, type ProgramContext } from "./program-check.js";
import { allArguments, firstCommand, lastCommand, type ScriptCommand } from "./shell-script.js";
import { envProgram } from "../../dockerfile/shebang.js";
import { unwrap } from "./wrappers.js";

/** A word of a command line, and the instruction that it comes from. */
export interface CommandWord {
  readonly text: string;
  readonly instruction: RunInstruction;
}

/** The container's accounts, for programs that change their user. */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
}

/** A command, and what it is started with. */
interface Command {
  readonly words: readonly CommandWord[];
  readonly role: "program" | "script" | "command";
  /** What messages call it; "" for the container's own. */
  readonly label: string;
  readonly context: ProgramContext;
}

/** Commands within commands that are followed. */
const mostCommands = 8;

/**
 * Checks a container's command, and the commands that it only leads to: behind an init (`tini --`), a change of the user
 * (`gosu app`), `env`, a shell's `-c`, and a script that ends with `exec "$@"`. Where that cannot be told without running it,
 * nothing is said.
 */
export class CommandCheck {
  readonly programs: Program[] = [];
  readonly findings: Finding[] = [];
  readonly notes: string[] = [];
  private readonly accounts: AccountFiles;

  constructor(accounts: AccountFiles) {
    this.accounts = accounts;
  }

  /** Rejects with EngineError. */
  async check(words: readonly CommandWord[], context: ProgramContext): Promise<void> {
    let command: Command | undefined = { words, role: "program", label: "", context };
    for (let count = 0; command && count < mostCommands; count++) command = await this.checkOne(command);
  }

  /** Resolves with the command that it leads to. */
  private async checkOne({ words, role, label, context }: Command): Promise<Command | undefined> {
    const [first] = words;
    if (!first) return undefined;
    const check = new ProgramCheck(context, first.instruction, label);
    const checked = await check.check(first.text, role);
    this.programs.push(...check.programs);
    this.findings.push(...check.findings);
    return this.behind(words, context, checked);
  }

  private async behind(
    words: readonly CommandWord[],
    context: ProgramContext,
    checked: CheckedProgram | undefined,
  ): Promise<Command | undefined> {
    const argv = words.map(({ text }) => text);
    const name = nameOf(words[0]);
    const scriptAt = shellScriptIndex(argv);
    const script = scriptAt === undefined ? undefined : words[scriptAt];
    if (scriptAt !== undefined && script) {
      const command = firstCommand(script.text);
      // The word behind the script is its $0.
      const inside = command && expand(command, script.instruction, words.slice(scriptAt + 2));
      return (
        inside && {
          words: inside,
          role: "script",
          label: "The shell's first command ",
          context: changed(context, command),
        }
      );
    }
    const wrapped = unwrap(argv);
    if (wrapped) {
      const next = words.slice(wrapped.at);
      const user = wrapped.userAt === undefined ? undefined : words[wrapped.userAt];
      if (next.length === 0 || next[0]?.text === "-") return undefined;
      let inner = withEnvironment(context, wrapped.env);
      if (user) inner = { ...inner, account: this.changeUser(name, user, context.account, checked) };
      return { words: next, role: "command", label: `${name}'s command `, context: inner };
    }
    return checked?.shebang && isShell(envProgram(checked.shebang) ?? checked.shebang.interpreter)
      ? this.behindScript(words, context, checked.real)
      : undefined;
  }

  private async behindScript(
    words: readonly CommandWord[],
    context: ProgramContext,
    real: string,
  ): Promise<Command | undefined> {
    const [script, ...given] = words;
    const command = lastCommand((await context.files.text(real)).replaceAll("\r\n", "\n"));
    if (!command || !script) return undefined;
    const next = expand(command, script.instruction, given);
    const name = nameOf(script);
    if (next.length === 0 && command.words[0] === allArguments)
      this.notes.push(`${name} ends with exec "$@", and is given nothing to run: it ends at once.`);
    return { words: next, role: "command", label: `${name}'s command `, context: changed(context, command) };
  }

  /** Whom the command behind it runs as; undefined where that is not to be known. */
  private changeUser(
    name: string,
    user: CommandWord,
    current: Account | undefined,
    checked: CheckedProgram | undefined,
  ): Account | undefined {
    const found: Account | UnknownAccount = findAccount(user.text, this.accounts.passwd, this.accounts.group);
    if ("missing" in found) {
      this.findings.push({
        kind: `${found.missing}-missing`,
        instruction: user.instruction,
        message: `${name} is to change to the ${found.missing} ${found.name}, which /etc/${found.missing === "user" ? "passwd" : "group"} does not name`,
        hint:
          found.near === undefined
            ? `Make it with RUN add${found.missing}, or give a number.`
            : `Did you mean ${found.near}?`,
      });
      return undefined;
    }
    // A set-user-ID bit would make it root.
    if (current && current.uid !== 0 && current.uid !== found.uid && checked && (checked.mode & 0o6000) === 0)
      this.findings.push({
        kind: "not-root",
        instruction: user.instruction,
        message: `${name} changes the user to ${user.text}, which only root may: it is started as ${current.name ?? `uid ${String(current.uid)}`}`,
        hint: `Leave ${name} out, or let the container start as root.`,
      });
    return found;
  }
}

function nameOf(word: CommandWord | undefined): string {
  return word?.text.split("/").at(-1) ?? "";
}

function expand(
  { words }: ScriptCommand,
  instruction: RunInstruction,
  given: readonly CommandWord[],
): readonly CommandWord[] {
  return words.flatMap((word) => (word === allArguments ? given : [{ text: word, instruction }]));
}

/** Where a script sets what its loader goes by, libraries cannot be known. */
function changed(context: ProgramContext, { assigned }: ScriptCommand): ProgramContext {
  return assigned.some((name) => name.startsWith("LD_")) ? { ...context, env: undefined } : context;
}

function withEnvironment(context: ProgramContext, added: readonly string[]): ProgramContext {
  const path = added.findLast((entry) => entry.startsWith("PATH="));
  return {
    ...context,
    env: context.env && [...context.env, ...added],
    searched: path === undefined ? context.searched : foldersOf(path.slice("PATH=".length)),
  };
}

/** PATH's absolute folders. */
export function foldersOf(path: string): string[] {
  return path.split(":").filter((folder) => folder.startsWith("/"));
}
