import { defineConfig } from "vitest/config";

// Three projects: `unit` needs nothing; `engine` and `cli` need a real engine (scripts/test.mjs starts it and says
// where in DFDEBUG_TEST_ENGINES). Engine tests share one engine's cache, so their files run one after another.
export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 20_000 } },
      {
        test: {
          name: "engine",
          include: ["test/engine/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "cli",
          include: ["test/cli/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
