import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 300_000,
    // Engines, signals and loop devices are shared by the whole machine: more workers than this disturb each other.
    maxWorkers: 2,
  },
});
