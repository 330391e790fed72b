import { describe, expect, test } from "vitest";
import {
  fixRun,
  joinedShellText,
  withLayout,
  replaceInstruction,
  shellText,
  unifiedDiff,
} from "../../../src/dockerfile/edit.js";
import { parseDockerfile, parseInstruction } from "../../../src/dockerfile/parse.js";

const run = (text: string) => parseInstruction(text, { file: "Dockerfile" });

const apt = `RUN --mount=type=cache,target=/var/cache/apt \\
    apt-get update && \\
    # the compiler
    apt-get install -y \\
      gcc \\

      mkae && \\
    rm -rf /tmp/x`;

describe("shellText", () => {
  test("keeps continuations and leaves flags, comments and empty lines out", () => {
    expect(shellText(run(apt))).toBe(
      "apt-get update && \\\n    apt-get install -y \\\n      gcc \\\n      mkae && \\\n    rm -rf /tmp/x",
    );
    expect(joinedShellText(run(apt))).toBe("apt-get update && apt-get install -y gcc mkae && rm -rf /tmp/x");
  });

  test("joins words that a continuation cuts, and leaves quoted blanks alone", () => {
    expect(joinedShellText(run("RUN ec\\\nho 'a \\\n   b'"))).toBe("echo 'a    b'");
    expect(joinedShellText(run("RUN a\tb 'c\td' e\\\tf\t&& \\\n\tg"))).toBe("a b 'c\td' e\\\tf && g");
  });

  test("quotes exec form", () => {
    expect(shellText(run('RUN ["sh", "-c", "echo it\'s $HOME"]'))).toBe("sh -c 'echo it'\\''s $HOME'");
  });

  test("gives a heredoc alone to a shell or to its program", () => {
    expect(shellText(run("RUN <<EOF\nset -e\nmake\nEOF"))).toBe("sh <<'EOF'\nset -e\nmake\nEOF");
    expect(shellText(run("RUN <<EOF\n#!/usr/bin/env python3\nprint()\nEOF"))).toBe(
      "/usr/bin/env python3 <<'EOF'\n#!/usr/bin/env python3\nprint()\nEOF",
    );
    expect(shellText(run("RUN <<EOF\nmake\nEOF"), ["/bin/bash", "-c"])).toBe("/bin/bash <<'EOF'\nmake\nEOF");
    expect(joinedShellText(run("RUN <<EOF\nmake\nEOF"))).toBeUndefined();
  });

  test("keeps a command with heredocs as written", () => {
    expect(shellText(run("RUN cat <<A > /a && \\\n cat <<B\n1\nA\n2\nB"))).toBe(
      "cat <<A > /a && \\\n cat <<B\n1\nA\n2\nB",
    );
  });

  test("turns backtick continuations into backslashes, and CRLF into LF", () => {
    const { stages } = parseDockerfile("# escape=`\r\nFROM a\r\nRUN one `\r\n  two\r\n", { file: "Dockerfile" });
    const instruction = stages[0]?.instructions[1];
    expect(instruction && shellText(instruction)).toBe("one \\\n  two");
  });
});

describe("fixRun", () => {
  const table: readonly (readonly [string, string, string, string])[] = [
    ["one line", "RUN npm ci", "npm install", "RUN npm install"],
    ["flags stay", "RUN --network=none  make", "make -j2", "RUN --network=none  make -j2"],
    ["nothing changed", apt, shellText(run(apt)), apt],
    ["nothing changed but layout", apt, joinedShellText(run(apt)) ?? "", apt],
    [
      "one word of a line changed",
      apt,
      "apt-get update && apt-get install -y gcc make && rm -rf /tmp/x",
      apt.replace("mkae", "make"),
    ],
    [
      "a word added",
      apt,
      "apt-get update && apt-get install -y gcc mkae curl && rm -rf /tmp/x",
      apt.replace("mkae", "mkae curl"),
    ],
    ["the last line removed", "RUN a && \\\n    b && \\\n    c", "a && b", "RUN a && \\\n    b"],
    ["a line edited over several", apt, shellText(run(apt)).replace("mkae", "make"), apt.replace("mkae", "make")],
    ["a line typed in addition", "RUN a && \\\n  b", "a && \\\nx && \\\n  b", "RUN a && \\\n  x && \\\n  b"],
    ["exec form stays", 'RUN ["npm", "ci"]', "npm install --omit='dev x'", 'RUN ["npm", "install", "--omit=dev x"]'],
    ["exec form cannot stay", 'RUN ["npm", "ci"]', "npm ci || true", "RUN npm ci || true"],
    ["a heredoc stays", "RUN <<EOF\nmkae\nEOF", "sh <<'EOF'\nmake\nEOF", "RUN <<EOF\nmake\nEOF"],
    ["a heredoc's body typed alone", "RUN <<EOF\nmkae\nEOF", "make", "RUN <<EOF\nmake\nEOF"],
    ["a heredoc with tabs", "RUN <<-EOF\n\tmkae\n\tEOF", "make", "RUN <<-EOF\n\tmake\n\tEOF"],
    ["several commands become a heredoc", "RUN a", "a\nb", "RUN <<EOF\na\nb\nEOF"],
    ["a heredoc typed", "RUN a", "cat <<X > f\n1\nX", "RUN cat <<X > f\n1\nX"],
    ["a complex heredoc", "RUN cat <<X > f\n1\nX", "cat <<X > f\n2\nX", "RUN cat <<X > f\n2\nX"],
  ];
  test.each(table)("%s", (_, source, command, expected) => {
    const fixed = fixRun(run(source), command);
    expect(fixed).toBe(expected);
    expect(run(fixed).keyword).toBe("RUN");
  });
});

describe("replaceInstruction", () => {
  test("leaves everything else byte for byte, and keeps CRLF", () => {
    const source = "FROM a\r\n  RUN x \\\r\n   y\r\n\r\n# end\r\n";
    const dockerfile = parseDockerfile(source, { file: "Dockerfile" });
    const instruction = dockerfile.stages[0]?.instructions[1];
    if (instruction === undefined) throw new Error("no RUN");
    expect(replaceInstruction(dockerfile, instruction, instruction.source)).toBe(source);
    expect(replaceInstruction(dockerfile, instruction, "RUN z \\\n   y\n")).toBe(
      "FROM a\r\n  RUN z \\\r\n   y\r\n\r\n# end\r\n",
    );
  });
});

describe("unifiedDiff", () => {
  test("writes hunks with context, and files without a last line feed", () => {
    const before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12";
    const after = before.replace("2\n", "two\n").replace("12", "12\n");
    expect(unifiedDiff(before, after, "Dockerfile")).toBe(
      [
        "--- Dockerfile",
        "+++ Dockerfile",
        "@@ -1,5 +1,5 @@",
        " 1",
        "-2",
        "+two",
        " 3",
        " 4",
        " 5",
        "@@ -9,4 +9,4 @@",
        " 9",
        " 10",
        " 11",
        "-12",
        "\\ No newline at end of file",
        "+12",
        "",
      ].join("\n"),
    );
    expect(unifiedDiff("a\n", "a\n", "f")).toBe("");
    expect(unifiedDiff("", "a\n", "f")).toBe("--- f\n+++ f\n@@ -0,0 +1 @@\n+a\n");
    expect(unifiedDiff("a\nb\n", "a\n", "f")).toBe("--- f\n+++ f\n@@ -1,2 +1 @@\n a\n-b\n");
  });
});

describe("withLayout", () => {
  const long = "RUN --network=none a 1 && \\\n\t# why\n\tb 2 && \\\n\tc 3";

  test("keeps the lines that a whole instruction on one line did not change", () => {
    expect(withLayout(run(long), "RUN --network=none a 1 && b 22 && c 3", "\\")).toBe(long.replace("b 2", "b 22"));
  });

  test("takes other flags, another instruction and what cannot be read as they stand", () => {
    for (const text of ["RUN a 1 && b 2 && c 3", "COPY a b", 'RUN ["a"]', "NO a"])
      expect(withLayout(run(long), text, "\\")).toBe(text);
  });
});
