// Bundles src/ into dist/: lib/chunks.js, and dfdebug.js (src/boot.ts), which loads it. Runs from `npm install` too (prepare):
// a packed tarball brings dist/ along and has no esbuild.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

let esbuild;
try {
  esbuild = await import("esbuild");
} catch {
  if (existsSync(`${root}dist/dfdebug.js`)) process.exit(0);
  // `npm install -g .` in a fresh clone runs this before it has installed anything.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_config_(global|prefix|location)$/i.test(name)),
  );
  execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
    cwd: root,
    env,
    stdio: ["ignore", 2, 2],
  });
  esbuild = await import("esbuild");
}

// Of grpc-js: its server, and what finds and balances between several addresses. dfdebug dials one unix socket.
const withoutUnused = {
  name: "without-unused",
  setup(build) {
    const parts =
      "server|server-credentials|server-interceptors|orca|experimental|certificate-provider|resolver-dns|resolver-ip|" +
      "load-balancer-outlier-detection|load-balancer-round-robin|load-balancer-weighted-round-robin";
    build.onLoad({ filter: new RegExp(`node_modules/@grpc/grpc-js/build/src/(${parts})\\.js$`) }, () => ({
      contents: "exports.setup = () => {};",
    }));
  },
};

// commander loads it for subcommands that are programs of their own; dfdebug has none.
const withoutChildProcess = {
  name: "without-child-process",
  setup(build) {
    build.onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      /node_modules\/commander\//.test(importer) ? { path: "child-process", namespace: "unused" } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: "unused" }, () => ({ contents: "module.exports = {};" }));
  },
};

// Of packages nobody reads the names in stack traces; shorter ones are read faster.
const withShortNames = {
  name: "with-short-names",
  setup(build) {
    build.onLoad({ filter: /node_modules\/.*\.js$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      const { code } = await esbuild.transform(text, {
        minifyIdentifiers: true,
        platform: "node",
        target: common.target,
      });
      return { contents: code };
    });
  },
};

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  target: "node20",
  minifySyntax: true,
  minifyWhitespace: true,
  charset: "ascii",
  legalComments: "none",
  logLevel: "warning",
};

rmSync(`${root}dist`, { recursive: true, force: true });
// What is imported later is a chunk of its own, and so is what several of them share: a run reads those that it needs.
const { outputFiles } = await esbuild.build({
  ...common,
  entryPoints: { main: "src/main.ts" },
  outdir: "dist/lib",
  write: false,
  format: "esm",
  splitting: true,
  // grpc-js loads it only for channelz, which nothing here turns on.
  external: ["@grpc/proto-loader"],
  plugins: [withoutChildProcess, withoutUnused, withShortNames],
});
/** A chunk as what a function's body says: import() is require(), for chunks are loaded by src/boot.ts. */
async function asFunctionBody(text) {
  const { code } = await esbuild.transform(text, {
    format: "cjs",
    platform: "node",
    target: common.target,
    supported: { "dynamic-import": false },
    define: { "import.meta.url": "module.url" },
    minifySyntax: true,
    minifyWhitespace: true,
    charset: "ascii",
  });
  return code;
}
// What esbuild puts before each module that exports, imports a default or does both; src/boot.ts has it once for all chunks.
const [exporting, importing, both] = await Promise.all(
  ["export let a = 1", 'import a from "a"; a()', 'export let a = 1; import b from "b"; b()'].map(async (probe) => {
    const code = await asFunctionBody(probe);
    return code.slice(0, code.search(/var (stdin_exports|import_a)=/));
  }),
);
async function asChunk(text) {
  const code = await asFunctionBody(text);
  const helpers = [both, exporting, importing].find((known) => code.startsWith(known));
  if (!helpers) return code;
  const own = code
    .slice(helpers.length)
    .replace("module.exports=__toCommonJS(stdin_exports)", "module.exports=stdin_exports");
  if (/\b__(toCommonJS|copyProps|defProp)\b/.test(own)) throw new Error("esbuild's helpers are not what they were");
  return own;
}
// Each is a function, which src/boot.ts calls; all are in one file, one behind the other, for files cost more than bytes.
const chunks = {};
let all = "";
for (const { path, text } of outputFiles.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
  const code = await asChunk(text);
  const chunk = `(function(require,module,__export,__toESM){${code}})\n`;
  chunks[basename(path)] = [all.length, chunk.length, all.split("\n").length - 1];
  all += chunk;
}
mkdirSync(`${root}dist/lib`, { recursive: true });
// ASCII only: where a chunk begins in the text, it begins in the file.
writeFileSync(`${root}dist/lib/chunks.js`, all, "latin1");
await esbuild.build({
  ...common,
  entryPoints: { dfdebug: "src/boot.ts" },
  outdir: "dist",
  format: "cjs",
  define: {
    chunksId: JSON.stringify(createHash("sha256").update(all).digest("hex").slice(0, 12)),
    chunkPlaces: JSON.stringify(chunks),
  },
  banner: { js: "#!/usr/bin/env node" },
});
// The package's own modules are ESM; what is built is not.
writeFileSync(`${root}dist/package.json`, '{ "type": "commonjs" }\n');
chmodSync(`${root}dist/dfdebug.js`, 0o755);
