/**
 * `pnpm bench:start`: a whole run of each command beside Node.js that does nothing, `node -e 0`.
 *
 *   node test/bench/start.mjs [--rounds N] [--check] [--json | --write]
 *
 * --check exits 1 and prints BROKEN when an aim is missed. --write puts the table into docs/benchmarks.md. All take turns in one run,
 * so that they meet the same machine; figures are the best round, for whatever else runs only adds. On a machine that is busy all the
 * time no round is a good one: there `chrt -f 20 node test/bench/start.mjs` goes before everything else. The code that V8 compiled
 * is kept from a run before, as it is on a user's machine.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { aimCell, finish, machine, table } from "./report.mjs";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "40" },
    check: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const CLI = join(ROOT, "packages/cli/bin/run.js");
const archive = join(ROOT, "test/fixtures/samples/app.tar");
const folder = mkdtempSync(join(tmpdir(), "initwrap-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, "Dockerfile"), 'FROM scratch\nCOPY app /app\nENTRYPOINT ["/app"]\nCMD ["--port", "8080"]\n');
writeFileSync(join(folder, "Inherits"), 'FROM node:22-slim\nCOPY . .\nCMD ["server.js"]\n');

/** What is run, with the exit code that it ends with. No engine and no registry is asked. */
const RUNS = [
  { words: ["--version"], status: 0 },
  { words: ["--help"], status: 0 },
  { words: ["dockerfile", "Dockerfile", "--check"], status: 1 },
  { words: ["dockerfile", "Dockerfile"], status: 0 },
  { words: ["dockerfile", "Inherits", "--check", "--offline"], status: 1 },
  { words: ["image", archive, "--check"], status: 1 },
  { words: ["inspect", "Dockerfile"], status: 0 },
  { words: ["inspect", archive], status: 0 },
  { words: ["verify", archive], status: 5 },
  { words: ["config"], status: 0 },
  { words: ["ci", "tekton"], status: 0 },
  { words: ["completion", "bash"], status: 0 },
  { words: ["run", "--version"], status: 0 },
];

/** The most that a run may take, in times of Node.js alone. */
const AIM = 2.8;

const commands = [
  { title: "node -e 0", args: ["-e", "0"], status: 0 },
  ...RUNS.map(({ words, status }) => ({
    status,
    aim: AIM,
    title: `initwrap ${words.map((word) => (word === archive ? "app.tar" : word)).join(" ")}`,
    args: [CLI, ...words],
  })),
];
const env = { ...process.env, XDG_CACHE_HOME: folder };
delete env.NODE_COMPILE_CACHE;

/** One run's milliseconds, from its start to its end. */
function run({ title, args, status }) {
  const start = process.hrtime.bigint();
  const result = spawnSync(process.execPath, args, { cwd: folder, env, stdio: "ignore" });
  const time = Number(process.hrtime.bigint() - start) / 1e6;
  if (result.status !== status) throw new Error(`${title} ended with ${result.status}, not ${status}`);
  return time;
}

const best = commands.map(() => Number.POSITIVE_INFINITY);
for (const command of commands) run(command);
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [index, command] of commands.entries()) best[index] = Math.min(best[index], run(command));
}
const rows = commands.map(({ title, aim }, index) => {
  const ratio = best[index] / best[0];
  return { title, milliseconds: best[index], ratio, aim, met: aim === undefined || ratio <= aim };
});

const markdown = `${machine()}.\n\n${table(
  ["", "ms", "beside Node.js alone", "aim"],
  rows.map(({ title, milliseconds, ratio, aim, met }) => [
    `\`${title}\``,
    milliseconds.toFixed(0),
    ratio.toFixed(2),
    aim === undefined ? "" : aimCell(`≤ ${aim}`, met),
  ]),
)}\n`;

finish("start", {
  values,
  figures: rows,
  markdown,
  missed: rows
    .filter(({ met }) => !met)
    .map(({ title, ratio, aim }) => `${title}: ${ratio.toFixed(2)} times node -e 0, the aim is ${aim}`),
});
