/**
 * `pnpm bench:frontend`: a build through the frontend beside the same build without one, and through Docker's own external
 * frontend (the program of docker/dockerfile, built from Debian's source of it by engines/buildkit.sh).
 *
 *   node test/bench/frontend.mjs [--engine NAME] [--rounds N] [--check] [--json | --write]
 *
 * The build is trivial and fully cached, so that what is measured is what a frontend adds: its container, its start, its calls.
 * The three take turns in one run, and figures are medians. Needs root on Linux: it starts an engine and a registry of the
 * tests. --check exits 1 and prints BROKEN when an aim is missed. --write puts the table into docs/benchmarks.md.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { aimCell, finish, machine, table } from "./report.mjs";

const { values } = parseArgs({
  options: {
    engine: { type: "string", default: "modern" },
    rounds: { type: "string", default: "21" },
    check: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});
const ROOT = join(import.meta.dirname, "../..");
const CLI = join(ROOT, "packages/cli/bin/run.js");
const folder = mkdtempSync(join(tmpdir(), "initwrap-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const run = (program, args, options = {}) =>
  execFileSync(program, args, { stdio: ["ignore", "pipe", "inherit"], encoding: "utf8", ...options }).trim();
const up = (name) => run(join(ROOT, "test/support/engines/up.sh"), [name]).split("=")[1];

const registry = up("registry");
const [host, client, config] = up(values.engine).split(",");
const env = { ...process.env, DOCKER_HOST: host, DOCKER_CONFIG: config };
const docker = (...args) => run(client, args, { env, stdio: ["ignore", "pipe", "pipe"] });

/** Both frontends as images in the registry, from where BuildKit takes them. */
function pushFrontends() {
  const modules = join(folder, "node_modules");
  const node = dirname(dirname(process.execPath));
  execFileSync("mkdir", ["-p", modules]);
  execFileSync("ln", ["-s", node, join(modules, `node-linux-${process.arch}`)]);
  const ours = `${registry}/bench/initwrap-frontend:1`;
  const platform = `linux/${process.arch === "x64" ? "amd64" : process.arch}`;
  const words = ["frontend-image", "--json", "--node-modules", modules, "--platform", platform, "--push", ours];
  const { platforms } = JSON.parse(run(process.execPath, [CLI, ...words]));

  const peer = `${registry}/bench/dockerfile-frontend:1`;
  const context = join(folder, "peer");
  execFileSync("mkdir", ["-p", context]);
  const programs = run(join(ROOT, "test/support/engines/buildkit.sh"), ["dockerfile-frontend"]);
  copyFileSync(join(programs, "dockerfile-frontend"), join(context, "dockerfile-frontend"));
  writeFileSync(
    join(context, "Dockerfile"),
    `FROM scratch
LABEL moby.buildkit.frontend.network.none="true"
LABEL moby.buildkit.frontend.caps="moby.buildkit.frontend.inputs,moby.buildkit.frontend.subrequests,moby.buildkit.frontend.contexts"
COPY dockerfile-frontend /bin/dockerfile-frontend
ENTRYPOINT ["/bin/dockerfile-frontend"]
`,
  );
  docker("build", "-q", "--provenance=false", "-t", peer, context);
  docker("push", "-q", peer);
  return { ours, peer, megabytes: platforms[0].size / 1e6 };
}

const { ours, peer, megabytes } = pushFrontends();
const context = join(folder, "context");
execFileSync("mkdir", ["-p", context]);
writeFileSync(join(context, "file"), "x\n");
writeFileSync(join(context, "Dockerfile"), 'FROM scratch\nCOPY file /file\nENTRYPOINT ["/file"]\n');
const through = (frontend) => ["--build-arg", `BUILDKIT_SYNTAX=${frontend}`];
const builds = { plain: [], peer: through(peer), ours: through(ours) };
const times = { plain: [], peer: [], ours: [] };
for (let round = -2; round < Number(values.rounds); round++) {
  for (const [name, args] of Object.entries(builds)) {
    const start = process.hrtime.bigint();
    docker("build", "-q", "--provenance=false", ...args, context);
    // The first two fill the caches.
    if (round >= 0) times[name].push(Number(process.hrtime.bigint() - start) / 1e6);
  }
}
const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
const [plain, theirs, mine] = ["plain", "peer", "ours"].map((name) => median(times[name]));

const rows = [
  {
    key: "cached",
    title: "a fully cached trivial build, ms",
    ours: mine.toFixed(0),
    beside: `Docker's external frontend: ${theirs.toFixed(0)}; none: ${plain.toFixed(0)}`,
    ratio: mine / theirs,
    words: "≤ 1.25",
    met: mine / theirs <= 1.25,
  },
  {
    key: "added",
    title: "what the frontend adds to it, ms",
    ours: (mine - plain).toFixed(0),
    beside: `Docker's external frontend: ${(theirs - plain).toFixed(0)}`,
    ratio: (mine - plain) / (theirs - plain),
    words: "",
    met: true,
  },
  {
    key: "size",
    title: "the image for one platform, MB to fetch",
    ours: megabytes.toFixed(1),
    beside: "the limit: 40",
    ratio: megabytes / 40,
    words: "≤ 1",
    met: megabytes <= 40,
  },
];

const markdown = `${machine(`Docker ${docker("version", "--format", "{{.Server.Version}}")}`)}.

${table(
  ["", "initwrap", "beside", "ratio", "aim"],
  rows.map(({ title, ours, beside, ratio, words, met }) => [
    title,
    ours,
    beside,
    ratio.toFixed(2),
    aimCell(words, met),
  ]),
)}
`;

finish("frontend", {
  values,
  figures: rows,
  markdown,
  missed: rows
    .filter(({ met }) => !met)
    .map(({ title, ratio, words }) => `${title}: ${ratio.toFixed(2)}, the aim is ${words}`),
});
