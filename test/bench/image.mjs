/**
 * `pnpm bench:image`: the image path on a large image, beside `cp` and the peers that are installed, as ratios of one run.
 *
 *   node test/bench/image.mjs [--size MB] [--layers N] [--dir FOLDER] [--check]
 *
 * --check exits 1 when a promise of docs/image.md is broken: in place under 3x the start of Node plus 0.1 s and under 1 MB
 * moved; to a new file at most 1.3x `cp`. Timings are medians; cp and initwrap take turns, so that both meet the same disk.
 */
import { spawnSync } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { registryRows } from "./image-registry.mjs";

const { values } = parseArgs({
  options: {
    size: { type: "string", default: "1600" },
    layers: { type: "string", default: "10" },
    dir: { type: "string", default: tmpdir() },
    rounds: { type: "string", default: "5" },
    check: { type: "boolean", default: false },
  },
});
const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const CLI = join(ROOT, "packages/cli/bin/run.js");
const rounds = Number(values.rounds);
const folder = mkdtempSync(join(values.dir, "initwrap-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

function header(name, size) {
  const block = Buffer.alloc(512);
  block.write(name, 0);
  block.write("0000644\0", 100);
  block.write("0000000\x000000000\0", 108);
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  block.write("00000000000\0        0", 136);
  block.write("ustar\x0000", 257);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

/** An archive as docker save writes it today, of layers of random bytes that are plain tars of one file. */
function makeArchive(path) {
  const count = Number(values.layers);
  const size = Math.floor((Number(values.size) * 1e6) / count / 512) * 512;
  const fd = openSync(path, "w");
  const chunk = randomFillSync(Buffer.alloc(1 << 20));
  const layers = [];
  let at = 0;
  const write = (bytes) => {
    at += writeSync(fd, bytes, 0, bytes.length, at);
  };
  const entry = (name, bytes) => {
    write(header(name, bytes.length));
    write(bytes);
    write(Buffer.alloc((512 - (bytes.length % 512)) % 512));
  };
  const blob = (bytes, mediaType) => {
    const digest = createHash("sha256").update(bytes).digest("hex");
    entry(`blobs/sha256/${digest}`, bytes);
    return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
  };
  const MEDIA = "application/vnd.oci.image";
  for (let layer = 0; layer < count; layer++) {
    // The digest comes before the content: the header is written again when it is known.
    const start = at;
    const total = 512 + size + 1024;
    write(Buffer.alloc(512));
    const hash = createHash("sha256");
    const part = (bytes) => {
      hash.update(bytes);
      write(bytes);
    };
    part(header(`file-${layer}`, size));
    for (let left = size; left > 0; left -= chunk.length) {
      chunk.writeUInt32BE(layer * 1e6 + (left >>> 20), 0);
      part(chunk.subarray(0, Math.min(left, chunk.length)));
    }
    part(Buffer.alloc(1024));
    const digest = hash.digest("hex");
    writeSync(fd, header(`blobs/sha256/${digest}`, total), 0, 512, start);
    layers.push({ mediaType: `${MEDIA}.layer.v1.tar`, digest: `sha256:${digest}`, size: total });
  }
  const config = blob(
    Buffer.from(
      JSON.stringify({
        architecture: "amd64",
        os: "linux",
        config: { Entrypoint: ["/app"], Cmd: ["x"] },
        rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.digest) },
      }),
    ),
    `${MEDIA}.config.v1+json`,
  );
  const manifest = blob(
    Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: `${MEDIA}.manifest.v1+json`, config, layers })),
    `${MEDIA}.manifest.v1+json`,
  );
  const name = (one) => `blobs/sha256/${one.digest.slice(7)}`;
  const annotations = {
    "io.containerd.image.name": "docker.io/library/big:1",
    "org.opencontainers.image.ref.name": "1",
  };
  entry("index.json", Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] })));
  entry(
    "manifest.json",
    Buffer.from(JSON.stringify([{ Config: name(config), RepoTags: ["big:1"], Layers: layers.map(name) }])),
  );
  entry("oci-layout", Buffer.from('{"imageLayoutVersion":"1.0.0"}'));
  write(Buffer.alloc(1024));
  closeSync(fd);
}

function timed(command, args, options = {}) {
  const start = process.hrtime.bigint();
  const result = spawnSync(command, args, { encoding: "utf8", maxBuffer: 1 << 28, ...options });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  if (result.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${result.stderr || result.error}`);
  return { seconds, stdout: result.stdout };
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const installed = (command) => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
const rows = [];

const original = join(folder, "original.tar");
mkdirSync(folder, { recursive: true });
makeArchive(original);
spawnSync("sync");
timed("cat", [original], { stdio: "ignore" });

// In place: the same file is wrapped and undone, so that no copy of it disturbs the page cache.
const node = [];
const inPlace = [];
let moved = 0;
for (let round = 0; round < rounds; round++) {
  node.push(timed(process.execPath, ["-e", "0"]).seconds);
  const done = timed(process.execPath, [CLI, "image", original, "--json"]);
  inPlace.push(done.seconds);
  moved = Math.max(moved, JSON.parse(done.stdout).receipt.bytesMoved);
  timed(process.execPath, [CLI, "image", "--undo", original, "-q"]);
}
const limit = 3 * median(node) + 0.1;
rows.push(["node -e 0", median(node), ""]);
rows.push(["initwrap, in place", median(inPlace), `${moved} bytes; limit ${limit.toFixed(3)} s`]);

// A writer is slowed down by what the one before it left to be written back: so the disk is quiet before each, and each
// goes first in half of the rounds.
const copies = [];
const fresh = [];
const target = join(folder, "copy.tar");
const contest = [
  () => copies.push(timed("cp", [original, target]).seconds),
  () => fresh.push(timed(process.execPath, [CLI, "image", original, "-o", target, "-q"]).seconds),
];
for (let round = 0; round < rounds; round++) {
  for (const run of round % 2 === 0 ? contest : contest.toReversed()) {
    spawnSync("sync");
    run();
    rmSync(target);
  }
}
const ratio = median(fresh) / median(copies);
rows.push(["cp", median(copies), ""]);
rows.push(["initwrap, to a new file", median(fresh), `${ratio.toFixed(2)}x cp`]);

const peers = {
  skopeo: ["copy", "--insecure-policy", `oci-archive:${original}`, `oci-archive:${join(folder, "peer.tar")}`],
  crane: ["mutate", original, "--entrypoint", "/initwrap,--,/app", "-o", join(folder, "peer.tar")],
};
for (const [peer, args] of Object.entries(peers)) {
  if (!installed(peer)) continue;
  try {
    const { seconds } = timed(peer, args);
    rows.push([`${peer} ${args[0]}`, seconds, `${(seconds / median(fresh)).toFixed(1)}x ours to a new file`]);
  } catch (error) {
    rows.push([`${peer} ${args[0]}`, Number.NaN, `failed: ${String(error.message).slice(-80).trim()}`]);
  }
  rmSync(join(folder, "peer.tar"), { force: true });
}

rows.push(...(await registryRows({ cli: CLI, archive: original, folder, rounds })));

process.stdout.write(
  `${(statSync(original).size / 1e9).toFixed(2)} GB, ${values.layers} layers, median of ${rounds}\n`,
);
for (const [name, seconds, note] of rows) {
  process.stdout.write(`${name.padEnd(36)} ${seconds.toFixed(3).padStart(8)} s  ${note}\n`);
}
const broken = [
  median(inPlace) > limit && "in place is slower than promised",
  moved > 1e6 && "in place moves more than promised",
  ratio > 1.3 && "to a new file is slower than promised",
].filter(Boolean);
for (const what of broken) process.stdout.write(`BROKEN: ${what}\n`);
if (values.check && broken.length > 0) process.exitCode = 1;
