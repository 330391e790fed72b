import { Help, type Option } from "commander";
import { UsageError } from "../errors.js";

/** The parser of an option that may stand several times: its values in order, beside the default `[]`. */
export function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

/** An option's line in the help; "(default: [])" says nothing there. */
export function describeOption(option: Option): string {
  return Array.isArray(option.defaultValue) ? option.description : new Help().optionDescription(option);
}

/** docker's `-e`: `NAME=value`, or `NAME` to pass ours on, where it is set. Throws UsageError. */
export function environmentEntries(entries: readonly string[], env: NodeJS.ProcessEnv): string[] {
  return entries.flatMap((entry) => {
    if (entry.startsWith("=") || entry === "") throw new UsageError(`-e ${entry}: a variable needs a name`);
    if (entry.includes("=")) return [entry];
    return env[entry] === undefined ? [] : [`${entry}=${env[entry]}`];
  });
}
