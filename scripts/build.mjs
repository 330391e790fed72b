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

// Packages that only some commands need, in bundles of their own beside the main one.
const apart = ["@grpc/grpc-js", "chokidar", "tar-stream", "yaml"];
const bundleOf = (name) => name.replace(/^.*\//, "");
const keptApart = {
  name: "kept-apart",
  setup(build) {
    build.onResolve({ filter: new RegExp(`^(${apart.join("|")})$`) }, ({ kind, path }) =>
      kind === "entry-point" ? undefined : { path: `./${bundleOf(path)}.js`, external: true },
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
// A bundle is one function, which src/boot.ts calls.
const library = {
  ...common,
  outdir: "dist/lib",
  write: false,
  footer: { js: "})" },
};
const begin = "(function(exports,require,module,__filename){";
const bundles = await Promise.all([
  esbuild.build({
    ...library,
    entryPoints: { main: "src/main.ts" },
    define: { "import.meta.url": "moduleUrl" },
    banner: { js: `${begin}var moduleUrl=require("node:url").pathToFileURL(__filename).href;` },
    plugins: [withoutChildProcess, keptApart],
  }),
  esbuild.build({
    ...library,
    entryPoints: Object.fromEntries(apart.map((name) => [bundleOf(name), name])),
    banner: { js: begin },
    minifyIdentifiers: true,
    // grpc-js loads proto-loader only for channelz, which nothing here turns on: as an external it costs nothing to parse.
    external: ["@grpc/proto-loader"],
    plugins: [withoutUnused, keptApart],
  }),
]);
const hash = createHash("sha256");
mkdirSync(`${root}dist/lib`, { recursive: true });
for (const { path, contents } of bundles.flatMap(({ outputFiles }) => outputFiles)) {
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
