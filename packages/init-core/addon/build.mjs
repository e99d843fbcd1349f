#!/usr/bin/env node
// Builds the addon's prebuilt files, one for Linux on x64 and one on arm64, which each load under glibc and musl: they name no
// library (-nodefaultlibs in binding.gyp), and take what the runtime has loaded. Bun refuses a file that names glibc's.
//
//   node build.mjs            writes prebuilds/
//   node build.mjs --check    builds elsewhere and fails unless what is committed is the same, bit for bit
//
// It takes Debian 12's g++ and g++-aarch64-linux-gnu: another compiler makes other files, which work as well and cannot be
// compared. The headers come from the Node.js that is installed as a package: node-gyp would otherwise download them.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const COMPILER = "12.2.0";
const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const modules = join(root, "../../node_modules");
// Any Node.js has the same headers; the one for this machine has the program as well.
const nodedir = join(modules, `node-linux-${process.arch}`);
const { version: target } = JSON.parse(readFileSync(join(nodedir, "package.json"), "utf8"));

const TARGETS = [
  { arch: "x64", prefix: "x86_64-linux-gnu-" },
  { arch: "arm64", prefix: "aarch64-linux-gnu-" },
];

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** The compiler, which must be the right one for the result to be the same as everybody's. */
function compilerOf({ arch, prefix }) {
  const compiler = `${prefix}g++`;
  let version;
  try {
    version = execFileSync(compiler, ["-dumpfullversion"], { encoding: "utf8" }).trim();
  } catch {
    throw new Error(`${compiler} is missing; on Debian 12: apt-get install g++ g++-aarch64-linux-gnu`);
  }
  if (version !== COMPILER) throw new Error(`${compiler} is ${version}; the ${arch} file is made by ${COMPILER}`);
  return compiler;
}

/** Builds into `folder`/prebuilds and returns name -> bytes, in the order of the names. */
function build(folder) {
  for (const one of TARGETS) {
    const strip = `${one.prefix}strip`;
    execFileSync(
      join(root, "node_modules/.bin/prebuildify"),
      ["--napi", "--strip", "--strip-bin", strip, "-t", target, "--arch", one.arch, "--out", folder],
      {
        cwd: root,
        stdio: ["ignore", 2, 2],
        env: {
          ...process.env,
          PATH: `${join(nodedir, "bin")}:${process.env.PATH}`,
          npm_config_nodedir: nodedir,
          npm_config_loglevel: "error",
          CC: `${one.prefix}gcc`,
          CXX: compilerOf(one),
        },
      },
    );
  }
  return filesIn(join(folder, "prebuilds"));
}

function filesIn(prebuilds) {
  const names = readdirSync(prebuilds, { recursive: true }).filter((name) => name.endsWith(".node"));
  return new Map(names.sort().map((name) => [name, readFileSync(join(prebuilds, name))]));
}

const sumsOf = (files) => [...files].map(([name, bytes]) => `${sha256(bytes)}  ${name}\n`).join("");

function write() {
  rmSync(join(root, "prebuilds"), { recursive: true, force: true });
  const files = build(root);
  writeFileSync(join(root, "prebuilds/SHA256SUMS"), sumsOf(files));
  for (const [name, bytes] of files) console.log(`${name}  ${bytes.length} bytes`);
}

function check() {
  const scratch = mkdtempSync(join(tmpdir(), "initwrap-addon-"));
  try {
    const built = build(scratch);
    const committed = filesIn(join(root, "prebuilds"));
    const problems = [];
    for (const name of new Set([...built.keys(), ...committed.keys()])) {
      if (!built.has(name) || !committed.get(name)?.equals(built.get(name)))
        problems.push(`prebuilds/${name} is not what the source builds`);
    }
    if (readFileSync(join(root, "prebuilds/SHA256SUMS"), "utf8") !== sumsOf(built))
      problems.push("prebuilds/SHA256SUMS is not the list of what the source builds");
    for (const problem of problems) console.error(problem);
    if (problems.length > 0) process.exitCode = 1;
    else console.log(`${built.size} prebuilt addons are, bit for bit, what the source builds`);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

if (process.argv.includes("--check")) check();
else write();
