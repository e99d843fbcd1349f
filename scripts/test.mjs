/**
 * `npm test`: sets everything up and runs every test.
 *
 * As root on Debian it installs what the tests need and starts the engines. Elsewhere it uses what is there, and names at
 * the end what it could not run. With CI=true nothing may be missing. Arguments are handed to Vitest.
 * The last line is `N passed, N failed, N skipped`.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "./build.mjs";
import { codename, mirrorOf } from "./mirror.mjs";
import { environment, fail, install, node, ROOT, say } from "./workspace.mjs";

const CI = process.env.CI === "true";
const PACKAGES = readFileSync(join(ROOT, "test/support/debian-packages.txt"), "utf8")
  .split("\n")
  .map((line) => line.replace(/#.*/, "").trim())
  .filter(Boolean);
const ENGINES = ["modern", "modern-graph", "classic", "newest", "registry"];

const isDebianRoot = existsSync("/usr/bin/apt-get") && process.getuid?.() === 0;
const missing = [];

install();
build();
if (isDebianRoot) installPackages();
const variables = isDebianRoot ? startEngines() : {};
process.exitCode = await test(variables);

/** Debian's packages that are not there yet. `NAME/SUITE` is one that Debian 12 has too old, and takes from that suite. */
function installPackages() {
  const format = "${Package} ${db:Status-Status} ${Version}\n";
  const names = PACKAGES.map((entry) => entry.split("/")[0]);
  const { stdout } = spawnSync("dpkg-query", ["-W", "-f", format, ...names], { encoding: "utf8" });
  const versions = new Map(
    stdout
      .split("\n")
      .map((line) => line.split(" "))
      .filter(([, status]) => status === "installed")
      .map(([name, , version]) => [name, version]),
  );
  const old = codename() === "bookworm";
  const wanted = PACKAGES.filter((entry) => {
    const [name, suite] = entry.split("/");
    return !versions.has(name) || (suite && old && !versions.get(name).includes("~bpo"));
  });
  if (wanted.length === 0) return;
  say(`installing ${wanted.join(" ")}`);
  const sources = mkdtempSync(join(tmpdir(), "initwrap-apt-"));
  cpSync("/etc/apt/sources.list.d", sources, { recursive: true });
  const apt = (...args) =>
    spawnSync("apt-get", ["-q", "-o", `Dir::Etc::sourceparts=${sources}`, ...args], {
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
      stdio: ["ignore", "ignore", 2],
    }).status === 0;
  const suites = old ? new Set(wanted.map((entry) => entry.split("/")[1]).filter(Boolean)) : [];
  for (const suite of suites) {
    // The mirror that this machine uses already, for the suite it does not: the machine's own list stays as it is.
    const mirror = mirrorOf("bookworm");
    if (!mirror) fail("apt-get names no mirror to take packages from");
    writeFileSync(join(sources, `${suite}.list`), `deb ${mirror} ${suite} main\n`);
  }
  const install = wanted.map((entry) => (old ? entry : entry.split("/")[0]));
  const done = withoutServices(() => apt("update") && apt("install", "-y", "--no-install-recommends", ...install));
  rmSync(sources, { recursive: true, force: true });
  if (done) return;
  if (CI) fail("apt-get could not install what the tests need");
  missing.push(`Debian packages: ${wanted.join(" ")}`);
}

/** Runs `work` while Debian starts no service of a package it installs: the tests start what they need themselves. */
function withoutServices(work) {
  const policy = "/usr/sbin/policy-rc.d";
  if (existsSync(policy)) return work();
  writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    return work();
  } finally {
    rmSync(policy, { force: true });
  }
}

/** The variables that name each engine's socket and client. */
function startEngines() {
  const support = join(ROOT, "test/support/engines");
  const found = {};
  for (const [script, ...args] of [...ENGINES.map((name) => ["up.sh", name]), ["base-image.sh"], ["crane.sh"]]) {
    say(script === "up.sh" ? `starting ${args[0]}` : `running ${script}`);
    const result = spawnSync("bash", [join(support, script), ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", 2],
    });
    const [name, value] = result.stdout.trim().split("=");
    if (result.status === 0 && name && value) found[name] = value;
    else if (CI) fail(`${script} ${args.join(" ")} failed; with CI=true every engine must be there`);
    else missing.push(`${script} ${args.join(" ")}`);
  }
  return found;
}

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
