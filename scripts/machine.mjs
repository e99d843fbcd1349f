/**
 * What the tests need of the machine: Debian's packages and the engines, as root on Debian; elsewhere they use what is there.
 *
 *   node scripts/machine.mjs     does it now: `npm test` finds it done. It needs none of the dependencies.
 *
 * What is done already takes a second. The root file systems are made at the same time, for each waits for its downloads.
 */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { codename, mirrorOf } from "./mirror.mjs";
import { fail, ROOT, say } from "./workspace.mjs";

const CI = process.env.CI === "true";
const PACKAGES = readFileSync(join(ROOT, "test/support/debian-packages.txt"), "utf8")
  .split("\n")
  .map((line) => line.replace(/#.*/, "").trim())
  .filter(Boolean);
/** What the engines' scripts call. */
const FOR_ENGINES = ["curl", "ca-certificates", "iproute2", "util-linux", "mmdebstrap", "docker-registry"];
const ENGINES = ["modern", "modern-graph", "classic", "newest", "registry"];

/** Gives the variables that name each engine's socket and client, and names what could not be had; with CI=true, that fails. */
export async function prepareMachine() {
  if (!existsSync("/usr/bin/apt-get") || process.getuid?.() !== 0) return { variables: {}, missing: [] };
  const wanted = wantedPackages();
  const isForEngines = (entry) => FOR_ENGINES.includes(entry);
  const missing = installPackages(wanted.filter(isForEngines));
  // Each is a process of its own, which goes on while apt-get brings the rest.
  const starting = startEngines();
  missing.push(...installPackages(wanted.filter((entry) => !isForEngines(entry))));
  const engines = await starting;
  return { variables: engines.variables, missing: [...missing, ...engines.missing] };
}

/** Debian's packages that are not there yet. `NAME/SUITE` is one that Debian 12 has too old, and takes from that suite. */
function wantedPackages() {
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
  return PACKAGES.filter((entry) => {
    const [name, suite] = entry.split("/");
    return !versions.has(name) || (suite && isOld() && !versions.get(name).includes("~bpo"));
  });
}

const isOld = () => codename() === "bookworm";

/** Gives what could not be installed. */
function installPackages(wanted) {
  if (wanted.length === 0) return [];
  const old = isOld();
  say(`installing ${wanted.join(" ")}`);
  const sources = mkdtempSync(join(tmpdir(), "initwrap-apt-"));
  cpSync("/etc/apt/sources.list.d", sources, { recursive: true });
  // A machine of CI is thrown away when it fails: its packages need not be safe on the disk one by one.
  const unsafe = CI ? ["-o", "Dpkg::Options::=--force-unsafe-io"] : [];
  const apt = (...args) =>
    spawnSync("apt-get", ["-q", "-o", `Dir::Etc::sourceparts=${sources}`, ...unsafe, ...args], {
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
  if (done) return [];
  if (CI) fail("apt-get could not install what the tests need");
  return [`Debian packages: ${wanted.join(" ")}`];
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

async function startEngines() {
  const support = join(ROOT, "test/support/engines");
  const variables = {};
  const missing = [];
  const start = async ([script, ...args]) => {
    say(script === "up.sh" ? `starting ${args[0]}` : `running ${script}`);
    const { status, stdout } = await printed("bash", [join(support, script), ...args]);
    const [name, value] = stdout.trim().split("=");
    if (status === 0 && name && value) variables[name] = value;
    else if (CI) fail(`${script} ${args.join(" ")} failed; with CI=true every engine must be there`);
    else missing.push(`${script} ${args.join(" ")}`);
  };
  await Promise.all([...ENGINES.map((name) => ["up.sh", name]), ["base-image.sh"], ["crane.sh"]].map(start));
  return { variables, missing };
}

/** Runs a program and gives what it printed to stdout. An engine that it leaves behind holds none of its pipes. */
async function printed(program, args) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", 2] });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  const status = await new Promise((resolve) => child.once("close", resolve).once("error", () => resolve(undefined)));
  return { status, stdout };
}

if (process.argv[1] === join(ROOT, "scripts/machine.mjs")) {
  const { missing } = await prepareMachine();
  for (const name of missing) say(`NOT AVAILABLE: ${name}`);
}
