/**
 * `pnpm bench:image`: an image of 1.6 GB wrapped in an archive, a registry and engines, beside every installed program that can
 * do the same, as ratios of one run.
 *
 *   node test/bench/image.mjs [--small] [--size MB] [--layers N] [--rounds N] [--only GROUPS] [--check] [--json | --write]
 *
 * --small is a trial with an image of 30 MB: everything runs and every result is compared, but nothing is judged. --only names
 * groups: archive, registry, engine. --check exits 1 and prints BROKEN when an aim is missed, or when a program that is
 * installed fails or makes another image than was asked for. --write puts the table into docs/benchmarks.md.
 *
 * Programs of one situation take turns, so that they meet the same machine, and figures are medians. The image and what it
 * becomes are in .cache/bench; 10 GB have to be free there. Needs Linux, and root for the engines, buildah and podman.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { archiveRows } from "./image-archive.mjs";
import { engineRows, startEngine } from "./image-engine.mjs";
import { registryRows, startRegistry } from "./image-registry.mjs";
import { installed, progress } from "./image-run.mjs";
import { sourceArchive } from "./image-source.mjs";
import { aimCell, finish, machine, table } from "./report.mjs";

const GROUPS = { archive: archiveRows, registry: registryRows, engine: engineRows };
const { values } = parseArgs({
  options: {
    small: { type: "boolean", default: false },
    size: { type: "string" },
    layers: { type: "string", default: "10" },
    rounds: { type: "string" },
    only: { type: "string", default: Object.keys(GROUPS).join() },
    check: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
const rounds = Number(values.rounds ?? (values.small ? 0 : 5));
// Other work on the machine shows in every figure.
const [busy] = loadavg();
const groups = values.only.split(",");
for (const group of groups) if (!GROUPS[group]) throw new Error(`--only: there is no group ${group}`);

const cache = join(import.meta.dirname, "../../.cache/bench");
mkdirSync(cache, { recursive: true });
progress("the image");
const archive = sourceArchive({
  megabytes: Number(values.size ?? (values.small ? 30 : 1600)),
  layers: Number(values.layers),
  cache,
});
// It is in memory for the first as for the last.
readInto(archive);
const folder = mkdtempSync(join(cache, "run-"));
const crane = findCrane();
const engines = new Map();
const rows = [];
let registry;
try {
  registry = await startRegistry({ folder, crane });
  if (process.getuid?.() === 0) {
    for (const name of ["modern-graph", "modern"]) {
      const engine = await startEngine(name, folder);
      if (engine) engines.set(name, engine);
    }
  }
  const engine = engines.get("modern");
  for (const group of groups) {
    rows.push(...(await GROUPS[group]({ archive, folder, rounds, crane, registry, engine, engines })));
  }
} finally {
  for (const engine of engines.values()) {
    engine.clear();
    await engine.stop();
  }
  await registry?.stop();
  rmSync(folder, { recursive: true, force: true });
}

function readInto(path) {
  spawnSync("cat", [path], { stdio: "ignore" });
}

/** Debian has crane in sid only: engines/crane.sh fetches it from there. */
function findCrane() {
  if (installed("crane")) return "crane";
  const done = spawnSync("bash", [join(import.meta.dirname, "../support/engines/crane.sh")], { encoding: "utf8" });
  return done.status === 0 ? done.stdout.trim().split("=")[1] : "crane";
}

const seconds = (value) => value.toFixed(value < 10 ? 3 : 1);

function amount(bytes) {
  if (!Number.isFinite(bytes)) return "";
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(0)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

const judged = !values.small;
const cells = rows.map((row, at) => [
  row.situation === rows[at - 1]?.situation ? "" : row.situation,
  row.program,
  ...(row.seconds === undefined
    ? [row.note, "", "", "", "", "", ""]
    : [
        seconds(row.seconds),
        row.runs === 1 ? "one run" : `${seconds(row.least)} to ${seconds(row.most)}`,
        row.ratio === undefined ? "" : row.ratio.toFixed(row.ratio < 0.1 ? 3 : 2),
        row.limit === undefined || !judged ? "" : aimCell(`≤ ${row.limit}`, !row.missed),
        amount(row.bytes),
        Number.isFinite(row.peak) ? row.peak.toFixed(0) : "",
      ]),
]);
const titles = ["", "program", "s", "least to most", "ours / this", "aim", "moved", "peak, MB"];
const gigabytes = (statSync(archive).size / 1e9).toFixed(2);
const about = `${machine()}; an image of ${gigabytes} GB in ${values.layers} layers; load average before it ${busy.toFixed(1)}; ${rounds === 0 ? "one run of each" : `medians of ${rounds} runs that take turns, of a program that takes more than 5 s one`}.`;
finish("image", {
  values,
  figures: { about, rows },
  markdown: `${about}\n\n${table(
    titles,
    cells.map((row) => row.slice(0, titles.length)),
    2,
  )}\n`,
  missed: [
    ...rows
      .filter(({ note }) => note && !/is not installed|cannot be started/.test(note))
      .map((row) => `${row.situation}: ${row.program} ${row.note}`),
    ...rows
      .filter(({ missed }) => missed && judged)
      .map((row) => `${row.situation}, beside ${row.program}: ${row.ratio.toFixed(2)}, the aim is ${row.limit}`),
  ],
});
