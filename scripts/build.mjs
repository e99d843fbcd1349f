/**
 * Builds the packages: one esbuild bundle each, type declarations, and the manifest that spares oclif loading every
 * command at start. The BuildKit frontend is one file and goes into the CLI's package. The inits are not built here: they are committed, and packages/init-core/build.mjs makes them.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
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
  const { build: bundle } = await import("esbuild");
  const cli = join(ROOT, "packages/cli");
  const core = join(ROOT, "packages/init-core");
  const shared = {
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node22",
    minify: true,
    legalComments: "none",
    logLevel: "warning",
    write: false,
  };
  for (const folder of [cli, core]) rmSync(join(folder, "dist"), { recursive: true, force: true });
  const bundled = async (options) => writeBundle(await bundle({ ...shared, ...options }));
  await bundled({
    entryPoints: entries(core, "lib"),
    outdir: join(core, "dist"),
    external: ["node-gyp-build"],
  });
  await bundled({
    // Each command is a file of its own: a run loads one of them.
    entryPoints: [
      ...["start", "index", "reference"].map((name) => join(cli, `src/${name}.ts`)),
      ...readdirSync(join(cli, "src/commands")).map((name) => join(cli, "src/commands", name)),
    ],
    outbase: join(cli, "src"),
    outdir: join(cli, "dist"),
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    // oclif looks for typescript to run sources of a plugin in development; there is none here.
    external: ["@initwrap/init-core", "typescript"],
    define: { "process.env.NODE_ENV": '"production"' },
    plugins: [precompiledSnippets(cli), leanOclif],
  });
  const frontend = join(ROOT, "packages/buildkit-frontend");
  // CommonJS, which starts sooner, and whose parts are run when they are asked for.
  await bundle({
    ...shared,
    format: "cjs",
    write: true,
    entryPoints: { frontend: join(frontend, "src/main.ts") },
    outdir: join(cli, "dist/frontend"),
    outExtension: { ".js": ".cjs" },
    alias: { "@initwrap/init-core": join(core, "lib/index.ts") },
    define: { "import.meta.url": "moduleUrl" },
    banner: { js: 'const moduleUrl=require("node:url").pathToFileURL(__filename).href;' },
  });
  for (const architecture of ["amd64", "arm64"]) {
    const launcher = `linux-${architecture}`;
    cpSync(join(frontend, "launcher", launcher), join(cli, "dist/frontend", `launcher-${launcher}`));
  }
  // Findings name their page in the package, and documents their schema.
  for (const folder of ["templates", "docs", "schemas"]) {
    rmSync(join(cli, folder), { recursive: true, force: true });
    cpSync(join(ROOT, folder), join(cli, folder), { recursive: true, filter: isForReaders });
  }
  for (const folder of [core, cli]) {
    const types = spawnSync("tsc", ["-p", join(folder, "tsconfig.json")], {
      env: environment(),
      stdio: ["ignore", 2, 2],
    });
    if (types.status !== 0) fail(`the type declarations of ${folder} could not be made`);
  }
  await manifest(cli);
  await manPages(cli);
  writeFileSync(join(cli, "dist/.built"), "");
}

/**
 * What oclif does at every start, and nothing here needs: it loads modules of Node's that it nearly never uses, which now are
 * loaded when something is read from them; and it finds out the user's shell and the platform's flavour, which reads files and
 * fails for a user who has no entry in /etc/passwd.
 */
export const leanOclif = {
  name: "lean-oclif",
  setup({ onLoad }) {
    const REQUIRE = /\b(const \w+ = )(require\("node:(?:child_process|perf_hooks|readline)"\));/g;
    onLoad({ filter: /\/@oclif\/core\/lib\/(?:performance|parser\/parse|util\/os)\.js$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      const contents = source
        .replace(REQUIRE, "$1new Proxy({}, { get: (_, name) => $2[name] });")
        .replace("(await import('wsl-utils')).isWsl ? 'wsl' : ", "")
        .replace("(0, node_os_1.userInfo)().shell", "'unknown'");
      if (contents === source || /isWsl|userInfo/.test(contents)) fail(`${path} is not what it was`);
      return { contents, loader: "js" };
    });
  },
};

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
        contents: `
          import handlebars from "handlebars/runtime";
          const compiled = { ${readdirSync(folder).map(compiled).join(",\n")} };
          export const snippetTemplate = (name) => handlebars.template(compiled[name]);
        `,
        resolveDir: dirname(path),
        loader: "js",
      }));
    },
  };
}

/**
 * Writes what esbuild made, with Node's own modules by `require` and not by `import`: an import reads every export once, and
 * some of those are getters that load what nobody asked for (`node:http` all of undici, `node:crypto` all of WebCrypto):
 * 40 ms at every start. What is left of the slow ones is put off until it is used.
 */
function writeBundle({ outputFiles }) {
  for (const { path, text } of outputFiles) {
    // Above all other code, where an import takes effect as well. Bundled CommonJS modules need the function too.
    const required = ['const require=process.getBuiltinModule("node:module").createRequire(import.meta.url);'];
    const rest = text.replace(BUILTIN_IMPORT, (_, everything, standard, named, module) => {
      if (everything && LATE.test(module)) {
        required.push(`const ${everything}=new Proxy({},{get:(_,name)=>require(${module})[name]});`);
        return "";
      }
      if (named && LATE.test(module)) {
        required.push(...named.split(",").map((binding) => lateFunction(binding, module)));
        return "";
      }
      const name = everything ?? standard;
      const names = named && `{${named.replaceAll(" as ", ":")}}`;
      const targets = [name, names].filter(Boolean);
      required.push(...targets.map((target) => `const ${target}=require(${module});`));
      return "";
    });
    if (/\bimport[^(]{0,99}"node:/.test(rest)) fail(`${path}: an import of one of Node's modules is left`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, required.join("") + rest);
  }
}

/** Modules that take milliseconds to load, and that many runs need nothing of: they are loaded when a function is called. */
const LATE = /^"node:(?:crypto|zlib)"$/;

/** `createHash as a` of such a module. */
function lateFunction(binding, module) {
  const [imported, local = imported] = binding.split(" as ");
  // A class or a table of constants would have to be there at once.
  if (!/^[a-z]/.test(imported) || imported === "constants")
    fail(`${imported} of ${module} is no function that can be late`);
  return `const ${local}=(...args)=>require(${module}).${imported}(...args);`;
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
async function manPages(cli) {
  const { commandsOf, manPages: render } = await import(join(cli, "dist/reference.js"));
  const { commands, version } = JSON.parse(readFileSync(join(cli, "oclif.manifest.json"), "utf8"));
  const folder = join(cli, "man");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const pages = render({ version, commands: commandsOf({ commands }) });
  for (const [name, text] of pages) writeFileSync(join(folder, name), text);
  const named = JSON.parse(readFileSync(join(cli, "package.json"), "utf8")).man;
  const wanted = [...pages.keys()].map((name) => `./man/${name}`);
  if (wanted.some((path) => !named.includes(path))) fail(`package.json has to name as "man": ${wanted.join(", ")}`);
}

/** The package has the documentation's text; what makes a site of it stays here. */
function isForReaders(path) {
  return !/^docs\/(\.vitepress|project|tsconfig\.json|index\.md)(\/|$)/.test(relative(ROOT, path));
}

/** oclif.manifest.json, by oclif's own generator, with a start that is not slowed by its update check. */
async function manifest(cli) {
  const result = spawnSync(process.execPath, [join(cli, "node_modules/oclif/bin/run.js"), "manifest", cli], {
    cwd: cli,
    env: { ...environment(), NODE_ENV: "production" },
    encoding: "utf8",
  });
  if (result.status !== 0) fail(`oclif manifest failed:\n${result.stdout}${result.stderr}`);
}

if (process.argv[1] === join(ROOT, "scripts/build.mjs")) {
  install();
  await main();
}
