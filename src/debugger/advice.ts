import { mountField, mountFields } from "../dockerfile/mount.js";
import type { Flag } from "../dockerfile/syntax.js";
import type { Step } from "../engine/engine.js";

/** A failure that is known by what the step printed, and what to do about it. */
interface Rule {
  readonly pattern: RegExp;
  readonly advice: (match: RegExpExecArray, step: Step, exitCode: number | undefined) => string | undefined;
}

/** How many remedies a card shows at most. */
const most = 2;

/** Remedies for known failures, from the step's last lines; the most specific first. */
export function adviceFor(step: Step, lines: readonly string[], exitCode: number | undefined): string[] {
  const text = lines.join("\n");
  const found: string[] = [];
  for (const rule of rules) {
    const match = rule.pattern.exec(text);
    const advice = match && rule.advice(match, step, exitCode);
    if (advice && !found.includes(advice)) found.push(advice);
    if (found.length === most) return found;
  }
  if (found.length === 0 && exitCode === 137)
    found.push("Give the engine more memory, or let the step use less (fewer parallel jobs).");
  return found;
}

/** Whether the instruction runs a command, wherever it stands in it. */
function runs(step: Step, command: string): boolean {
  return step.instruction.source.includes(command);
}

/** A bind mount is what a --mount is by default, and nothing writes to it without `rw`. */
function isReadOnlyBind({ name, value = "" }: Flag): boolean {
  if (name !== "mount") return false;
  const fields = mountFields(value) ?? [];
  const isWritable = fields.some(({ key, value: given }) => /^(?:rw|readwrite)$/.test(key) && given !== "false");
  return (mountField(fields, "type") ?? "bind") === "bind" && !isWritable;
}

/** A shell's `not found` of a path is also what it says of a script whose interpreter is missing. */
function notFound(command: string): string {
  const name = command.trim();
  return name.includes("/")
    ? `${name} is not in this stage, or it is a script whose #! program is not (a Windows line end makes one that never is).`
    : `${name} is not installed in this stage, or not on its PATH.`;
}

const rules: readonly Rule[] = [
  {
    pattern: /exec: "([^"]+)": (?:stat [^:]+: no such file or directory|executable file not found)/,
    advice: ([, program = "such program"], step) => {
      if (program === "/bin/sh")
        return "This stage has no shell: run commands in a stage that has one and COPY --from it, or use exec form with a program that is there.";
      if (program.includes(" ") && step.instruction.json?.[0] === program)
        return `In exec form each word is an element of its own: ${JSON.stringify(program.trim().split(/\s+/)).replaceAll('","', '", "')}.`;
      // The instruction does not name it: SHELL does.
      if (/(?:^|\/)(?:ba|a|da|z|k)?sh$/.test(program) && !runs(step, program))
        return `SHELL asks for ${program}, which is not in this stage: install it before, or write SHELL ["/bin/sh", "-c"] where that is there.`;
      return `There is no ${program} in this stage: COPY it in before, or check the path.`;
    },
  },
  {
    pattern: /no SSH key "([^"]*)" forwarded|unset ssh forward key (\S+)/i,
    advice: ([, given, unset]) =>
      `This RUN wants an SSH agent: --ssh ${given || unset || "default"} passes on yours ($SSH_AUTH_SOCK), --ssh ${given || unset || "default"}=FILE a key.`,
  },
  {
    pattern: /secret "?([^\s":]+)"?: not found|secret "?([^\s":]+)"? not found/i,
    advice: ([, one, other], step) =>
      runs(step, "type=secret")
        ? `This RUN wants a secret: --secret id=${one ?? other ?? ""},src=FILE or --secret id=${one ?? other ?? ""},env=VARIABLE.`
        : undefined,
  },
  {
    // A mount of a secret that was not given is left out, unless it is required.
    pattern: /\/run\/secrets\/([\w.-]+)['"’]?: No such file/i,
    advice: ([, name = ""], step) =>
      runs(step, "type=secret")
        ? `The secret ${name} was not given: --secret id=${name},src=FILE or --secret id=${name},env=VARIABLE; required=true in the mount says so at once.`
        : undefined,
  },
  {
    pattern: /in the build context cannot be read/,
    advice: () => "Make it readable for you, or leave it out with a line in .dockerignore.",
  },
  {
    pattern: /dial tcp|no such host/,
    advice: (_match, step) =>
      step.instruction.keyword === "FROM" || step.instruction.keyword === "COPY"
        ? "The engine cannot reach the registry: it pulls images itself, so check its network and proxy."
        : undefined,
  },
  {
    pattern: /E: Unable to locate package (\S+)/,
    advice: ([, name], step) =>
      runs(step, "apt-get update") || runs(step, "apt update")
        ? `There is no package ${name ?? ""} for this release: apt-cache search in the shell finds its name.`
        : `apt has no package lists in this layer: run apt-get update in the same RUN, before the install (or ${name ?? "it"} is misspelt).`,
  },
  {
    pattern: /E: Package '(\S+)' has no installation candidate/,
    advice: ([, name]) =>
      `This release has no package ${name ?? ""} any more: apt-cache search in the shell finds its successor.`,
  },
  {
    pattern: /E: Version '(\S+)' for '(\S+)' was not found/,
    advice: ([, , name]) => `apt-cache policy ${name ?? ""} in the shell lists the versions there are.`,
  },
  {
    pattern: /can only install (?:packages )?(?:with an existing package-lock|when your package\.json and)/,
    advice: () =>
      "package.json and package-lock.json disagree: run npm install on your machine and commit the lock file.",
  },
  {
    pattern: /npm (?:ERR!|error) (?:code )?ENOENT[\s\S]*package\.json/,
    advice: () => "There is no package.json in the working directory: COPY it before this step, or check WORKDIR.",
  },
  {
    pattern: /npm (?:ERR!|error) code ERESOLVE/,
    advice: () =>
      "Dependencies contradict each other: npm install on your machine shows which; --legacy-peer-deps ignores it.",
  },
  {
    pattern: /npm (?:ERR!|error) code E404/,
    advice: () => "A package is not in the registry: a private one needs its .npmrc (as a secret mount).",
  },
  {
    pattern: /pnpm-lock\.yaml is not up to date|ERR_PNPM_OUTDATED_LOCKFILE/,
    advice: () => "The lock file is older than package.json: run pnpm install and commit it.",
  },
  {
    pattern: /Could not open requirements file: .*'([^']+)'/,
    advice: ([, file]) =>
      `${file ?? "The requirements file"} is not in the image: COPY it before this step, or check WORKDIR.`,
  },
  {
    pattern: /error: externally-managed-environment/,
    advice: () => "Debian's Python is not for pip: use a virtual environment (python3 -m venv), or a python image.",
  },
  {
    pattern: /No matching distribution found for (\S+)/,
    advice: ([, name]) => `pip finds no ${name ?? "such package"} for this Python version and platform.`,
  },
  {
    pattern: /go\.mod file not found/,
    advice: () => "There is no go.mod in the working directory: COPY it before this step, or check WORKDIR.",
  },
  {
    pattern:
      /(?:not found|no such file or directory|bad interpreter)[^\n]*\^M|\^M: bad interpreter|\\r['"]?: (?:command )?not found|env: [‘']?\S+\\r/,
    advice: () =>
      "A script has Windows line endings: convert it (sed -i 's/\\r$//'), and keep it so with .gitattributes (*.sh text eol=lf).",
  },
  {
    pattern: /exec format error/i,
    advice: () => "A program is for another CPU: check --platform and which image it was copied from.",
  },
  {
    pattern: /(\S+): Permission denied/,
    // 126 is a shell's word for a program that is there and cannot be run, dash's is 127 where it found it in PATH; what cannot be
    // read or written ends otherwise.
    advice: ([, path], _step, exitCode) =>
      exitCode === 126 || exitCode === 127
        ? `${path ?? "It"} may lack its execute bit (COPY --chmod=755, or git update-index --chmod=+x), or belong to another user than this step's.`
        : `${path ?? "It"} is not for this step's user: COPY --chown (or chown in a step of root), or do this before USER.`,
  },
  {
    pattern: /Read-only file system/i,
    advice: (_match, step) =>
      step.instruction.flags.some(isReadOnlyBind)
        ? "A bind mount cannot be written: rw in its --mount lets the step write there, and what it writes is dropped behind it."
        : undefined,
  },
  {
    pattern: /No space left on device/i,
    advice: () =>
      "A disk is full: the engine's (docker system df shows what takes the room, docker builder prune frees some), or a tmpfs of the step; df -h in the shell says which.",
  },
  {
    pattern:
      /Temporary failure (?:in name resolution|resolving)|Could not resolve host|getaddrinfo (?:EAI_AGAIN|ENOTFOUND)|bad address '/,
    advice: (_match, step) =>
      runs(step, "--network=none")
        ? "The step has no network (--network=none)."
        : "The step cannot resolve names: check the engine's DNS (daemon.json) and proxy; curl in the shell shows it.",
  },
  {
    pattern: /certificate (?:verify failed|has expired)|self[- ]signed certificate|x509: certificate/i,
    advice: () => "A certificate is not trusted: install ca-certificates, or your company's CA, in an earlier step.",
  },
  {
    pattern: /fatal: could not read Username|Host key verification failed|Permission denied \(publickey/,
    advice: () => "git has no credentials here: RUN --mount=type=ssh with --ssh default, or a secret mount.",
  },
  {
    pattern: /su(?:do)?: (?:command )?not found/,
    advice: () => "There is no sudo in images: RUN is root until USER says otherwise.",
  },
  {
    pattern: /: \[\S*: (?:command )?not found/,
    advice: (_match, { instruction }) =>
      /^\w+\s+\[\s*'/.test(instruction.text)
        ? "Single quotes make no JSON list: this was run by the shell. Exec form takes double quotes."
        : undefined,
  },
  {
    pattern: /(?:sh|bash)(?:: line \d+|: \d+)?: (?!\[)(\S+): not found|(?<![^\s:])(?!\[)([^\s:]+): command not found/,
    advice: ([, one, other]) => notFound(one ?? other ?? "The command"),
  },
  {
    pattern:
      /(?<![^\s:])(\/[^\s:]+): cannot execute: required file not found|exec (\/[^\s:]+): no such file or directory/,
    advice: ([, one, other]) => notFound(one ?? other ?? "It"),
  },
  {
    pattern:
      /Syntax error: "\(" unexpected|Syntax error: redirection unexpected|\[\[: not found|Illegal option -o pipefail|set: illegal option -o/,
    advice: () => 'The step runs in sh, but this is bash: SHELL ["/bin/bash", "-c"] before it.',
  },
  {
    pattern: /JavaScript heap out of memory/,
    advice: () => "Node ran out of its own heap: NODE_OPTIONS=--max-old-space-size=4096.",
  },
];
