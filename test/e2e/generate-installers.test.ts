/**
 * Generated Dockerfiles whose build installs packages: built by a real builder from a real registry, checked by the builder,
 * run and stopped.
 */
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireCapability, type SkippableContext } from "../support/capability.ts";
import { type Engine, findEngine, requireEngine } from "../support/engine.ts";
import { freshTag, startUntilReady, stopContainer } from "../support/images.ts";
import { fetchPackage, type NpmRegistry, startNpmRegistry } from "../support/npm-registry.ts";
import { ROOT } from "../support/programs.ts";
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
/** Stand-ins that know the registry's address. */
const images: Record<string, string> = {};
const made: string[] = [];
const containers: string[] = [];
const folders: string[] = [];

beforeAll(async () => {
  const engine = findEngine("newest");
  if (engine === undefined) return;
  try {
    await provideStandIns(engine, ["base", "python", "php"]);
    npm = await startNpmRegistry(PACKAGES);
    await provideNode(engine, npm.url);
  } catch (error) {
    unavailable = (error as Error).message;
  }
}, 900_000);

afterAll(async () => {
  const engine = findEngine("newest");
  if (engine && containers.length > 0) await engine.docker(["rm", "-f", ...containers], { check: false });
  if (engine && made.length > 0) await engine.docker(["rmi", "-f", ...made], { check: false });
  await npm?.close();
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

/** Node with the registry's address in its environment, under the names by which the package managers ask for it. */
async function provideNode(engine: Engine, registry: string): Promise<void> {
  const names = ["npm_config_registry", "pnpm_config_registry", "YARN_NPM_REGISTRY_SERVER"];
  const node = freshTag("generate-node");
  const environment = [...names.map((name) => `${name}=${registry}`), "YARN_UNSAFE_HTTP_WHITELIST=127.0.0.1"];
  await buildImage(engine, node, ["FROM initwrap-test/generate-node-24-trixie-slim:2", `ENV ${environment.join(" ")}`]);
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
  Object.assign(images, { "node:24-trixie-slim": node, "oven/bun:1-slim": bun, "oven/bun:1.4.5-slim": bun });
  made.push(node, bun);
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

/** The names of the packages in the image's node_modules, wherever the manager puts them. */
async function installedPackages(engine: Engine, id: string): Promise<readonly string[]> {
  const find = "find /app/node_modules -name package.json -path '*/node_modules/*'";
  const { stdout } = await engine.docker(["exec", id, "sh", "-c", `${find} -exec dirname {} + | xargs -n1 basename`]);
  return [...new Set(stdout.trim().split("\n"))].toSorted();
}

describe("a generated Dockerfile of Node", () => {
  const variants = [
    ["with a build", (pkg: Package) => pkg],
    [
      "without a build",
      ({ scripts, ...pkg }: Package) => ({ ...pkg, scripts: { start: scripts["start"]?.replace("dist", "src") } }),
    ],
    [
      "with a hook that needs a package of the build,",
      // Yarn 4 knows no `prepare`.
      ({ scripts, ...pkg }: Package) => ({
        ...pkg,
        scripts: {
          [pkg.packageManager?.startsWith("yarn@4") ? "postinstall" : "prepare"]: "node build.js",
          start: scripts["start"],
        },
      }),
    ],
  ] as const;
  for (const [manager, name, pinned] of [
    ["pnpm 10", "node-pnpm", "pnpm@10.34.9"],
    ["pnpm 12", "node-pnpm", "pnpm@12.21.0"],
    ["Yarn 1", "node-yarn", undefined],
    ["Yarn 4", "node-yarn-berry", "yarn@4.18.1"],
    ["Bun", "node-bun", "bun@1.4.5"],
  ] as const) {
    for (const [variant, edit] of variants) {
      it(`and ${manager}, ${variant}, has what production needs, serves, and stops at once`, async (context) => {
        const engine = requireStandIns(context);
        const folder = await nodeProject(name, (pkg) => ({ ...edit(pkg), packageManager: pinned }));
        const image = await generateAndBuild(engine, folder, { network: "host", images });
        made.push(image);
        const id = await startUntilReady(engine, image);
        containers.push(id);
        expect(await askInside(engine, id, 3000)).toMatch(/^HTTP\/1.1 200 [\s\S]*hello from the shop\n$/);
        expect(await installedPackages(engine, id)).toEqual(["debug", "ms"]);
        expect(await firstProcess(engine, id)).toEqual({ uid: "1000", program: "/initwrap" });
        const stopped = await stopContainer(engine, id, 5);
        expect(stopped.exitCode).toBe(143);
        expect(stopped.milliseconds).toBeLessThan(1000);
      }, 180_000);
    }
  }
});
