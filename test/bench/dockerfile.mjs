/**
 * `pnpm bench:dockerfile`: reading Dockerfiles beside dockerfile-ast, and one call for many files beside a call for one.
 *
 *   node test/bench/dockerfile.mjs [--files N] [--rounds N] [--check] [--json | --write]
 *
 * The corpus is corpus.tar.gz in the folder that INITWRAP_CORPUS names, or else what initwrap generates for the stacks of the
 * tests. --check exits 1 and prints BROKEN when an aim is missed. --write puts the table into docs/benchmarks.md. Both sides of a ratio take turns
 * in one run, so that they meet the same machine; figures are the best round, for whatever else runs only adds.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { DockerfileParser } from "dockerfile-ast";
import { extract } from "tar-stream";
import { evaluateDockerfile, parseDockerfile } from "../../packages/cli/dist/index.js";
import { aimCell, finish, machine, table } from "./report.mjs";

const { values } = parseArgs({
  options: {
    files: { type: "string", default: "1000" },
    rounds: { type: "string", default: "9" },
    check: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const CLI = join(ROOT, "packages/cli/bin/run.js");
const rounds = Number(values.rounds);
const many = Number(values.files);
const folder = mkdtempSync(join(tmpdir(), "initwrap-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** Dockerfiles as bytes. */
async function corpus() {
  const archive = join(process.env.INITWRAP_CORPUS ?? "", "corpus.tar.gz");
  if (process.env.INITWRAP_CORPUS !== undefined && existsSync(archive)) {
    const files = [];
    const entries = extract();
    entries.end(gunzipSync(readFileSync(archive)));
    for await (const entry of entries) {
      const chunks = [];
      for await (const chunk of entry) chunks.push(chunk);
      if (entry.header.type === "file") files.push(Buffer.concat(chunks));
    }
    return { title: "the corpus", files };
  }
  // Those of the generator's stacks, for the others are one line each; again and again, up to about as many as the corpus has.
  const place = join(ROOT, "test/fixtures/generate");
  const files = readdirSync(place).map((stack) => readFileSync(join(place, stack, "Dockerfile")));
  const times = Math.ceil(2000 / files.length);
  return { title: "the generated stacks", files: Array(times).fill(files).flat() };
}

/** The best of the rounds of each, in milliseconds; they take turns. */
function best(times, works) {
  const figures = works.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < times; round++) {
    for (const [index, work] of works.entries()) {
      const start = process.hrtime.bigint();
      work();
      figures[index] = Math.min(figures[index], Number(process.hrtime.bigint() - start) / 1e6);
    }
  }
  return figures;
}

/** `--check` of Dockerfiles of an ordinary application, none of which needs anybody asked. */
function check(place) {
  const { status, stderr } = spawnSync(process.execPath, [CLI, "dockerfile", "--check", "--offline", place], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  const lines = stderr.split("\n").filter((line) => line.endsWith(": would change"));
  if (status !== 1 || lines.length === 0) throw new Error(`--check of ${place} ended with ${status}:\n${stderr}`);
  return lines.length;
}

function makeFiles(count) {
  const place = join(folder, `files-${count}`);
  for (let number = 0; number < count; number++) {
    const service = join(place, `service-${number}`);
    mkdirSync(service, { recursive: true });
    writeFileSync(
      join(service, "Dockerfile"),
      `# service ${number}
FROM node:22-slim AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN --mount=type=cache,target=/root/.npm npm ci
COPY . .
RUN npm run build -- --service=${number} && \\
    npm prune --omit=dev

FROM node:22-slim
ENV NODE_ENV=production PORT=${3000 + number}
WORKDIR /app
COPY --from=build --chown=node:node /src/node_modules ./node_modules
COPY --from=build --chown=node:node /src/dist ./dist
USER node
EXPOSE $PORT
CMD ["node", "dist/server.js"]
`,
    );
  }
  return place;
}

const { title, files } = await corpus();
const texts = files.map((bytes) => bytes.toString());
let evaluated = 0;
const ours = () => {
  evaluated = 0;
  for (const bytes of files) {
    try {
      evaluateDockerfile(parseDockerfile(bytes));
      evaluated++;
    } catch (error) {
      // What BuildKit refuses is refused; anything else is a fault.
      if (error.code === undefined) throw error;
    }
  }
};
const theirs = () => {
  for (const text of texts) DockerfileParser.parse(text).getInstructions();
};
const [readOurs, readTheirs] = best(rounds, [ours, theirs]);
if (evaluated < files.length / 2) throw new Error(`only ${evaluated} of ${files.length} files could be evaluated`);

const places = [makeFiles(1), makeFiles(many)];
const [one, all] = best(rounds, [
  () => check(join(places[0], "service-0", "Dockerfile")),
  () => {
    if (check(places[1]) !== many) throw new Error("not every file was checked");
  },
]);

const rows = [
  {
    key: "read",
    title: `${files.length} Dockerfiles of ${title} parsed and evaluated, ms`,
    ours: readOurs,
    peer: `dockerfile-ast, which parses: ${readTheirs.toFixed(0)}`,
    ratio: readTheirs / readOurs,
    shown: "times as fast",
    aim: 3,
    met: readTheirs / readOurs >= 3,
    words: "≥ 3",
  },
  {
    key: "many",
    title: `${many} files in one call of --check, ms`,
    ours: all,
    peer: `a call for one file: ${one.toFixed(0)}`,
    ratio: all / one,
    shown: "times as long",
    aim: 10,
    met: all / one < 10,
    words: "< 10",
  },
];

const markdown = `${machine()}.

${table(
  ["", "initwrap", "beside", "ratio", "aim"],
  rows.map((row) => [
    row.title,
    row.ours.toFixed(0),
    row.peer,
    `${row.ratio.toFixed(1)} ${row.shown}`,
    aimCell(row.words, row.met),
  ]),
)}
`;

finish("dockerfile", {
  values,
  figures: rows,
  markdown,
  missed: rows
    .filter(({ met }) => !met)
    .map((row) => `${row.title}: ${row.ratio.toFixed(1)} ${row.shown}, the aim is ${row.words}`),
});
