#!/usr/bin/env node
/**
 * Builds the probers for the platforms of the inits (compiler.mjs): `node prober/build.mjs` writes them, `--check` fails when
 * the committed ones are not, bit for bit, what the source gives.
 */
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compileForAll } from "../compiler.mjs";

const problems = [];
const built = compileForAll(["src/text.c", "src/sys/memory.c", "prober/prober.c"]);
for (const { target, bytes } of built) {
  const file = join(import.meta.dirname, target.platform);
  if (!process.argv.includes("--check")) {
    writeFileSync(file, bytes);
    chmodSync(file, 0o755);
    console.log(`${target.platform.padEnd(16)} ${String(bytes.length).padStart(6)} bytes`);
  } else if (!existsSync(file) || !readFileSync(file).equals(bytes)) {
    problems.push(`prober/${target.platform} is not what the source builds`);
  }
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
else console.log(`${built.length} probers are what the source builds`);
