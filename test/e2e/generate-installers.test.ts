/**
 * Generated Dockerfiles whose build installs packages: built by a real builder from a real registry, checked by the builder,
 * run and stopped.
 */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireCapability, type SkippableContext } from "../support/capability.ts";
import { type Engine, findEngine, requireEngine } from "../support/engine.ts";
import { freshTag, stopContainer } from "../support/images.ts";
import { fetchPackage, lockedPackages, type NpmRegistry, startNpmRegistry } from "../support/npm-registry.ts";
import { ROOT } from "../support/programs.ts";
import { type PythonIndex, startPythonIndex } from "../support/python-index.ts";
import { askInside, buildImage, firstProcess, generateAndBuild, provideStandIns } from "../support/stand-ins.ts";

const FIXTURES = join(ROOT, "test/fixtures/generate");
const BUN = `@oven/bun-linux-${process.arch === "arm64" ? "aarch64" : "x64"}@1.4.5`;
const PACKAGES = [
  "debug@4.4.3",
  "ms@2.1.3",
  "is-number@7.0.0",
  "pnpm@12.21.0",
  `@pnpm/exe.linux-${process.arch}@12.21.0`,
  "pnpm@10.34.9",
  "yarn@1.22.22",
  "@yarnpkg/cli-dist@4.18.1",
];

let unavailable: string | undefined;
let npm: NpmRegistry | undefined;
let python: PythonIndex | undefined;
/** Stand-ins that know the registry's address. */
const images: Record<string, string> = {};
const made: string[] = [];
const containers: string[] = [];
const folders: string[] = [];

beforeAll(async () => {
  const engine = findEngine("newest");
  if (engine === undefined) return;
  try {
    await provideStandIns(engine, ["base", "python"]);
    const vite = await readFile(join(FIXTURES, "static-vite/project/package-lock.json"), "utf8");
    npm = await startNpmRegistry([...PACKAGES, ...lockedPackages(vite)]);
    images["node:24-trixie-slim"] = await nodeOf(engine, npm.url);
    await provideBun(engine);
    const packages = { bottle: "bottle", gunicorn: "gunicorn", packaging: "packaging", tomlkit: "tomlkit" };
    python = await startPythonIndex(engine, "initwrap-test/generate-python:2", packages);
    await providePython(engine, python.url);
  } catch (error) {
    unavailable = (error as Error).message;
  }
}, 900_000);

afterAll(async () => {
  const engine = findEngine("newest");
  if (engine && containers.length > 0) await engine.docker(["rm", "-f", ...containers], { check: false });
  if (engine && made.length > 0) await engine.docker(["rmi", "-f", ...made], { check: false });
  await Promise.all([npm?.close(), python?.close()]);
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

/** Node with the registry's address in its environment, under the names by which the package managers ask for it. */
async function nodeOf(engine: Engine, registry: string): Promise<string> {
  const names = ["npm_config_registry", "pnpm_config_registry", "YARN_NPM_REGISTRY_SERVER"];
  const environment = [...names.map((name) => `${name}=${registry}`), "YARN_UNSAFE_HTTP_WHITELIST=127.0.0.1"];
  const tag = freshTag("generate-node");
  made.push(tag);
  await buildImage(engine, tag, ["FROM initwrap-test/generate-node-24-trixie-slim:2", `ENV ${environment.join(" ")}`]);
  return tag;
}

/** Bun alone, as its image has it. */
async function provideBun(engine: Engine): Promise<void> {
  const bun = freshTag("generate-bun");
  await buildImage(
    engine,
    bun,
    [
      "FROM scratch AS unpacked",
      "ADD bun.tgz /",
      "FROM scratch",
      "COPY --from=unpacked /package/bin/bun /usr/local/bin/bun",
    ],
    async (folder) => cp(await fetchPackage(BUN), join(folder, "bun.tgz")),
  );
  images["oven/bun:1.4.5-slim"] = bun;
  made.push(bun);
}

async function providePython(engine: Engine, index: string): Promise<void> {
  const tag = freshTag("generate-python");
  await buildImage(engine, tag, ["FROM initwrap-test/generate-python-3.13-trixie:2", `ENV PIP_INDEX_URL=${index}`]);
  images["python:3.13-trixie"] = tag;
  made.push(tag);
}

function requireStandIns(context: SkippableContext): Engine {
  const engine = requireEngine(context, "newest");
  requireCapability(context, `the stand-in for official images (${unavailable})`, unavailable === undefined);
  return engine;
}

/** A copy of the fixture's project, its package.json edited. */
async function nodeProject(name: string, edit: (pkg: Package) => object): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-generate-"));
  folders.push(folder);
  await cp(join(FIXTURES, name, "project"), folder, { recursive: true });
  const path = join(folder, "package.json");
  await writeFile(path, JSON.stringify(edit(JSON.parse(await readFile(path, "utf8")) as Package)));
  // Yarn 1 notes the address of each package, whatever registry is set.
  const lock = join(folder, "yarn.lock");
  const text = await readFile(lock, "utf8").catch(() => "");
  if (text !== "") await writeFile(lock, text.replaceAll("https://registry.yarnpkg.com/", npm?.url ?? ""));
  return folder;
}

interface Package {
  readonly packageManager?: string;
  readonly scripts: Readonly<Record<string, string>>;
}

/** A folder with these files. */
async function projectOf(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-generate-"));
  folders.push(folder);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}

async function build(engine: Engine, folder: string): Promise<string> {
  const image = await generateAndBuild(engine, folder, { network: "host", images });
  made.push(image);
  return image;
}

async function buildAndStart(engine: Engine, folder: string): Promise<string> {
  const image = await build(engine, folder);
  const id = (await engine.docker(["run", "--detach", "--network=none", image])).stdout.trim();
  containers.push(id);
  return id;
}

async function expectToPrint(engine: Engine, id: string, text: string): Promise<void> {
  await expect.poll(async () => (await engine.docker(["logs", id])).stdout, { timeout: 10_000 }).toBe(text);
}

/** Ends a container that runs as this user beneath the init. */
async function expectToStop(engine: Engine, id: string, uid: string, exitCode = 143): Promise<void> {
  expect(await firstProcess(engine, id)).toEqual({ uid, program: "/initwrap" });
  const stopped = await stopContainer(engine, id, 5);
  expect(stopped.exitCode).toBe(exitCode);
  expect(stopped.milliseconds).toBeLessThan(1000);
}

/** The names of the packages in the image's folders of modules, wherever the manager puts them. */
async function installedPackages(engine: Engine, id: string): Promise<readonly string[]> {
  const find = "find /app -name package.json -path '*/node_modules/*'";
  const { stdout } = await engine.docker(["exec", id, "sh", "-c", `${find} -exec dirname {} + | xargs -n1 basename`]);
  return [...new Set(stdout.trim().split("\n"))].toSorted();
}

describe("a generated Dockerfile of Node", () => {
  const edits = {
    "with a build": (pkg: Package) => pkg,
    "without a build": ({ scripts, ...pkg }: Package) => ({
      ...pkg,
      scripts: { start: scripts["start"]?.replace("dist", "src") },
    }),
    // Yarn 4 knows no `prepare`.
    "with a hook that needs a package of development": ({ scripts, ...pkg }: Package) => ({
      ...pkg,
      scripts: {
        [pkg.packageManager?.startsWith("yarn@4") ? "postinstall" : "prepare"]: "node build.js",
        start: scripts["start"],
      },
    }),
  } as const;
  for (const [manager, name, pinned, variants] of [
    ["npm", "node-npm-build", undefined, ["with a build", "with a hook that needs a package of development"]],
    ["pnpm 10", "node-pnpm", "pnpm@10.34.9", ["with a build", "with a hook that needs a package of development"]],
    ["pnpm 12 in a workspace", "node-pnpm-workspace", "pnpm@12.21.0", ["with a build"]],
    ["Yarn 1", "node-yarn", undefined, ["with a build", "without a build"]],
    ["Yarn 4", "node-yarn-berry", "yarn@4.18.1", Object.keys(edits)],
    ["Bun", "node-bun", "bun@1.4.5", ["with a build", "with a hook that needs a package of development"]],
  ] as const) {
    for (const variant of variants) {
      it(`and ${manager}, ${variant}, has what production needs, serves, and stops at once`, async (context) => {
        const engine = requireStandIns(context);
        const edit = edits[variant as keyof typeof edits];
        const folder = await nodeProject(name, (pkg) => ({ ...edit(pkg), packageManager: pinned }));
        const id = await buildAndStart(engine, folder);
        expect(await askInside(engine, id, 3000)).toMatch(/^HTTP\/1.1 200 [\s\S]*hello from the shop\n$/);
        expect(await installedPackages(engine, id)).toEqual(["debug", "ms"]);
        await expectToStop(engine, id, "1000");
      }, 180_000);
    }
  }
});

describe("a generated Dockerfile of a site", () => {
  it("and Vite serves what the build made and nothing else, and ends cleanly on nginx's own signal", async (context) => {
    const engine = requireStandIns(context);
    const folder = await mkdtemp(join(tmpdir(), "initwrap-generate-"));
    folders.push(folder);
    await cp(join(FIXTURES, "static-vite/project"), folder, { recursive: true });
    const id = await buildAndStart(engine, folder);
    const page = await askInside(engine, id, 8080);
    expect(page).toMatch(/^HTTP\/1.1 200 [\s\S]*<title>Shop<\/title>/);
    const script = /src="(\/assets\/[\w-]+\.js)"/.exec(page)?.[1] ?? "no script";
    expect(await askInside(engine, id, 8080, script)).toContain("hello from a site of production");
    // A path of the application's own shows its page, and so does one of a file that the image does not have.
    for (const path of ["/basket", "/package.json"]) {
      expect((await askInside(engine, id, 8080, path)).split("\r\n\r\n")[1]).toBe(page.split("\r\n\r\n")[1]);
    }
    await expectToStop(engine, id, "101", 0);
  }, 180_000);
});

describe("credentials of a registry", () => {
  it("are the build's, as a secret, and are not in the image", async (context) => {
    const engine = requireStandIns(context);
    const token = "token-of-the-tests";
    const closed = await startNpmRegistry(["debug@4.4.3", "ms@2.1.3", "is-number@7.0.0"], token);
    try {
      const folder = await nodeProject("node-npm-build", (pkg) => pkg);
      const file = join(folder, ".npmrc");
      await writeFile(file, `${closed.url.slice("http:".length)}:_authToken=${token}\n`);
      const node = await nodeOf(engine, closed.url);
      const options = { network: "host", images: { "node:24-trixie-slim": node } } as const;
      await expect(generateAndBuild(engine, folder, options)).rejects.toThrow(/E401/);
      const image = await generateAndBuild(engine, folder, { ...options, flags: ["--secret", `id=npmrc,src=${file}`] });
      made.push(image);
      const { stdout } = await engine.docker(["run", "--rm", "--network=none", image, "ls", "node_modules"]);
      expect(stdout).toBe("debug\nms\n");
      const grep = ["grep", "-r", "--exclude-dir=proc", "--exclude-dir=sys", "-l", token, "/app", "/root", "/tmp"];
      const found = await engine.docker(["run", "--rm", "--network=none", "--user=0", image, ...grep], {
        check: false,
      });
      expect([found.status, found.stdout]).toEqual([1, ""]);
      expect((await engine.docker(["history", "--no-trunc", image])).stdout).not.toContain(token);
    } finally {
      await closed.close();
    }
  }, 180_000);
});

describe("a generated Dockerfile of Python", () => {
  const main = {
    "shop/__init__.py": "",
    "shop/main.py":
      'import bottle\n\napp = bottle.Bottle()\n\n\n@app.get("/")\ndef hello():\n    return "hello from the bottle\\n"\n',
  };

  async function expectToServe(engine: Engine, id: string): Promise<void> {
    expect(await askInside(engine, id, 8000)).toMatch(/^HTTP\/1.[01] 200 [\s\S]*hello from the bottle\n$/);
    const { stdout } = await engine.docker(["exec", id, "sh", "-c", "ls -d /venv/lib/python3.*/site-packages/*-*"]);
    const found = [...stdout.matchAll(/site-packages\/([a-z]+)-/g)].map(([, name]) => name);
    for (const name of ["bottle", "gunicorn", "packaging"]) expect(found).toContain(name);
    expect(found).not.toContain("tomlkit");
    await expectToStop(engine, id, "10001", 0);
  }

  it("and pip brings what the index has, by its hashes, serves with Gunicorn, and stops at once", async (context) => {
    const engine = requireStandIns(context);
    const { pins } = python as PythonIndex;
    const requirements = ["bottle", "gunicorn", "packaging"].map((name) => `${pins[name]}\n`).join("");
    await expectToServe(
      engine,
      await buildAndStart(engine, await projectOf({ ...main, "requirements.txt": requirements })),
    );
  }, 180_000);

  it("and pip installs a wheel of the project's own, and stops at once", async (context) => {
    const engine = requireStandIns(context);
    const folder = await mkdtemp(join(tmpdir(), "initwrap-generate-"));
    folders.push(folder);
    await cp(join(FIXTURES, "python-wheel/project"), folder, { recursive: true });
    const id = await buildAndStart(engine, folder);
    await expectToPrint(engine, id, "ready good day\n");
    await expectToStop(engine, id, "10001");
  }, 180_000);

  it("and Poetry brings its lockfile's packages and the project's, serves with Gunicorn, and stops at once", async (context) => {
    const engine = requireStandIns(context);
    const files = { ...main, "pyproject.toml": poetryProject((python as PythonIndex).url), "README.md": "" };
    // The lockfile holds the index's address and its packages' hashes, so that Poetry writes it here.
    const folder = await projectOf(files);
    await writeFile(join(folder, "poetry.lock"), await lockWithPoetry(engine, folder));
    await expectToServe(engine, await buildAndStart(engine, folder));
  }, 180_000);

  it("and Poetry installs a wheel of the project's own, and refuses a lockfile that is out of date", async (context) => {
    const engine = requireStandIns(context);
    const wheel = "vendor/greeting-1.0-py3-none-any.whl";
    const pyproject = `[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\npython = "^3.12"\ngreeting = { path = "${wheel}" }\n`;
    const folder = await projectOf({ "pyproject.toml": pyproject });
    const project = join(FIXTURES, "python-wheel/project");
    for (const path of ["main.py", "vendor"]) await cp(join(project, path), join(folder, path), { recursive: true });
    await writeFile(join(folder, "poetry.lock"), await lockWithPoetry(engine, folder));
    const id = await buildAndStart(engine, folder);
    await expectToPrint(engine, id, "ready good day\n");
    await expectToStop(engine, id, "10001");
    await writeFile(join(folder, "pyproject.toml"), `${pyproject}tomlkit = "*"\n`);
    await expect(build(engine, folder)).rejects.toThrow(/poetry\.lock/);
  }, 180_000);
});

const POETRY_BACKEND = '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n';

function poetryProject(index: string): string {
  return `[tool.poetry]
name = "shop"
version = "1.0.0"
description = ""
authors = []
readme = "README.md"

[tool.poetry.dependencies]
python = "^3.12"
bottle = "*"
gunicorn = "*"

[tool.poetry.group.dev.dependencies]
tomlkit = "*"

[[tool.poetry.source]]
name = "here"
url = "${index}"
priority = "primary"

${POETRY_BACKEND}`;
}

/** The poetry.lock that Poetry itself writes for a folder. */
async function lockWithPoetry(engine: Engine, folder: string): Promise<string> {
  const image = freshTag("generate-lock");
  made.push(image);
  const dockerfile = "FROM initwrap-test/generate-python:2\nWORKDIR /lock\nCOPY . .\nRUN poetry lock\n";
  const file = join(await projectOf({ Dockerfile: dockerfile }), "Dockerfile");
  await engine.docker(["build", "--network=host", "-t", image, "-f", file, folder], { timeoutMs: 120_000 });
  return (await engine.docker(["run", "--rm", "--network=none", image, "cat", "poetry.lock"])).stdout;
}
