// Bundles src/ into dist/: lib/main.js, and dfdebug.js (src/boot.ts), which loads it. Runs from `npm install` too (prepare):
// a packed tarball brings dist/ along and has no esbuild.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
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

// Packages that only some commands need, in bundles of their own beside the main one.
const apart = ["chokidar", "tar-stream", "yaml"];
const keptApart = {
  name: "kept-apart",
  setup(build) {
    build.onResolve({ filter: new RegExp(`^(${apart.join("|")})$`) }, ({ kind, path }) =>
      kind === "entry-point" ? undefined : { path: `./${path}.js`, external: true },
    );
  },
};

const common = {
  absWorkingDir: root,
  bundle: true,
  format: "cjs",
  platform: "node",
  target: "node20",
  // import() as require(): src/boot.ts loads the bundles, and they may be run without a module loader.
  supported: { "dynamic-import": false },
  minifySyntax: true,
  minifyWhitespace: true,
  charset: "ascii",
  legalComments: "none",
  logLevel: "warning",
};

rmSync(`${root}dist`, { recursive: true, force: true });
const { outputFiles } = await esbuild.build({
  ...common,
  entryPoints: { main: "src/main.ts", ...Object.fromEntries(apart.map((name) => [name, name])) },
  outdir: "dist/lib",
  write: false,
  // grpc-js loads proto-loader only for channelz, which nothing here turns on: as an external it costs nothing to parse.
  external: ["@grpc/proto-loader"],
  define: { "import.meta.url": "moduleUrl" },
  banner: { js: 'var moduleUrl=require("node:url").pathToFileURL(__filename).href;' },
  plugins: [withoutChildProcess, keptApart],
});
const hash = createHash("sha256");
mkdirSync(`${root}dist/lib`, { recursive: true });
for (const { path, contents } of outputFiles) {
  hash.update(contents);
  writeFileSync(path, contents);
}
await esbuild.build({
  ...common,
  entryPoints: { dfdebug: "src/boot.ts" },
  outdir: "dist",
  define: { bundleId: JSON.stringify(hash.digest("hex").slice(0, 12)) },
  banner: { js: "#!/usr/bin/env node" },
});
// The package's own modules are ESM; what is built is not.
writeFileSync(`${root}dist/package.json`, '{ "type": "commonjs" }\n');
chmodSync(`${root}dist/dfdebug.js`, 0o755);
