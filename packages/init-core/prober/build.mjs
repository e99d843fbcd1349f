#!/usr/bin/env node
/**
 * Builds the probers with clang 19 and lld 19, for the platforms of the inits: `node prober/build.mjs` writes them, `--check`
 * fails when the committed ones are not, bit for bit, what the source gives.
 */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const here = import.meta.dirname;
const core = join(here, "..");
const FLAGS = [
  "-std=c11",
  "-Oz",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-ffreestanding",
  "-fno-builtin",
  "-fno-jump-tables",
  "-fno-stack-protector",
  "-fno-asynchronous-unwind-tables",
  "-fno-unwind-tables",
  "-fno-strict-aliasing",
  "-fno-ident",
  "-fno-pic",
  "-ffunction-sections",
  "-fdata-sections",
  "-nostdlibinc",
  "-DINITWRAP_FREESTANDING",
  "-nostdlib",
  "-static",
  "-fuse-ld=lld-19",
  "-Wl,--gc-sections,--icf=all,--build-id=none,-z,noexecstack,-z,norelro,-e,_start,-s,-T,src/init.ld",
];

/** One translation unit, as for the init. */
const UNIT = ["src/text.c", "src/sys/memory.c", "prober/prober.c"].map((name) => `#include "${name}"\n`).join("");

function targets() {
  const sys = join(core, "src/sys");
  return readdirSync(sys).flatMap((architecture) => {
    const file = join(sys, architecture, "targets.json");
    if (!existsSync(file)) return [];
    return JSON.parse(readFileSync(file, "utf8")).map((target) => ({ ...target, architecture }));
  });
}

function compile({ architecture, triple, flags }, to) {
  const includes = ["-I.", `-Isrc/sys/${architecture}`, "-Isrc"];
  const options = [`--target=${triple}`, ...flags, ...FLAGS, ...includes, "-x", "c", "-", "-o", to];
  execFileSync("clang-19", options, { cwd: core, input: UNIT, stdio: ["pipe", "inherit", "inherit"] });
  return readFileSync(to);
}

const scratch = mkdtempSync(join(tmpdir(), "initwrap-prober-"));
const problems = [];
const built = targets();
try {
  for (const target of built) {
    const { platform } = target;
    const bytes = compile(target, join(scratch, platform));
    const file = join(here, platform);
    if (!process.argv.includes("--check")) {
      mkdirSync(here, { recursive: true });
      writeFileSync(file, bytes);
      chmodSync(file, 0o755);
      console.log(`${platform.padEnd(16)} ${String(bytes.length).padStart(6)} bytes`);
    } else if (!existsSync(file) || !readFileSync(file).equals(bytes)) {
      problems.push(`prober/${platform} is not what the source builds`);
    }
  }
} finally {
  rmSync(scratch, { recursive: true });
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
else console.log(`${built.length} probers are what the source builds`);
