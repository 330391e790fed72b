import { describe, expect, it } from "vitest";
import { DockerfileError, UsageError } from "../../../../src/errors.js";
import { renderError } from "../../../../src/frontends/terminal/error-text.js";

const env = { NO_COLOR: "1" };
const hint = "A sentence that is longer than thirty columns.";

describe("an error's text", () => {
  it("breaks at blanks on a terminal", () => {
    const error = new UsageError("Something is wrong with what was given", { hint });
    expect(renderError(error, { stream: { isTTY: true, columns: 30 }, env })).toBe(
      "Error: Something is wrong\n  with what was given\n  A sentence that is longer\n  than thirty columns.\n",
    );
  });

  it("stays a line each elsewhere, however long", () => {
    const long = `${hint} `.repeat(10).trim();
    expect(renderError(new UsageError(long, { hint: long }), { stream: {}, env })).toBe(`Error: ${long}\n  ${long}\n`);
  });

  it("keeps the place of one in a Dockerfile whole", () => {
    const range = { start: { line: 3, column: 0 }, end: { line: 3, column: 0 } };
    const error = new DockerfileError("no such thing is known to this engine", {
      code: "X",
      file: "Dockerfile",
      range,
    });
    expect(renderError(error, { stream: { isTTY: true, columns: 42 }, env })).toBe(
      "Dockerfile:3:1: error: no such thing is\n  known to this engine\n",
    );
  });
});
