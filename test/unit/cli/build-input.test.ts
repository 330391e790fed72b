import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import { readStandardInput } from "../../../src/cli/build-input.js";

describe("what is built from standard input", () => {
  const read = (...chunks: readonly (string | number[])[]): ReturnType<typeof readStandardInput> =>
    readStandardInput(Readable.from(chunks.map((chunk) => Buffer.from(chunk as string))));

  it("is told apart by its first bytes, however they come", async () => {
    expect(await read("FROM ", "scratch\n")).toMatchObject({ context: { kind: "empty" }, text: "FROM scratch\n" });
    expect(await read()).toMatchObject({ context: { kind: "empty" }, text: "" });
    expect(await read([0x1f], [0x8b, 8, 0])).toMatchObject({ context: { kind: "archive", isXz: false } });
    expect(await read([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 1])).toMatchObject({
      context: { kind: "archive", isXz: true },
    });
    await expect(read([0x28, 0xb5, 0x2f, 0xfd, 0])).rejects.toMatchObject({ code: "CONTEXT_ARCHIVE", exitCode: 2 });
  });
});
