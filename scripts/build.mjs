/**
 * Builds the packages: the libraries, the CLI's program, type declarations, and what is made from the commands' descriptions.
 * The BuildKit frontend is one file and goes into the CLI's package. The inits are not built here: they are committed, and
 * packages/init-core/build.mjs makes them.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { oclifParser } from "./oclif-parser.mjs";
import { LICENSES, licenseTexts, notedPackages, packagesOf } from "./third-party.mjs";
import { environment, fail, install, node, ROOT, run } from "./workspace.mjs";

/** Builds when a source is newer than the last build. */
export function build({ force = false } = {}) {
  const stamp = join(ROOT, "packages/cli/dist/.built");
  if (!force && existsSync(stamp) && !newerThan(statSync(stamp).mtimeMs)) return;
  run(node(), [join(ROOT, "scripts/build.mjs")], { stdio: ["ignore", 2, 2] });
}

function newerThan(time) {
  const roots = [
    "packages/cli/src",
    "packages/cli/bin",
    "packages/cli/package.json",
    "packages/init-core/lib",
    "packages/init-core/package.json",
    "packages/buildkit-frontend/src",
    "packages/buildkit-frontend/launcher",
    "templates",
    "scripts",
  ];
  const newer = (path) => {
    const stat = statSync(path);
    if (!stat.isDirectory()) return stat.mtimeMs > time;
    return readdirSync(path).some((name) => newer(join(path, name)));
  };
  return roots.some((path) => existsSync(join(ROOT, path)) && newer(join(ROOT, path)));
}

async function main() {
  const started = new Date();
  const cli = join(ROOT, "packages/cli");
  const core = join(ROOT, "packages/init-core");
  const scratch = join(ROOT, `.cache/building-${process.pid}`);
  // What was built before can be run during the build: the new files are made elsewhere, and take the old ones' places.
  const next = { cli: join(scratch, "cli"), core: join(scratch, "core") };
  process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));
  const noted = notedPackages();
  await libraries(cli, core, next, noted.plugin);
  await program(cli, core, next.cli, noted.plugin);
  await frontend(core, next.cli, noted.plugin);
  writeFileSync(join(next.cli, LICENSES), licenseTexts(noted.packages()));
  // The addon is compiled with its headers.
  const headers = packagesOf([join(core, "node_modules/node-addon-api/index.js")]);
  writeFileSync(join(next.core, LICENSES), licenseTexts(headers));
  // Findings name their page in the package, and documents their schema.
  for (const folder of ["templates", "docs", "schemas"]) {
    cpSync(join(ROOT, folder), join(scratch, folder), { recursive: true, filter: isForReaders });
  }
  for (const [name, folder] of [
    ["core", core],
    ["cli", cli],
  ]) {
    // The CLI's are checked against those that were just made, which are not in their place yet.
    const config = join(scratch, `${name}.json`);
    const paths = { "@initwrap/init-core": [join(next.core, "index.d.ts")] };
    const compilerOptions = { outDir: next[name], paths };
    writeFileSync(config, JSON.stringify({ extends: join(folder, "tsconfig.json"), compilerOptions }));
    const types = spawnSync("tsc", ["-p", config], { env: environment(), stdio: ["ignore", 2, 2] });
    if (types.status !== 0) fail(`the type declarations of ${folder} could not be made`);
  }
  const manifest = oclifManifest(cli, next.cli, scratch);
  await manPages(cli, manifest, { reference: join(next.cli, "reference.js"), folder: join(scratch, "man") });
  take(next.core, join(core, "dist"));
  for (const folder of ["templates", "docs", "schemas", "man", "oclif.manifest.json"]) {
    take(join(scratch, folder), join(cli, folder));
  }
  take(next.cli, join(cli, "dist"));
  const stamp = join(cli, "dist/.built");
  writeFileSync(stamp, "");
  // A source that was changed during the build is newer than this.
  utimesSync(stamp, started, started);
}

/**
 * Puts a file, or all files of a folder, in the place of others: each by a rename, so that at no moment one is missing or half
 * there. What the old folder had more is removed in the end.
 */
function take(made, place) {
  const isFolder = statSync(made).isDirectory();
  if (existsSync(place) && statSync(place).isDirectory() !== isFolder) rmSync(place, { recursive: true });
  if (!isFolder) return renameSync(made, place);
  mkdirSync(place, { recursive: true });
  const names = readdirSync(made);
  for (const name of names) take(join(made, name), join(place, name));
  for (const name of readdirSync(place)) {
    if (!names.includes(name)) rmSync(join(place, name), { recursive: true, force: true });
  }
}

const SHARED = {
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node22",
  minify: true,
  legalComments: "none",
  logLevel: "warning",
};

/** What other programs import. */
async function libraries(cli, core, next, noted) {
  const { build: bundle } = await import("esbuild");
  const shared = { ...SHARED, write: false };
  writeLibrary(
    await bundle({
      ...shared,
      entryPoints: entries(core, "lib"),
      outdir: next.core,
      external: ["node-gyp-build"],
      plugins: [noted],
    }),
  );
  writeLibrary(
    await bundle({
      ...shared,
      entryPoints: ["index", "reference"].map((name) => join(cli, `src/${name}.ts`)),
      outdir: next.cli,
      splitting: true,
      chunkNames: "chunks/[name]-[hash]",
      external: ["@initwrap/init-core"],
      define: { "process.env.NODE_ENV": '"production"' },
      plugins: [precompiledSnippets(cli), noted],
    }),
  );
}

/**
 * The CLI, as one CommonJS file beside its start. Node needs a third of a millisecond to find, open and link each file of a program,
 * and V8 compiles and keeps only the functions that a run calls; what a command imports when it runs is started then. What is
 * large and seldom needed is in files of its own: leaves, which import nothing of ours.
 */
async function program(cli, core, folder, noted) {
  const { build: bundle, transform } = await import("esbuild");
  const shared = { ...SHARED, format: "cjs" };
  await bundle({
    ...shared,
    entryPoints: Object.fromEntries(Object.entries(LEAVES).map(([name, entry]) => [name, entry.replace(/^\./, cli)])),
    absWorkingDir: cli,
    outdir: join(folder, "leaves"),
    outExtension: { ".js": ".cjs" },
    plugins: [noted],
  });
  const minified = async (name, define, { outfile = name, plugins = [] } = {}) => {
    const { outputFiles } = await bundle({
      ...shared,
      minify: false,
      write: false,
      entryPoints: [join(cli, `src/${name}.ts`)],
      outfile: join(folder, `${outfile}.cjs`),
      // Its files are found from its package; see below.
      alias: { "@initwrap/init-core": join(core, "lib/index.ts") },
      define: { "process.env.NODE_ENV": '"production"', "import.meta.url": "moduleUrl", ...define },
      supported: { "dynamic-import": false },
      plugins: [...plugins, precompiledSnippets(cli), oclifParser, ownPlace, filesBeside, noted],
    });
    const [{ path, text }] = outputFiles;
    const late = text.replace(LATE_REQUIRE, "$1late($2);");
    if (/__toESM\(require\("node:/.test(late)) fail(`${path} copies one of Node's modules, which reads all it exports`);
    const { code } = await transform(PROGRAM_START + late, {
      format: "cjs",
      platform: "node",
      target: SHARED.target,
      minify: true,
      legalComments: "none",
    });
    writeFileSync(path, code);
    return code;
  };
  const sha256 = (code) => createHash("sha256").update(code).digest("hex");
  const digests = { main: sha256(await minified("main", {})) };
  for (const name of OWN_PROGRAMS) {
    digests[name] = sha256(await minified("main", {}, { outfile: name, plugins: [onlyCommand(name)] }));
  }
  await minified("start", { PROGRAM_DIGESTS: JSON.stringify(digests) });
}

/**
 * Commands that have the program without the other commands, in a file of their own: V8 reads all of a file, and keeps something of
 * each function in it, called or not. The start of `image` is the one that shows beside the work.
 */
const OWN_PROGRAMS = ["image"];

/** Leaves the other commands out: a process runs one, and such a program is never asked for another. */
function onlyCommand(name) {
  return {
    name: "only-command",
    setup({ onResolve }) {
      onResolve({ filter: /^\.\/commands\// }, ({ path }) =>
        path === `./commands/${name}.ts` ? undefined : { path: path.replace(/\.ts$/, ".cjs"), external: true },
      );
    },
  };
}

/** By the name of the file that each becomes: packages, and modules of the CLI. */
const LEAVES = {
  "base-table.data": "./src/wrap/base-table.data.ts",
  handlebars: "handlebars",
  ignore: "ignore",
  picomatch: "picomatch",
  "smol-toml": "smol-toml",
  yaml: "yaml",
};

const filesBeside = {
  name: "files-beside",
  setup({ onResolve }) {
    onResolve({ filter: /^[\w./-]+$/ }, ({ path, kind, resolveDir }) => {
      if (path === "./run-command.ts" && kind === "dynamic-import")
        return { path: join(resolveDir, "compiled-program.ts") };
      const name = path.replace(/^\.\/|\.ts$/g, "");
      if (kind === "entry-point" || !Object.hasOwn(LEAVES, name)) return undefined;
      return { path: `./leaves/${name}.cjs`, external: true };
    });
  },
};

/** init-core's modules are in the CLI's bundle, and look for its files where the package is. */
const ownPlace = {
  name: "own-place",
  setup({ onLoad }) {
    onLoad({ filter: /\/init-core\/lib\/(?:package-root|prebuilt)\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, "utf8").replace("import.meta.url", "initCoreUrl()"),
      loader: "ts",
    }));
  },
};

const PROGRAM_START = `"use strict";
  const { pathToFileURL } = require("node:url");
  const moduleUrl = pathToFileURL(__filename).href;
  const initCoreUrl = () => pathToFileURL(initCoreManifest()).href;
  // As Node finds a package, which takes more than a millisecond to do so: it also reads what the package exports.
  const initCoreManifest = () => {
    const { existsSync, realpathSync } = require("node:fs");
    const { dirname, join } = require("node:path");
    for (let folder = __dirname, above; folder !== above; above = folder, folder = dirname(folder)) {
      const found = join(folder, "node_modules/@initwrap/init-core/package.json");
      if (existsSync(found)) return realpathSync.native(found);
    }
    return require.resolve("@initwrap/init-core/package.json");
  };
  const late = (name) => {
    let loaded;
    return new Proxy({}, { get: (_, key) => (loaded ??= require(name))[key] });
  };
`;

/** Modules that take a millisecond or more to load, and of which many runs need nothing. */
const LATE =
  "child_process|crypto|diagnostics_channel|fs/promises|http|https|net|readline|stream|stream/promises|timers/promises|tls|util|v8|vm|worker_threads|zlib";
const LATE_REQUIRE = new RegExp(
  `^( *(?:(?:var|const) )?[\\w$]+ = )(?:__toESM\\()?require\\(("node:(?:${LATE})")(?:\\), 1)?\\);$`,
  "gm",
);

/** The BuildKit frontend: CommonJS, which starts sooner, and whose parts are run when they are asked for. */
async function frontend(core, folder, noted) {
  const { build: bundle } = await import("esbuild");
  const source = join(ROOT, "packages/buildkit-frontend");
  await bundle({
    ...SHARED,
    format: "cjs",
    entryPoints: { frontend: join(source, "src/main.ts") },
    outdir: join(folder, "frontend"),
    outExtension: { ".js": ".cjs" },
    alias: { "@initwrap/init-core": join(core, "lib/index.ts") },
    define: { "import.meta.url": "moduleUrl" },
    banner: { js: 'const moduleUrl=require("node:url").pathToFileURL(__filename).href;' },
    plugins: [noted],
  });
  for (const architecture of ["amd64", "arm64"]) {
    const launcher = `linux-${architecture}`;
    cpSync(join(source, "launcher", launcher), join(folder, "frontend", `launcher-${launcher}`));
  }
}

/** Puts compiled templates in the place of wrap/snippet-templates.ts, with the part of Handlebars that runs them. */
function precompiledSnippets(cli) {
  const folder = join(ROOT, "templates/dockerfile-snippets");
  const handlebars = createRequire(join(cli, "package.json"))("handlebars");
  const compiled = (file) => {
    const options = { noEscape: true, strict: true };
    return `${JSON.stringify(file.replace(/\.hbs$/, ""))}: ${handlebars.precompile(readFileSync(join(folder, file), "utf8"), options)}`;
  };
  return {
    name: "precompiled-snippets",
    setup({ onLoad }) {
      onLoad({ filter: /\/wrap\/snippet-templates\.ts$/ }, ({ path }) => ({
        // A run that only looks fills in no snippet, and starts nothing of Handlebars.
        contents: `
          const compiled = { ${readdirSync(folder).map(compiled).join(",\n")} };
          export const snippetTemplate = (name) => {
            let render;
            return (data) => (render ??= require("handlebars/runtime").template(compiled[name]))(data);
          };
        `,
        resolveDir: dirname(path),
        loader: "js",
      }));
    },
  };
}

/**
 * Writes what esbuild made, with Node's own modules by `require` and not by `import`: an import reads every export once, and
 * some of those are getters that load what nobody asked for (`node:http` all of undici, `node:crypto` all of WebCrypto).
 */
function writeLibrary({ outputFiles }) {
  for (const { path, text } of outputFiles) {
    // Above all other code, where an import takes effect as well. Bundled CommonJS modules need the function too.
    const required = ['const require=process.getBuiltinModule("node:module").createRequire(import.meta.url);'];
    const rest = text.replace(BUILTIN_IMPORT, (_, everything, standard, named, module) => {
      const names = named && `{${named.replaceAll(" as ", ":")}}`;
      const targets = [everything ?? standard, names].filter(Boolean);
      required.push(...targets.map((target) => `const ${target}=require(${module});`));
      return "";
    });
    if (/\bimport[^(]{0,99}"node:/.test(rest)) fail(`${path}: an import of one of Node's modules is left`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, required.join("") + rest);
  }
}

/** As esbuild writes it when minifying: everything, the default export, names, the module's name with its quotes. */
const BUILTIN_IMPORT = /\bimport(?:\*as ([\w$]+) from|(?: ([\w$]+))?,?(?:\{([^}]*)\}| (?=from))from)?("node:[\w/]+");/g;

/** The modules that packages/init-core publishes: those its `exports` name. */
function entries(folder, source) {
  const { exports } = createRequire(import.meta.url)(join(folder, "package.json"));
  return Object.values(exports)
    .map((entry) => /^\.\/dist\/(.+)\.js$/.exec(entry.default ?? "")?.[1])
    .filter(Boolean)
    .map((name) => join(folder, source, `${name}.ts`));
}

/** The man pages, from the manifest; package.json names each, so that npm puts them where `man` looks. */
async function manPages(cli, manifest, { reference, folder }) {
  const { commandsOf, manPages: render } = await import(reference);
  mkdirSync(folder);
  const pages = render({ version: manifest.version, commands: commandsOf(manifest) });
  for (const [name, text] of pages) writeFileSync(join(folder, name), text);
  const named = JSON.parse(readFileSync(join(cli, "package.json"), "utf8")).man;
  const wanted = [...pages.keys()].map((name) => `./man/${name}`);
  if (wanted.some((path) => !named.includes(path))) fail(`package.json has to name as "man": ${wanted.join(", ")}`);
}

/** The package has the documentation's text; what makes a site of it stays here. */
function isForReaders(path) {
  return !/^docs\/(\.vitepress|project|tsconfig\.json|index\.md)(\/|$)/.test(relative(ROOT, path));
}

/** oclif.manifest.json, by oclif's own generator: of a package beside the one that is being built, with its commands. */
function oclifManifest(cli, built, scratch) {
  const { name, version, type, oclif } = JSON.parse(readFileSync(join(cli, "package.json"), "utf8"));
  const commands = { strategy: "explicit", target: "./commands.js", identifier: "COMMANDS" };
  const file = (path, text) => writeFileSync(join(scratch, path), text);
  file("package.json", JSON.stringify({ name, version, type, oclif: { ...oclif, commands }, files: ["."] }));
  file(
    "commands.js",
    `import program from ${JSON.stringify(join(built, "main.cjs"))};
    const named = async (name) => [name, await program.loadCommand(name)];
    export const COMMANDS = Object.fromEntries(await Promise.all(Object.keys(program.COMMANDS).map(named)));`,
  );
  const result = spawnSync(process.execPath, [join(cli, "node_modules/oclif/bin/run.js"), "manifest", scratch], {
    cwd: scratch,
    env: { ...environment(), NODE_ENV: "production" },
    encoding: "utf8",
  });
  if (result.status !== 0) fail(`oclif manifest failed:\n${result.stdout}${result.stderr}`);
  return JSON.parse(readFileSync(join(scratch, "oclif.manifest.json"), "utf8"));
}

if (process.argv[1] === join(ROOT, "scripts/build.mjs")) {
  install();
  await main();
}
