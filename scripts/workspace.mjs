/**
 * Makes a fresh checkout usable, with nothing on the machine but Node 20 or later and npm: installs the locked
 * dependencies, and finds the Node that the project runs on.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

export const PNPM = "pnpm@12.21.0";
const MANIFESTS = [
  "package.json",
  "pnpm-workspace.yaml",
  "pnpm-lock.yaml",
  "packages/cli/package.json",
  "packages/init-core/package.json",
];

/** Installs what the lockfile says, unless that was done already for these very manifests. */
export function install() {
  const hash = createHash("sha256");
  for (const file of MANIFESTS) hash.update(readFileSync(join(ROOT, file)));
  const wanted = hash.digest("hex");
  const stamp = join(ROOT, "node_modules", ".initwrap-installed");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  say("installing the dependencies");
  const npx = process.platform === "win32" ? "npx.cmd" : "npx";
  // Its progress goes to stderr: stdout belongs to what the user asked for.
  run(npx, ["--yes", PNPM, "install", "--frozen-lockfile", "--reporter=append-only"], {
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

/** The Node to run the project with: the locked one where it exists for this machine, else the running one from 22 on. */
export function node() {
  const locked = join(ROOT, "node_modules", `node-linux-${process.arch}`, "bin", "node");
  if (existsSync(locked) && spawnSync(locked, ["--version"]).status === 0) return locked;
  if (Number(process.versions.node.split(".")[0]) >= 22) return process.execPath;
  fail(
    `Node ${process.versions.node} cannot run this project, and no newer one is packaged for this machine: install Node 22 or later`,
  );
}

/** Runs a program with the terminal as its own; ends this one with its exit code when it fails. */
export function run(program, args, options = {}) {
  const result = spawnSync(program, args, { cwd: ROOT, stdio: "inherit", env: environment(), ...options });
  if (result.error) fail(`${program} could not be started: ${result.error.message}`);
  if (result.status !== 0) process.exit(result.status ?? 1);
  return result;
}

/** The environment for the project's own programs: its Node comes first. */
export function environment() {
  const locked = join(ROOT, "node_modules", `node-linux-${process.arch}`, "bin");
  const path = [join(ROOT, "node_modules", ".bin"), existsSync(locked) ? locked : undefined, process.env.PATH];
  return { ...process.env, PATH: path.filter(Boolean).join(":") };
}

export function say(text) {
  process.stderr.write(`> ${text}\n`);
}

export function fail(text) {
  process.stderr.write(`error: ${text}\n`);
  process.exit(1);
}
