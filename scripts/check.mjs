/** Every check that is not a test: format, lint, types, dead code and the packages' shape. That the inits are bit for bit what the source builds is a test. */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { pack } from "./pack.mjs";
import { environment, install, node, ROOT, say } from "./workspace.mjs";

install();
build({ force: true });
const packed = join(ROOT, ".cache/packed");
rmSync(packed, { recursive: true, force: true });
const tarballs = pack(packed);
const checks = [
  ["biome", ["check", "--error-on-warnings", "."]],
  ["tsc", ["--noEmit", "-p", "tsconfig.json"]],
  ["tsc", ["--noEmit", "-p", "docs/tsconfig.json"]],
  ["knip", []],
  ...tarballs.flatMap((tarball) => [
    ["publint", ["--strict", tarball]],
    // Both packages are ES modules alone.
    ["attw", ["--profile", "esm-only", "--quiet", tarball]],
  ]),
];
let failed = 0;
for (const [program, args] of checks) {
  say([program, ...args].join(" "));
  const result = spawnSync(program, args, { cwd: ROOT, env: environment(), stdio: ["ignore", 2, 2] });
  if (result.status !== 0) failed++;
}
say(`checks run with ${node()}: ${checks.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
