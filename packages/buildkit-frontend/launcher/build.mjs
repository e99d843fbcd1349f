#!/usr/bin/env node
/**
 * Builds the launchers with clang 19 and lld 19, as packages/init-core builds the inits: `node launcher/build.mjs` writes
 * them, `--check` fails when the committed ones are not, bit for bit, what the source gives.
 */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const here = import.meta.dirname;
const core = join(here, "../../init-core");
const TARGETS = { amd64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };
const FLAGS = [
  "-std=c11",
  "-Oz",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-ffreestanding",
  "-fno-stack-protector",
  "-fno-asynchronous-unwind-tables",
  "-fno-ident",
  "-mgeneral-regs-only",
  "-DINITWRAP_FREESTANDING",
  "-nostdlib",
  "-static",
  "-fno-pic",
  "-fuse-ld=lld-19",
  `-Wl,--gc-sections,--build-id=none,-z,noexecstack,-z,norelro,-e,_start,-s`,
];

const nameOf = (architecture) => join(here, `linux-${architecture}`);

function compile(architecture, triple, to) {
  const sources = [join(here, "launcher.c")];
  const includes = [`-I${core}/src/sys/${architecture}`, `-I${core}/src`];
  execFileSync("clang-19", [`--target=${triple}`, ...FLAGS, ...includes, ...sources, "-o", to], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  return readFileSync(to);
}

const scratch = mkdtempSync(join(tmpdir(), "initwrap-launcher-"));
const problems = [];
try {
  for (const [architecture, triple] of Object.entries(TARGETS)) {
    const bytes = compile(architecture, triple, join(scratch, architecture));
    const file = nameOf(architecture);
    if (!process.argv.includes("--check")) {
      writeFileSync(file, bytes);
      chmodSync(file, 0o755);
      console.log(`linux-${architecture} ${bytes.length} bytes`);
    } else if (!existsSync(file) || !readFileSync(file).equals(bytes)) {
      problems.push(`launcher/linux-${architecture} is not what the source builds`);
    }
  }
} finally {
  rmSync(scratch, { recursive: true });
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
