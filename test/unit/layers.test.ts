import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const source = fileURLToPath(new URL("../../src", import.meta.url));

/** What any file may import. */
const foundation = ["errors", "lifetime", "log", "temp-folder", "output-lost", "write-all"];
const contract = "engine/engine";

/**
 * What each part of src may import of the others: a folder, or one file. The first row whose name fits a file counts; a
 * part may import itself. Imports point one way, from main down to dockerfile.
 */
const rules: readonly { readonly part: string; readonly may: readonly string[] }[] = [
  ...foundation.map((part) => ({ part, may: [] })),
  { part: "dockerfile", may: ["errors"] },
  { part: contract, may: ["dockerfile", "errors"] },
  { part: "engine/select", may: ["engine", "docker", ...foundation] },
  { part: "engine/context", may: [contract, ...foundation] },
  { part: "engine/compare-states", may: [contract, ...foundation] },
  {
    part: "engine/buildkit",
    may: [contract, "engine/context", "engine/compare-states", "docker", "dockerfile", ...foundation],
  },
  {
    part: "engine/classic",
    may: [contract, "engine/context", "engine/compare-states", "docker", "dockerfile", ...foundation],
  },
  { part: "docker", may: foundation },
  { part: "sidecar", may: ["docker", contract, "dockerfile", ...foundation] },
  { part: "debugger", may: [contract, "dockerfile", ...foundation] },
  { part: "frontends/terminal", may: ["debugger", contract, "dockerfile", ...foundation] },
  { part: "frontends/dap", may: ["debugger", contract, "dockerfile", ...foundation] },
  { part: "frontends/json", may: ["debugger", contract, "dockerfile", ...foundation] },
  { part: "cli", may: ["frontends", "debugger", "engine", "docker", "sidecar", "dockerfile", ...foundation] },
  { part: "main", may: ["cli", "frontends", ...foundation] },
  { part: "boot", may: ["cli/version", "code-file", "output-lost"] },
  { part: "code-file", may: [] },
];

/** Packages that one part alone knows. */
const owners: Readonly<Record<string, string>> = {
  dockerode: "docker",
  "@grpc/grpc-js": "engine/buildkit",
  "@bufbuild/protobuf": "engine/buildkit",
  commander: "cli",
  "docker-file-parser": "dockerfile",
  picocolors: "frontends/terminal",
};

interface Module {
  /** Below src, with slashes, without its ending. */
  readonly name: string;
  readonly text: string;
  /** Imported modules of src, named alike. */
  readonly modules: readonly string[];
  /** Imported packages, `node:` ones too. */
  readonly packages: readonly string[];
}

const modules: readonly Module[] = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => {
    const text = readFileSync(join(source, path), "utf8");
    const imported = ts.preProcessFile(text).importedFiles.map(({ fileName }) => fileName);
    const resolve = (specifier: string): string =>
      relative(source, join(source, dirname(path), specifier))
        .replaceAll(sep, posix.sep)
        .replace(/\.js$/, "");
    return {
      name: path.replaceAll(sep, posix.sep).replace(/\.ts$/, ""),
      text,
      modules: imported.filter((specifier) => /^\.\.?\/.*\.js$/.test(specifier)).map(resolve),
      packages: imported.filter((specifier) => !specifier.startsWith(".")),
    };
  });

const belongs = (name: string, part: string): boolean => name === part || name.startsWith(`${part}/`);

describe("the layers of src", () => {
  it("are all known", () => {
    expect(modules.length).toBeGreaterThan(50);
    const unknown = modules.filter(({ name }) => !rules.some(({ part }) => belongs(name, part)));
    expect(unknown.map(({ name }) => name)).toEqual([]);
  });

  it("import one way", () => {
    const wrong = modules.flatMap(({ name, modules: imported }) => {
      const rule = rules.find(({ part }) => belongs(name, part));
      if (!rule) return [];
      return imported
        .filter((other) => ![rule.part, ...rule.may].some((part) => belongs(other, part)))
        .map((other) => `${name} imports ${other}`);
    });
    expect(wrong).toEqual([]);
  });

  it.each(Object.entries(owners))("keep %s in %s", (name, owner) => {
    const wrong = modules.filter(
      ({ name: importer, packages }) =>
        packages.some((imported) => belongs(imported, name)) && !belongs(importer, owner),
    );
    expect(wrong.map(({ name: importer }) => importer)).toEqual([]);
  });

  it("leave process.exit to main", () => {
    const wrong = modules.filter(({ name, text }) => name !== "main" && /\bprocess\.exit\(/.test(text));
    expect(wrong.map(({ name }) => name)).toEqual([]);
  });

  it("have no drawer for everything", () => {
    const drawers = modules.filter(({ name }) => /(^|\/)(utils?|common|helpers|misc)(\/|$)/.test(name));
    expect(drawers.map(({ name }) => name)).toEqual([]);
  });

  it("have files that one can read in one go", () => {
    const long = modules
      .filter(({ name }) => !name.startsWith("engine/buildkit/gen/"))
      .map(({ name, text }) => ({ name, lines: text.split("\n").length - 1 }))
      .filter(({ lines }) => lines > 450);
    expect(long).toEqual([]);
  });
});
