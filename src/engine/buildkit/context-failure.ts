import { BuildError } from "../../errors.js";
import type { BuildRequest } from "../engine.js";

/** What BuildKit's frontend says before it knows any step: the Dockerfile, or the context it lies in, could not be fetched. */
const unread =
  /failed to read dockerfile|failed to read downloaded context|failed to load remote context|invalid context/i;

interface Known {
  readonly pattern: RegExp;
  readonly message: (match: RegExpExecArray, url: string) => string;
  readonly hint: string;
}

/* git, HTTP servers and archives have no codes that BuildKit would pass on. */
const known: readonly Known[] = [
  {
    pattern: /"git": executable file not found/,
    message: (_match, url) => `The engine cannot fetch ${url}: there is no git beside it`,
    hint: "Install git where the engine runs, or clone the repository and build its folder.",
  },
  {
    pattern: /subdir not supported/,
    message: (_match, url) => `This engine's BuildKit builds no subdirectory of a git repository (${url})`,
    hint: "Docker Engine 23.0 and later do. Here: clone the repository and build its folder.",
  },
  {
    pattern: /does not contain ref ([^\s,]+)|couldn't find remote ref (\S+)/,
    message: (match, url) => `The repository of ${url} has no branch, tag or commit ${match[1] ?? match[2] ?? ""}`,
    hint: "URL#BRANCH names one. Without it, engines before 23.0 take master.",
  },
  {
    pattern: /invalid subdir (\S+?):?\s/,
    message: (match, url) => `The repository of ${url} has no folder ${match[1] ?? ""}`,
    hint: "It is URL#BRANCH:FOLDER.",
  },
  {
    pattern: /open (?:\S*\/)?([^/\s]+): no such file or directory|failed to find (?:dockerfile )?(\S+)/i,
    message: (match, url) => `There is no ${match[1] ?? match[2] ?? "Dockerfile"} in the context ${url}`,
    hint: "-f names the Dockerfile, relative to the context's root.",
  },
  {
    pattern: /invalid response status (\d+)/,
    message: (match, url) => `The server answered ${match[1] ?? ""} for ${url}`,
    hint: "The engine fetches it, without credentials of yours.",
  },
];

/** To an engine without xz beside it such an archive is an empty one; docker build says no more than that either. */
const xzHint =
  "The archive is compressed with xz, which an engine without xz-utils beside it takes for empty. Unpack it on the way: xz -dc ARCHIVE | dfdebug build -";

/** A context that the engine was to fetch or unpack and could not; undefined where the error is about something else. */
export function contextFailure(
  message: string,
  words: string,
  request: Pick<BuildRequest, "context">,
  cause: unknown,
): BuildError | undefined {
  const { context } = request;
  if ((context.kind !== "remote" && context.kind !== "archive") || !unread.test(message)) return undefined;
  const name = context.kind === "remote" ? withoutCredentials(context.url, context.url) : "on standard input";
  for (const entry of known) {
    const match = entry.pattern.exec(message);
    if (!match) continue;
    const hint = context.kind === "archive" && context.isXz ? xzHint : entry.hint;
    return new BuildError(entry.message(match, name), { code: "CONTEXT_FETCH", hint, cause });
  }
  const safe = context.kind === "remote" ? withoutCredentials(words, context.url) : words;
  return new BuildError(`The context ${name} could not be read: ${safe}`, {
    code: "CONTEXT_FETCH",
    cause,
    hint:
      context.kind === "remote"
        ? "The engine fetches it, not dfdebug: check the address, and the engine's network and proxy."
        : undefined,
  });
}

/** People write tokens into URLs, git repeats them, and messages are pasted into issues. */
function withoutCredentials(text: string, url: string): string {
  const [, credentials = ""] = /^[a-z+]+:\/\/([^/@]*)@/i.exec(url) ?? [];
  return credentials === "" ? text : text.replaceAll(`${credentials}@`, "");
}
