/**
 * Node: npm, pnpm, Yarn or Bun, told apart by `packageManager` and, without it, by the lockfile.
 *
 * The start is what `npm start` would run, without npm where that is possible: a package manager in front of the server is
 * one more process that signals have to pass.
 */
import { has, hasFolder, type Project, present, readJson, stringAt, table, textOf, versionFile } from "./project.ts";
import { type Recipe, type Stack, type StackName, settleVersion, startUnknown, type Wishes } from "./recipe.ts";
import { execForm, plainName, splitCommand } from "./words.ts";

type Manager = "npm" | "pnpm" | "yarn" | "bun";
type Package = Readonly<Record<string, unknown>>;

const VERSIONS = { candidates: ["22", "24", "26"], preferred: "24" };

const LOCKFILES: Readonly<Record<Manager, readonly string[]>> = {
  npm: ["package-lock.json", "npm-shrinkwrap.json"],
  pnpm: ["pnpm-lock.yaml"],
  yarn: ["yarn.lock"],
  bun: ["bun.lock", "bun.lockb"],
};

/** Scripts that run during an installation; they may need any file of the project, and what only development has. */
const INSTALL_SCRIPTS = ["preinstall", "install", "postinstall", "prepare", "preprepare", "postprepare"];

/** The last release of Yarn that writes a lockfile of this version; a later one would want to write it anew. */
const BERRY_RELEASES: Readonly<Record<string, string>> = { 4: "3.0", 5: "3.1", 6: "3", 8: "4.13", 9: "4.14" };

/** What bundlers leave behind, by the package that brings them. */
const SITE_FOLDERS: Readonly<Record<string, string>> = {
  vite: "dist",
  astro: "dist",
  "react-scripts": "build",
  "@vue/cli-service": "dist",
  "@11ty/eleventy": "_site",
  parcel: "dist",
};

export const NODE_IGNORE = ["**/node_modules", "**/npm-debug.log*", "**/coverage", "**/.next/cache"];

export const NODE_STACKS: readonly Stack[] = (["npm", "pnpm", "yarn", "bun"] as const).map((manager) => ({
  name: `node-${manager}`,
  evidence(project) {
    if (!has(project, "package.json")) return [];
    const pkg = readJson(project, "package.json");
    if (startOf(project, pkg) === undefined && siteFolder(pkg) !== undefined) return [];
    if (!isProgram(project, pkg)) return [];
    return managersOf(project, pkg).includes(manager) ? present(project, "package.json", ...LOCKFILES[manager]) : [];
  },
  recipe: (project, wishes) => recipe(project, wishes, manager),
}));

/** The folder with the pages that `npm run build` makes; undefined when the package is no site. */
export function siteFolder(pkg: Package): string | undefined {
  if (stringAt(table(pkg, "scripts"), "build") === undefined) return undefined;
  const dependencies = { ...table(pkg, "dependencies"), ...table(pkg, "devDependencies") };
  const tool = Object.keys(SITE_FOLDERS).find((name) => Object.hasOwn(dependencies, name));
  return tool === undefined ? undefined : SITE_FOLDERS[tool];
}

/** A package that is only there for another language's assets has neither a start nor anything to be started. */
function isProgram(project: Project, pkg: Package): boolean {
  const alien = ["Gemfile", "composer.json", "pyproject.toml", "requirements.txt", "go.mod", "Cargo.toml", "pom.xml"];
  return startOf(project, pkg) !== undefined || present(project, ...alien).length === 0;
}

/** The managers that the project shows signs of; npm when there are none. */
export function managersOf(project: Project, pkg: Package): readonly Manager[] {
  const named = namedManager(pkg);
  if (named !== undefined) return [named.manager];
  const found = (Object.keys(LOCKFILES) as Manager[]).filter(
    (manager) => present(project, ...LOCKFILES[manager]).length > 0,
  );
  return found.length === 0 ? ["npm"] : found;
}

/** The manager that the package itself names, and its version where that is one version and no range. */
function namedManager(pkg: Package): { readonly manager: Manager; readonly version: string | undefined } | undefined {
  const dev = table(pkg, "devEngines", "packageManager");
  const text = stringAt(pkg, "packageManager") ?? `${stringAt(dev, "name")}@${stringAt(dev, "version") ?? ""}`;
  const [, manager, rest = ""] = /^(npm|pnpm|yarn|bun)@(.*)$/s.exec(text) ?? [];
  if (manager === undefined) return undefined;
  return { manager: manager as Manager, version: /^(\d+\.\d+\.\d+(?:-[\w.]+)?)(?:\+|$)/.exec(rest)?.[1] };
}

function recipe(project: Project, wishes: Wishes, manager: Manager): Recipe {
  const pkg = readJson(project, "package.json");
  const port = wishes.port ?? 3000;
  const start = wishes.start ?? startOf(project, pkg);
  if (start === undefined) {
    throw startUnknown(
      "package.json has neither a start script nor a main file",
      'Add a "start" script, or say what starts it: --start \'["node", "server.js"]\'',
    );
  }
  const install = installation(project, pkg, manager, wishes);
  return {
    stack: `node-${manager}` satisfies StackName,
    template: "node",
    runtime: `Node ${install.version}`,
    start,
    port,
    locked: install.locked,
    data: { ...install.data, port: String(port), command: execForm(start) },
    ignore: [...NODE_IGNORE, ...install.ignore],
  };
}

export interface Installation {
  readonly version: string;
  readonly locked: boolean;
  readonly data: Readonly<Record<string, unknown>>;
  readonly ignore: readonly string[];
}

/** How a package's dependencies are installed and how it is built: the part that servers and sites share. */
export function installation(project: Project, pkg: Package, manager: Manager, wishes: Wishes): Installation {
  const engines = stringAt(table(pkg, "engines"), "node");
  const range = versionFile(project, ".nvmrc") ?? versionFile(project, ".node-version") ?? engines;
  const version = settleVersion("Node", wishes, range, VERSIONS);
  const [lockfile] = present(project, ...LOCKFILES[manager]);
  const scripts = table(pkg, "scripts");
  const build = stringAt(scripts, "build") === undefined ? "" : `${manager} run build`;
  const secret = /_auth|_password/i.test(textOf(project, ".npmrc"));
  const manifests = present(
    project,
    "package.json",
    ...LOCKFILES[manager],
    "pnpm-workspace.yaml",
    ".yarnrc.yml",
  ).filter(
    (path) => (manager === "pnpm" || path !== "pnpm-workspace.yaml") && (manager === "yarn" || path !== ".yarnrc.yml"),
  );
  // Then the installation may need any file, and a layer with nothing but manifests would fail.
  const hooks = INSTALL_SCRIPTS.some((name) => stringAt(scripts, name) !== undefined);
  const copyAllFirst =
    hooks ||
    pkg["workspaces"] !== undefined ||
    /^packages:/m.test(textOf(project, "pnpm-workspace.yaml")) ||
    hasFolder(project, "patches") ||
    // What else Yarn keeps there is its cache.
    [".yarn/releases", ".yarn/plugins", ".yarn/patches"].some((folder) => hasFolder(project, folder));
  const commands = managerCommands(project, pkg, manager, { locked: lockfile !== undefined, hooks });
  return {
    version,
    locked: lockfile !== undefined,
    data: {
      image: `node:${version}-trixie-slim`,
      manager,
      tool: commands.tool,
      bun: commands.bun,
      environment: commands.environment,
      manifests: [...manifests, ...(secret ? [] : present(project, ".npmrc"))].join(" "),
      copyAllFirst,
      cache: commands.cache,
      secret,
      // Where nothing is built, nothing of the development's dependencies is needed.
      install: build === "" && !hooks ? commands.production : commands.install,
      build,
      prune: build === "" && !hooks ? "" : commands.prune,
    },
    ignore: secret ? [".npmrc"] : [],
  };
}

interface Commands {
  /** Installs the manager itself; "" when the image has it. */
  readonly tool: string;
  readonly environment: string;
  /** The image that has Bun; "" where that is not the manager. */
  readonly bun: string;
  /** The folder to keep between builds, with `,sharing=locked` where two builds at once would spoil it. */
  readonly cache: string;
  readonly install: string;
  readonly production: string;
  readonly prune: string;
}

/** A command run as if the package had no scripts: they have run, and may need what the command takes away. */
function withoutScripts(command: string): string {
  return `cp package.json /tmp/ && npm pkg delete scripts && ${command} && mv /tmp/package.json ./`;
}

function managerCommands(
  project: Project,
  pkg: Package,
  manager: Manager,
  { locked, hooks }: { readonly locked: boolean; readonly hooks: boolean },
): Commands {
  const pinned = namedManager(pkg)?.version;
  switch (manager) {
    case "npm": {
      const verb = locked ? "npm ci" : "npm install";
      return {
        tool: pinned === undefined ? "" : `npm install --global npm@${pinned}`,
        environment: "",
        bun: "",
        cache: "/root/.npm",
        install: verb,
        production: `${verb} --omit=dev`,
        prune: "npm prune --omit=dev",
      };
    }
    case "pnpm": {
      const frozen = locked ? " --frozen-lockfile" : "";
      const lockVersion = /^lockfileVersion:\s*'?(\d+)/m.exec(textOf(project, "pnpm-lock.yaml"))?.[1];
      const major = { "5": "7", "6": "8" }[lockVersion ?? ""] ?? "10";
      return {
        tool: `npm install --global pnpm@${pinned ?? major}`,
        // It is the release that the project names, which pnpm need not look into.
        environment: "pnpm_config_pm_on_fail=ignore",
        bun: "",
        cache: "/pnpm/store",
        install: `pnpm install${frozen} --store-dir /pnpm/store`,
        production: `pnpm install${frozen} --prod --store-dir /pnpm/store`,
        // The package's own scripts have run, and may need what is no longer there.
        prune: "CI=true pnpm prune --prod --ignore-scripts",
      };
    }
    case "yarn": {
      const berry =
        has(project, ".yarnrc.yml") ||
        /^__metadata:/m.test(textOf(project, "yarn.lock")) ||
        (pinned !== undefined && !pinned.startsWith("1."));
      if (!berry) {
        const verb = `yarn install${locked ? " --frozen-lockfile" : ""}`;
        return {
          // Images of some Node versions have a Yarn already, which npm would not replace unasked.
          tool: `npm install --global --force yarn@${pinned ?? "1.22.22"}`,
          environment: "YARN_CACHE_FOLDER=/root/.yarn-cache",
          bun: "",
          cache: "/root/.yarn-cache,sharing=locked",
          install: verb,
          production: `${verb} --production`,
          prune: `${verb} --production --ignore-scripts --prefer-offline`,
        };
      }
      const focus = "yarn workspaces focus --all --production";
      const lockVersion = /^__metadata:\s+version: (\d+)/m.exec(textOf(project, "yarn.lock"))?.[1];
      return {
        tool: `npm install --global --force @yarnpkg/cli-dist@${pinned ?? BERRY_RELEASES[lockVersion ?? ""] ?? "4"}`,
        // A folder of modules is what plain `node` understands; Plug'n'Play would need Yarn at run time.
        environment: "YARN_NODE_LINKER=node-modules YARN_ENABLE_GLOBAL_CACHE=true",
        bun: "",
        cache: "/root/.yarn/berry/cache",
        install: `yarn install${locked ? " --immutable" : ""}`,
        // `focus` alone would not say that the lockfile is out of date.
        production: locked ? `yarn install --immutable --mode=skip-build && ${focus}` : focus,
        prune: hooks ? withoutScripts(focus) : focus,
      };
    }
    case "bun": {
      const verb = `bun install${locked ? " --frozen-lockfile" : ""}`;
      const production = `${verb} --production`;
      return {
        tool: "",
        environment: "",
        bun: `oven/bun:${pinned ?? "1"}-slim`,
        cache: "/root/.bun/install/cache",
        install: verb,
        production,
        prune: `rm -rf node_modules && ${hooks ? withoutScripts(production) : production}`,
      };
    }
  }
}

/** The start script without its shell where it needs none; else main, or the file that npm would take. */
function startOf(project: Project, pkg: Package): readonly string[] | undefined {
  const scripts = table(pkg, "scripts");
  const script = stringAt(scripts, "start");
  if (script !== undefined) {
    const around = stringAt(scripts, "prestart") !== undefined || stringAt(scripts, "poststart") !== undefined;
    const words = around ? undefined : splitCommand(script);
    // Another script or package manager is started as it stands: what it does is not read any further.
    if (words === undefined || /^(npm|npx|pnpm|pnpx|yarn|yarnpkg|cd|export|exec|source|\.)$/.test(words[0] ?? "")) {
      return ["npm", "start"];
    }
    const [program = "", ...args] = words;
    if (/^(node|bun)$/.test(program) || program.includes("/")) return words;
    return [`node_modules/.bin/${plainName(program, "program of a start script")}`, ...args];
  }
  if (has(project, "server.js")) return ["node", "server.js"];
  const main = stringAt(pkg, "main");
  const entry =
    main === undefined
      ? undefined
      : [main, `${main}.js`, `${main}/index.js`].find((path) => has(project, path.replace(/^\.\//, "")));
  return entry === undefined ? fileStart(project) : ["node", entry];
}

function fileStart(project: Project): readonly string[] | undefined {
  const files = present(project, "index.js", "index.mjs", "app.js", "main.js", "server.mjs");
  return files.length === 1 ? ["node", files[0] as string] : undefined;
}
