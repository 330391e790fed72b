import { defineConfig } from "vitest/config";

// `unit` needs nothing; the others need a real engine (scripts/test.mjs starts it and says where in DFDEBUG_TEST_ENGINES).
// Engine tests share one engine's cache, so their files run one after another; `one-engine` has what is the same on all.
const onEngines = ["engine", "cli", "one-engine"].map((name) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: 240_000,
    hookTimeout: 240_000,
    fileParallelism: false,
    // Where a file says that its tests can run beside each other: two cores have no use for more.
    maxConcurrency: 2,
    // A terminal and an engine on a loaded machine: a test that fails is run once more, and scripts/test.mjs names it.
    retry: 1,
  },
}));

export default defineConfig({
  test: {
    projects: [{ test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 20_000 } }, ...onEngines],
  },
});
