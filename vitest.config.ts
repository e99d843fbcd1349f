import { join } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";

/** Tests whose engines, networks and containers are shared with everything else that runs on the machine. */
const WITH_ENGINES = [
  "test/{contract,docs,e2e}/**/*.test.ts",
  "test/init/{docker-init-path,peers-suites,podman,replaced-init}.test.ts",
];

/** Minutes of work for what few changes touch: `.ci/nightly` runs them, and whoever sets the variable. */
const NIGHTLY = process.env["INITWRAP_NIGHTLY"]
  ? []
  : ["test/bench/image.test.ts", "test/e2e/generate-{compilers,installers}.test.ts"];

export default defineConfig({
  // The tests read the sources; what is built is tried by the end-to-end tests, through the CLI's own process.
  resolve: { alias: { "@initwrap/init-core": join(import.meta.dirname, "packages/init-core/lib/index.ts") } },
  test: {
    testTimeout: 60_000,
    hookTimeout: 300_000,
    // Engines, signals and loop devices are shared by the whole machine: more workers than this disturb each other.
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: {
          name: "alone",
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...NIGHTLY, ...WITH_ENGINES],
        },
      },
      {
        extends: true,
        // An engine that was late once is asked once more, and test/support/retried.ts names each test that needed it.
        test: { name: "engines", include: WITH_ENGINES, exclude: [...configDefaults.exclude, ...NIGHTLY], retry: 1 },
      },
    ],
  },
});
