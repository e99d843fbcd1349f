import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // The tests read the sources; what is built is tried by the end-to-end tests, through the CLI's own process.
  resolve: { alias: { "@initwrap/init-core": join(import.meta.dirname, "packages/init-core/lib/index.ts") } },
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 300_000,
    // Engines, signals and loop devices are shared by the whole machine: more workers than this disturb each other.
    maxWorkers: 2,
  },
});
