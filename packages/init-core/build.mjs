#!/usr/bin/env node
// Builds the init for every architecture and packs each into its ready-made image layer.
//
//   node build.mjs            writes inits/
//   node build.mjs --check    rebuilds elsewhere and fails unless what is committed is the same, bit for bit
//
// The layer is packed here, once per release, and never at run time: gzip's output differs between zlib versions, and
// one digest for every image that uses the init lets registries and nodes store and pull it once. For the same reason
// --check compares the compressed layer by its checksum and by what it unpacks to, not by compressing again.
//
// What the init says is packed first, from src/words.txt: words.mjs.
//
// What is compiled, and how: compiler.mjs.

import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { constants, gunzipSync, gzipSync } from "node:zlib";
import { compileForAll } from "./compiler.mjs";
import { sbom } from "./sbom.mjs";
import { wordsHeaders } from "./words.mjs";

const root = dirname(fileURLToPath(import.meta.url));
const inits = join(root, "inits");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** Dockerfile heredocs, which may carry the init, refuse longer lines: the limit of BuildKit's parser, in bytes. */
const LONGEST_LINE = 65_536;

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** The part of an ELF file that is loaded: without the section headers, which only debuggers read, and what they name. */
function withoutSections(elf) {
  const wide = elf[4] === 2;
  const little = elf[5] === 1;
  const get = (at, size) => (little ? elf.readUIntLE(at, size) : elf.readUIntBE(at, size));
  const word = (at) => (wide ? (little ? get(at, 6) : get(at + 2, 6)) : get(at, 4));
  const headers = word(wide ? 32 : 28);
  const size = get(wide ? 54 : 42, 2);
  const count = get(wide ? 56 : 44, 2);
  let end = 0;
  for (let i = 0; i < count; i++) {
    const at = headers + i * size;
    if (get(at, 4) === 1) end = Math.max(end, word(at + (wide ? 8 : 4)) + word(at + (wide ? 32 : 16)));
  }
  const loaded = Buffer.from(elf.subarray(0, end));
  loaded.fill(0, wide ? 40 : 32, wide ? 48 : 36); // e_shoff
  loaded.fill(0, wide ? 58 : 46, wide ? 64 : 52); // e_shentsize, e_shnum, e_shstrndx
  return loaded;
}

/** The shipped file. A heredoc ends in a newline, so the file must: the loader reads only what the program headers name. */
function shipped(platform, elf) {
  const bytes = Buffer.concat([withoutSections(elf), Buffer.from("\n")]);
  let line = 0;
  for (const byte of bytes) {
    line = byte === 10 ? 0 : line + 1;
    if (line > LONGEST_LINE) throw new Error(`${platform}: a line is longer than ${LONGEST_LINE} bytes`);
  }
  return bytes;
}

/**
 * The layer's tar: exactly one entry, `initwrap` in the root, and no directory entry, for one of `sbin/` would replace
 * the symbolic link that it is in a usr-merged image. Format: POSIX ustar.
 */
function tar(bytes) {
  const header = Buffer.alloc(512);
  const octal = (value, at, size) => header.write(value.toString(8).padStart(size - 1, "0"), at, "latin1");
  header.write("initwrap", 0);
  octal(0o755, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(bytes.length, 124, 12);
  octal(0, 136, 12);
  header.write("        ", 148);
  header.write("0", 156);
  header.write("ustar\x0000", 257, "latin1");
  // No device: zeros in the form that Go writes, so that a layer that BuildKit packs has the same diff_id.
  octal(0, 329, 8);
  octal(0, 337, 8);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\x00 `, 148, "latin1");
  const padding = Buffer.alloc((512 - (bytes.length % 512)) % 512);
  return Buffer.concat([header, bytes, padding, Buffer.alloc(1024)]);
}

function pack(bytes) {
  const layer = tar(bytes);
  const compressed = gzipSync(layer, { level: constants.Z_BEST_COMPRESSION });
  compressed[9] = 0xff; // the field that names the packing machine's operating system: "unknown"
  const facts = {
    digest: `sha256:${sha256(compressed)}`,
    diffId: `sha256:${sha256(layer)}`,
    size: compressed.length,
    tarSize: layer.length,
    initSha256: sha256(bytes),
    version,
  };
  return { layer, compressed, facts };
}

/** The init of every target: `{ target, bytes }`. */
function buildAll() {
  const sources = readdirSync(join(root, "src"))
    .filter((name) => name.endsWith(".c"))
    .sort()
    .map((name) => `src/${name}`);
  return compileForAll([...sources, "src/sys/memory.c"]).map(({ target, bytes }) => ({
    target,
    bytes: shipped(target.platform, bytes),
  }));
}

function write() {
  for (const [name, text] of Object.entries(wordsHeaders(version))) writeFileSync(join(root, "src", name), text);
  rmSync(inits, { recursive: true, force: true });
  const sums = [];
  const contents = [];
  for (const { target, bytes } of buildAll()) {
    const directory = join(inits, target.platform);
    const { compressed, facts } = pack(bytes);
    contents.push({ platform: target.platform, bytes, layer: compressed });
    const files = {
      initwrap: bytes,
      "layer.json": Buffer.from(`${JSON.stringify(facts, null, 2)}\n`),
      "layer.tar.gz": compressed,
    };
    mkdirSync(directory, { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      const file = join(directory, name);
      writeFileSync(file, content);
      chmodSync(file, name === "initwrap" ? 0o755 : 0o644);
      sums.push(`${sha256(content)}  ${target.platform}/${name}\n`);
    }
    console.log(
      `${target.platform.padEnd(16)} ${String(bytes.length).padStart(6)} bytes, layer ${facts.size} ${facts.digest}`,
    );
  }
  writeFileSync(join(inits, "SHA256SUMS"), sums.join(""));
  writeFileSync(join(inits, "sbom.cdx.json"), sbom({ version, inits: contents }));
}

function check() {
  const problems = [];
  const expect = (condition, problem) => condition || problems.push(problem);
  const committed = new Map(
    readFileSync(join(inits, "SHA256SUMS"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => [line.slice(66), line.slice(0, 64)]),
  );
  for (const [name, text] of Object.entries(wordsHeaders(version))) {
    expect(readFileSync(join(root, "src", name), "utf8") === text, `src/${name} is not what words.txt gives`);
  }
  const contents = [];
  const built = buildAll();
  for (const { target, bytes } of built) {
    const file = (name) => join(inits, target.platform, name);
    for (const name of ["initwrap", "layer.json", "layer.tar.gz"]) {
      const key = `${target.platform}/${name}`;
      if (!existsSync(file(name))) {
        problems.push(`${key} is not committed`);
        continue;
      }
      expect(committed.get(key) === sha256(readFileSync(file(name))), `${key} is not what SHA256SUMS says`);
      committed.delete(key);
    }
    if (!existsSync(file("initwrap")) || !existsSync(file("layer.tar.gz")) || !existsSync(file("layer.json"))) continue;
    expect(readFileSync(file("initwrap")).equals(bytes), `${target.platform}/initwrap is not what the source builds`);
    expect((statSync(file("initwrap")).mode & 0o111) !== 0, `${target.platform}/initwrap is not executable`);
    const compressed = readFileSync(file("layer.tar.gz"));
    const layer = tar(bytes);
    contents.push({ platform: target.platform, bytes, layer: compressed });
    expect(
      gunzipSync(compressed).equals(layer),
      `${target.platform}/layer.tar.gz does not unpack to the rebuilt layer`,
    );
    const facts = JSON.parse(readFileSync(file("layer.json"), "utf8"));
    expect(facts.digest === `sha256:${sha256(compressed)}`, `${target.platform}/layer.json: wrong digest`);
    expect(facts.diffId === `sha256:${sha256(layer)}`, `${target.platform}/layer.json: wrong diffId`);
    expect(facts.size === compressed.length, `${target.platform}/layer.json: wrong size`);
    expect(facts.tarSize === layer.length, `${target.platform}/layer.json: wrong tarSize`);
    expect(facts.initSha256 === sha256(bytes), `${target.platform}/layer.json: wrong initSha256`);
    expect(facts.version === version, `${target.platform}/layer.json: wrong version`);
  }
  const bill = join(inits, "sbom.cdx.json");
  expect(
    existsSync(bill) && readFileSync(bill, "utf8") === sbom({ version, inits: contents }),
    "sbom.cdx.json does not list what is committed",
  );
  for (const name of committed.keys()) problems.push(`${name} is in SHA256SUMS, but no target builds it`);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exit(1);
  console.log(`${built.length} inits are, bit for bit, what the source builds`);
}

if (process.argv.includes("--check")) check();
else write();
