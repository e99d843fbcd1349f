/**
 * `pnpm bench:init`: the init beside every installed peer and beside a floor, the least an init can be, in one run.
 *
 *   node test/bench/init.mjs [--quick] [--no-peers] [--only METRIC,...] [--check] [--json | --markdown | --write] [NAME=WORDS...]
 *
 * NAME=WORDS adds an init: the words before the command. --check exits 1 and prints BROKEN for each row in which ours misses
 * its aim. --write puts the table into docs/benchmarks.md. Each init is PID 1 of a PID namespace of its own; they take
 * turns, so that all meet the same machine. How each row is measured: test/bench/init/measure.c. Needs root and a C compiler.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { aimCell, finish, processors, table } from "./report.mjs";

const METRICS = ["bytes", "startup", "calls", "instructions", "memory", "roundtrip", "reaping", "wakeups"];
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    "no-peers": { type: "boolean", default: false },
    only: { type: "string", default: METRICS.join() },
    check: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    markdown: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, "../..");
const OURS = "initwrap";
const metrics = values.only.split(",");
const folder = mkdtempSync(join(tmpdir(), "initwrap-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
if (process.getuid?.() !== 0) stop("bench:init needs root: PID namespaces, SCHED_FIFO and a control group of its own");

/** Sizes of the rounds: [rounds, count in each]. */
const SIZES = values.quick
  ? { startup: [6, 20], roundtrip: [6, 200], reaping: [3, 1000], memory: [1, 20], wakeups: [1, 2] }
  : { startup: [40, 50], roundtrip: [20, 500], reaping: [12, 4000], memory: [3, 30], wakeups: [1, 10] };

/** The rows. `aim` is what ours must reach: a figure, or that many times the floor's. `over` is subtracted. */
const ROWS = [
  { key: "bytes", metric: "bytes", title: "bytes", digits: 0, aim: { value: 12288 } },
  {
    key: "startup",
    metric: "startup",
    title: "start-up over the bare command, us",
    digits: 0,
    over: "none",
    aim: { floors: 1.25 },
  },
  {
    key: "calls",
    metric: "calls",
    title: "system calls before the command's exec",
    digits: 0,
    best: true,
    aim: { value: 14 },
  },
  { key: "instructions", metric: "instructions", title: "user instructions", digits: 0, aim: { value: 2000 } },
  { key: "rss", metric: "memory", title: "RSS, KiB", digits: 0, aim: { value: 20 } },
  { key: "dirty", metric: "memory", title: "private dirty memory, KiB", digits: 0, aim: { value: 12 } },
  {
    key: "cgroup",
    metric: "memory",
    title: "memory it adds to a control group, KiB",
    digits: 0,
    over: "none",
    aim: { value: 70 },
  },
  { key: "roundtrip", metric: "roundtrip", title: "signal round trip, us", digits: 1, aim: { floors: 1.03 } },
  {
    key: "reaping",
    metric: "reaping",
    title: "reaping, us of its processor time an orphan",
    digits: 1,
    scale: 1e-3,
    best: true,
    aim: { floors: 1 },
  },
  {
    key: "reaping-wall",
    metric: "reaping",
    title: "an orphan made and gone, us of wall time",
    digits: 0,
    scale: 1e-3,
    best: true,
  },
  { key: "wakeups", metric: "wakeups", title: "idle wakeups a second", digits: 0, aim: { value: 0 } },
];

/** Thirty-five variables of a container's kind: what an init looks through at its start. */
const ENVIRONMENT = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root" };
for (let i = 1; Object.keys(ENVIRONMENT).length < 35; i++) {
  ENVIRONMENT[`SERVICE_${i}_PORT_8080_TCP_ADDR`] = `10.96.${i}.10`;
}

function stop(message) {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

function compile(name, ...flags) {
  const file = join(folder, name);
  execFileSync("cc", ["-w", ...flags, "-o", file, join(HERE, "init", `${name}.c`)], { stdio: "inherit" });
  return file;
}

const measure = compile("measure", "-O2");
const command = compile("command", "-O2", "-static");
const floor =
  process.arch === "x64" &&
  compile(
    "floor",
    ...["-Os", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"],
    ...["-fno-pie", "-no-pie", "-fcf-protection=none", "-Wl,--build-id=none", "-Wl,-z,noseparate-code"],
    ...["-Wl,-z,norelro", "-Wl,-z,noexecstack", "-Wl,-n", "-s"],
  );

const ours = join(ROOT, `packages/init-core/inits/linux-${process.arch === "x64" ? "amd64" : "arm64"}/initwrap`);
const subjects = new Map();
for (const name of ["tini", "tini-static", "dumb-init", "catatonit"]) {
  if (!values["no-peers"] && existsSync(`/usr/bin/${name}`)) subjects.set(name, `/usr/bin/${name} --`);
}
if (floor) subjects.set("floor", `${floor} --`);
subjects.set(OURS, `${ours} --`);
for (const addition of positionals) {
  const [name, words] = addition.split(/=(.*)/s);
  if (!name || words === undefined) stop(`bench:init: not NAME=WORDS: ${addition}`);
  subjects.set(name, words);
}

/** quantity -> name -> { median, minimum, samples }. */
const figures = new Map();

function record(quantity, name, figure) {
  if (!figures.has(quantity)) figures.set(quantity, new Map());
  figures.get(quantity).set(name, figure);
}

function isDynamic(file) {
  const bytes = readFileSync(file);
  const [offset, size, count] = [bytes.readUInt32LE(32), bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
  // elf(5): a PT_INTERP segment names the dynamic loader.
  return Array.from({ length: count }, (_, i) => bytes.readUInt32LE(offset + i * size)).includes(3);
}

const dynamic = new Set();
for (const metric of METRICS.filter((each) => metrics.includes(each))) {
  process.stderr.write(`${metric}...\n`);
  if (metric === "bytes") {
    for (const [name, words] of subjects) {
      const file = realpathSync(words.split(" ")[0]);
      if (isDynamic(file)) dynamic.add(name);
      const { length } = readFileSync(file);
      record("bytes", name, { median: length, minimum: length, samples: 1 });
    }
    continue;
  }
  const [rounds, count] = SIZES[metric] ?? [9, 1];
  // The bare command stands beside them where an init can be left out.
  const bare = metric === "startup" || metric === "memory" ? ["none="] : [];
  const result = spawnSync(
    measure,
    [metric, rounds, count, command, ...bare, ...[...subjects].map((pair) => pair.join("="))].map(String),
    { encoding: "utf8", env: ENVIRONMENT, stdio: ["ignore", "pipe", "inherit"] },
  );
  if (result.status !== 0) stop(`bench:init: measuring ${metric} failed`);
  for (const line of result.stdout.trim().split("\n")) {
    const [name, quantity, median, minimum, samples] = line.split("\t");
    record(quantity, name, { median: Number(median), minimum: Number(minimum), samples: Number(samples) });
  }
}

/** The figure of a row: the median of the samples, or their best where the machine's own noise is far larger. */
function figureOf(row, name) {
  const figure = figures.get(row.key)?.get(name);
  if (figure === undefined) return undefined;
  const pick = (each) => (row.best ? each.minimum : each.median) * (row.scale ?? 1);
  return pick(figure) - (row.over ? pick(figures.get(row.key).get(row.over)) : 0);
}

function aimOf(row) {
  if (row.aim === undefined) return undefined;
  if (row.aim.value !== undefined) return row.aim.value;
  const base = figureOf(row, "floor");
  return base === undefined ? undefined : base * row.aim.floors;
}

function ratio(row, name, to) {
  const [value, base] = [figureOf(row, name), figureOf(row, to)];
  return value === undefined || !base ? undefined : value / base;
}

const names = [...subjects.keys()];
const rows = ROWS.filter((row) => figures.has(row.key));
const missed = rows.filter((row) => {
  const aim = aimOf(row);
  return aim !== undefined && figureOf(row, OURS) > aim;
});
const shown = (row, value) => (value === undefined ? "" : value.toFixed(row.digits));
const times = (value) => (value === undefined ? "" : value.toFixed(2));
const aimText = (row) =>
  row.aim === undefined
    ? ""
    : row.aim.floors === undefined
      ? `${row.aim.value === 0 ? "" : "≤ "}${row.aim.value}`
      : `≤ ${row.aim.floors} × floor`;

function markdown() {
  const cells = rows.map((row) => [
    row.title,
    ...names.map((name) => {
      const text = shown(row, figureOf(row, name));
      return row.key === "bytes" && dynamic.has(name) ? `${text} + libc` : text;
    }),
    times(ratio(row, OURS, "tini")),
    times(ratio(row, OURS, "floor")),
    aimCell(aimText(row), !missed.includes(row)),
  ]);
  const titles = ["", ...names, "initwrap / tini", "initwrap / floor", "aim"];
  return `Linux ${release().split("-")[0]}, ${processors()}.\n\n${table(titles, cells)}\n`;
}

function text() {
  const columns = (title, cell) => {
    const lines = [[title, ...names], ...rows.map((row) => [row.title, ...names.map((name) => cell(row, name))])];
    const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
    return lines.map((line) =>
      line.map((each, i) => (i ? each.padStart(widths[i]) : each.padEnd(widths[i]))).join("  "),
    );
  };
  return [
    ...columns("figures", (row, name) => shown(row, figureOf(row, name))),
    "",
    ...columns("ratios to tini", (row, name) => times(ratio(row, name, "tini"))),
    "",
    ...columns("ratios to the floor", (row, name) => times(ratio(row, name, "floor"))),
    "",
  ].join("\n");
}

const report = Object.fromEntries(
  rows.map((row) => [
    row.key,
    {
      title: row.title,
      aim: aimOf(row) ?? null,
      met: !missed.includes(row),
      values: Object.fromEntries(names.map((name) => [name, figureOf(row, name) ?? null])),
      samples: Object.fromEntries(figures.get(row.key)),
      toTini: Object.fromEntries(names.map((name) => [name, ratio(row, name, "tini") ?? null])),
      toFloor: Object.fromEntries(names.map((name) => [name, ratio(row, name, "floor") ?? null])),
    },
  ]),
);

finish("init", {
  values,
  figures: report,
  markdown: markdown(),
  text: values.markdown ? markdown() : `${text()}\n`,
  missed: missed.map((row) => `${row.title}: ${figureOf(row, OURS).toFixed(2)}, the aim is ${aimOf(row).toFixed(2)}`),
});
