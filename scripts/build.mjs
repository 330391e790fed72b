// Bundles src/main.ts into dist/. What is imported lazily stays in chunks of its own, so that a command loads only what
// it needs. Runs from `npm install` too (prepare): a packed tarball brings dist/ along and has no esbuild.
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, rmSync } from "node:fs";
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

rmSync(`${root}dist`, { recursive: true, force: true });
await esbuild.build({
  absWorkingDir: root,
  entryPoints: { dfdebug: "src/main.ts" },
  outdir: "dist",
  bundle: true,
  splitting: true,
  chunkNames: "chunks/[name]-[hash]",
  format: "esm",
  platform: "node",
  target: "node20",
  minifySyntax: true,
  minifyWhitespace: true,
  keepNames: true,
  legalComments: "none",
  // grpc-js loads proto-loader only for channelz, which nothing here turns on: as an external it costs nothing to parse.
  external: ["@grpc/proto-loader"],
  banner: {
    js: [
      "#!/usr/bin/env node",
      'import { createRequire as dfdebugRequire } from "node:module";',
      "const require = dfdebugRequire(import.meta.url);",
    ].join("\n"),
  },
  logLevel: "warning",
});
chmodSync(`${root}dist/dfdebug.js`, 0o755);
