import { describe, expect, it } from "vitest";
import type { CliIo } from "../../../src/cli/io.js";
import { createProgram, namedCommand } from "../../../src/cli/program.js";

describe("the command that a command line names", () => {
  it.each([
    [["debug", "web"], "debug"],
    [["-H", "unix:///x", "build", "."], "build"],
    [["--host=unix:///x", "-c", "debug", "ps", "web"], "ps"],
    [["-Hunix:///x", "logs"], "logs"],
    [["--help"], undefined],
    [["--version", "debug"], undefined],
    [[], undefined],
    [["-c"], undefined],
  ])("%j: %s", (argv, expected) => {
    expect(namedCommand(argv)).toBe(expected);
  });

  it("is the only one that is made; an unknown one is looked for among all", () => {
    const names = (only?: string): string[] =>
      createProgram({} as CliIo, () => undefined, only).commands.map((command) => command.name());
    expect(names("ps")).toEqual(["ps"]);
    expect(names("nosuch")).toEqual(names());
    expect(names("toString")).toEqual(names());
    expect(names().slice(0, 3)).toEqual(["build", "plan", "debug"]);
  });
});
