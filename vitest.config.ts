import { join } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";
import LongestFirst from "./test/support/longest-first.ts";

/** Tests whose engines, networks and containers are shared with everything else that runs on the machine. */
const WITH_ENGINES = [
  "test/{contract,docs,e2e}/**/*.test.ts",
  "test/init/{docker-init-path,peers-suites,podman,replaced-init}.test.ts",
];

/** Of these, those that go by milliseconds: they run beside the ones that leave the engines alone. */
const TIMED = ["test/contract/registry-faults.test.ts", "test/e2e/{behaviour,probe}.test.ts"];

/** Minutes of work for what few changes touch: `.ci/nightly` runs them, and whoever sets the variable. */
const NIGHTLY = process.env["INITWRAP_NIGHTLY"]
  ? []
  : ["test/bench/image.test.ts", "test/e2e/generate-{compilers,installers}.test.ts"];

/** Signals and moments are what these are about: more workers than processors disturb each other. */
const UNDISTURBED = { maxWorkers: 2, sequence: { groupOrder: 0 } };

/** An engine that was late once is asked once more, and test/support/retried.ts names each test that needed it. */
const RETRIES = 1;

export default defineConfig({
  // The tests read the sources; what is built is tried by the end-to-end tests, through the CLI's own process.
  resolve: { alias: { "@initwrap/init-core": join(import.meta.dirname, "packages/init-core/lib/index.ts") } },
  test: {
    testTimeout: 60_000,
    hookTimeout: 300_000,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: "alone",
          include: ["test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...NIGHTLY, ...WITH_ENGINES],
          ...UNDISTURBED,
        },
      },
      { extends: true, test: { name: "timed", include: TIMED, retry: RETRIES, ...UNDISTURBED } },
      {
        extends: true,
        test: {
          name: "engines",
          include: WITH_ENGINES,
          exclude: [...configDefaults.exclude, ...NIGHTLY, ...TIMED],
          retry: RETRIES,
          // These wait for an engine much of their time: one more than there are processors.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
