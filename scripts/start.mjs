/**
 * `npm start`: sets everything up and wraps the two samples of this repository; `npm start -- ARGS` is the CLI itself.
 * No engine, no root and no compiler is needed.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "./build.mjs";
import { install, node, ROOT } from "./workspace.mjs";

install();
build();

const cli = [join(ROOT, "packages/cli/bin/run.js")];
const args = process.argv.slice(2);
const caller = process.env.INIT_CWD ?? process.cwd();

function initwrap(words, cwd) {
  return spawnSync(node(), [...cli, ...words], { cwd, stdio: "inherit" });
}

if (args.length > 0) {
  const result = initwrap(args, caller);
  if (result.signal) process.kill(process.pid, result.signal);
  process.exit(result.status ?? 1);
}

const samples = join(ROOT, "test/fixtures/samples");
// Made anew every time, so that the first run and the hundredth do the same.
const results = join(ROOT, ".cache/start");
rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });
const steps = [
  [
    "A Dockerfile: what wrapping it changes",
    ["dockerfile", "Dockerfile", "--diff", "--offline", "--platform", "linux/amd64"],
  ],
  ["An image archive: the plan", ["image", "app.tar", "--dry-run"]],
  ["The same archive, wrapped into a new one", ["image", "app.tar", "-o", join(results, "app-wrapped.tar")]],
];
for (const [title, words] of steps) {
  process.stdout.write(`\n== ${title}\n$ initwrap ${words.join(" ").replace(`${ROOT}/`, "")}\n`);
  const result = initwrap(words, samples);
  if (result.status !== 0) process.exit(result.status ?? 1);
}
