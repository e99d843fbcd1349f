/**
 * `npm test`: sets everything up and runs every test.
 *
 * As root on Debian it installs what the tests need and starts the engines. Elsewhere it uses what is there, and names at
 * the end what it could not run. With CI=true nothing may be missing. Arguments are handed to Vitest.
 * The last line is `N passed, N failed, N skipped`.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "./build.mjs";
import { prepareMachine } from "./machine.mjs";
import { environment, fail, install, node, ROOT, say } from "./workspace.mjs";

const CI = process.env.CI === "true";

install();
build();
const { variables, missing } = await prepareMachine();
process.exitCode = await test(variables);

async function test(found) {
  const report = join(ROOT, ".cache", "test-report.json");
  mkdirSync(join(ROOT, ".cache"), { recursive: true });
  const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
  const args = [
    "run",
    "--reporter=default",
    "--reporter=json",
    `--reporter=${join(ROOT, "test/support/retried.ts")}`,
    `--outputFile.json=${report}`,
    ...process.argv.slice(2),
  ];
  // Whatever the tests leave behind goes with this folder; other users must get through it to the files of theirs.
  const temporary = mkdtempSync(join(tmpdir(), "initwrap-"));
  chmodSync(temporary, 0o755);
  const result = spawnSync(node(), [vitest, ...args], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...environment(), ...found, TMPDIR: temporary },
  });
  rmSync(temporary, { recursive: true, force: true });
  if (!existsSync(report)) fail("the tests did not run");
  const { numPassedTests, numFailedTests, numFailedTestSuites, numPendingTests, testResults } = JSON.parse(
    readFileSync(report, "utf8"),
  );
  const skipped = testResults
    .flatMap((file) => file.assertionResults)
    .filter((test) => test.status === "skipped" || test.status === "pending");
  for (const name of missing) say(`NOT AVAILABLE: ${name}`);
  for (const test of skipped) say(`NOT RUN: ${test.fullName}`);
  // A file that cannot be loaded has no failed test of its own, and must not pass for that.
  const failed = numFailedTests || (result.status === 0 ? 0 : Math.max(1, numFailedTestSuites));
  process.stdout.write(`${numPassedTests} passed, ${failed} failed, ${numPendingTests} skipped\n`);
  if (numPassedTests === 0) return 1;
  if (CI && skipped.length > 0) return 1;
  return result.status ?? 1;
}
