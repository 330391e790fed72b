import { posix } from "node:path";
import { nearest } from "../../dockerfile/suggest.js";
import { ContainerError } from "../../errors.js";
import type { CommandContext } from "./command.js";
import type { StatePath } from "./places.js";

/** Reads a path of a state; where it is not there, the error says what may have been meant. */
export async function readingPath<T>(
  at: StatePath,
  { signal, stopped }: Pick<CommandContext, "signal" | "stopped">,
  read: (at: StatePath) => Promise<T>,
): Promise<T> {
  try {
    return await read(at);
  } catch (error) {
    if (!(error instanceof ContainerError) || error.code !== "NOT_FOUND") throw error;
    const hint = await whatIsThere(at, signal);
    const isBare = stopped.at === "before" && stopped.step.stageStep === 1 && hint === "empty";
    throw new ContainerError(error.message, {
      code: error.code,
      cause: error,
      hint: isBare
        ? "Before its FROM a stage has no files: `next` first, or STEP:PATH for what another step made."
        : hint === "empty"
          ? "The filesystem is empty here."
          : hint,
    });
  }
}

/** Names what is like the first part of a path that is not there; "empty" where there is nothing at all. */
async function whatIsThere({ state, path }: StatePath, signal: AbortSignal | undefined): Promise<string | undefined> {
  const options = signal ? { signal } : {};
  const parts = path.split("/").filter((part) => part !== "");
  let folder = "/";
  for (const [index, part] of parts.entries()) {
    const names = await state.readDir(folder, options).then(
      (entries) => entries.map(({ name }) => name),
      () => undefined,
    );
    if (names === undefined) return undefined;
    if (names.length === 0 && folder === "/") return "empty";
    if (!names.includes(part)) {
      const like = nearest(part, names);
      const rest = parts.slice(index + 1);
      if (like !== undefined) return `Did you mean ${posix.join(folder, like, ...rest)}?`;
      return index === 0 ? undefined : `${folder} is there, and has no ${part} in it.`;
    }
    folder = posix.join(folder, part);
  }
  return undefined;
}
