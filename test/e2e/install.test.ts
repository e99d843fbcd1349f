/** The packages by the ways in which people get them from a registry: npx, npm, pnpm; wherever and whoever they are. */
import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeProgram } from "../../scripts/node-program.mjs";
import { pack } from "../../scripts/pack.mjs";
import { requireCapability } from "../support/capability.ts";
import { type NpmRegistry, startNpmRegistry } from "../support/npm-registry.ts";

const exec = promisify(execFile);

let folder: string;
let registry: NpmRegistry;
const PNPM = "pnpm@12.21.0";
/** A registry's packages are unpacked, some of them more than once. */
const SLOW = { timeout: 300_000 };
const WRAPPED = 'ENTRYPOINT ["/initwrap", "--", "/app"]';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-install-"));
  await chmod(folder, 0o755);
  const pnpm = [PNPM, `@pnpm/exe.linux-${process.arch}@${PNPM.split("@")[1]}`];
  registry = await startNpmRegistry(["node-gyp-build@4.8.4", ...pnpm]);
  const packed = join(folder, "packed");
  await mkdir(packed);
  for (const tarball of pack(packed)) {
    const host = registry.url.replace("http:", "");
    await exec("npm", ["publish", tarball, "--provenance=false", `--${host}:_authToken=x`], {
      cwd: packed,
      env: await visitor(),
    });
  }
});
afterAll(async () => {
  await registry.close();
  await rm(folder, { recursive: true, force: true });
});

/** Variables of somebody who has nothing yet, in a home whose name has a space and letters that are not ASCII. */
async function visitor(node = process.execPath): Promise<NodeJS.ProcessEnv & { readonly HOME: string }> {
  const home = join(await mkdtemp(join(folder, "visitor-")), "Füße & 日本 home");
  await mkdir(home, { recursive: true });
  return {
    HOME: home,
    PATH: `${dirname(node)}:/usr/local/bin:/usr/bin:/bin`,
    npm_config_registry: registry.url,
    npm_config_update_notifier: "false",
    npm_config_audit: "false",
    npm_config_fund: "false",
    DOCKER_HOST: "unix:///nonexistent",
  };
}

/** An empty folder but for a Dockerfile. */
async function project(env: { readonly HOME: string }): Promise<string> {
  const place = await mkdtemp(join(env.HOME, "ein projekt-"));
  await writeFile(join(place, "Dockerfile"), 'FROM scratch\nENTRYPOINT ["/app"]\n');
  return place;
}

/** Everything that an installed command has to find: its templates, the inits, the addon. */
async function tried(program: string, words: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<void> {
  const call = (...args: string[]) => exec(program, [...words, ...args], { cwd, env });
  expect((await call("dockerfile", "Dockerfile", "--offline")).stdout).toContain(WRAPPED);
  expect((await call("run", "--", "echo", "under an init")).stdout).toBe("under an init\n");
}

describe.each(["22.23.3", "24.21.0"])("on Node.js %s", (version) => {
  it("npx runs it in an empty folder, and again without a network", SLOW, async (context) => {
    const node = await nodeProgram(process.arch as "x64" | "arm64", version);
    requireCapability(context, `Node.js ${version}`, node !== undefined);
    const env = await visitor(node);
    const place = await project(env);
    await tried("npx", ["--yes", "initwrap"], place, env);
    expect(await readdir(place)).toEqual(["Dockerfile"]);
    // A registry that nothing answers at.
    const alone = { ...env, npm_config_offline: "true", npm_config_prefer_online: "false" };
    await tried("npx", ["--yes", "initwrap"], place, alone);
    const { stdout } = await exec("npx", ["--yes", "initwrap", "--version"], { cwd: place, env: alone });
    expect(stdout).toContain(`node-v${version}`);
  });

  it(
    "npm installs it globally, without scripts and optional packages; another user runs it, whose home cannot be written",
    SLOW,
    async (context) => {
      const node = await nodeProgram(process.arch as "x64" | "arm64", version);
      requireCapability(context, `Node.js ${version}, and root`, node !== undefined && process.getuid?.() === 0);
      const env = await visitor(node);
      const prefix = join(env.HOME, "pre fix");
      const flags = ["--global", "--prefix", prefix, "--ignore-scripts", "--omit=optional"];
      await exec("npm", ["install", ...flags, "initwrap"], { env, cwd: env.HOME });
      const place = await project(env);
      const program = join(prefix, "bin/initwrap");
      await tried(program, [], place, env);
      // Nobody, at home where root alone may write. Node.js is where the tests' user is, which others may not enter.
      const bin = join(env.HOME, "bin");
      await mkdir(bin);
      await exec("cp", [node!, bin]);
      await exec("chmod", ["-R", "a+rX,a-w", dirname(env.HOME)]);
      const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
      await tried("setpriv", [...nobody, program], place, { ...env, PATH: `${bin}:/usr/bin:/bin` });
      expect(await readdir(env.HOME)).not.toContain(".initwrap");
    },
  );
});

it("pnpm runs it without installing it, and installs it", SLOW, async () => {
  const env = await visitor();
  const place = await project(env);
  const pnpm = ["--yes", PNPM, `--config.registry=${registry.url}`];
  await tried("npx", [...pnpm, "dlx", "initwrap"], place, env);
  await writeFile(join(place, "package.json"), '{ "private": true }\n');
  await exec("npx", [...pnpm, "add", "--ignore-scripts", "--no-optional", "initwrap"], { cwd: place, env });
  await tried(join(place, "node_modules/.bin/initwrap"), [], place, env);
});
