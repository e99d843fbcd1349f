/**
 * Generated Dockerfiles, built by a real builder and run.
 *
 * The official images cannot be had without a network, so a Debian with the same programs at the same places stands in for
 * them. It has their config, and the builds get it by way of build contexts, so the engine never holds a false `python`.
 */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireCapability, type SkippableContext } from "../support/capability.ts";
import { initwrapOk } from "../support/cli.ts";
import { type Engine, findEngine, requireEngine } from "../support/engine.ts";
import { freshTag, startUntilReady, stopContainer } from "../support/images.ts";
import { ROOT } from "../support/programs.ts";

const run = promisify(execFile);
const FIXTURES = join(ROOT, "test/fixtures/generate");
const STAND_IN = "initwrap-test/generate-base:1";
const WEB_STAND_IN = "initwrap-test/generate-web:1";

/** The images that stand-ins are made of, with what the official ones have in their config. */
const IMAGES: Readonly<Record<string, readonly string[]>> = {
  "node:24-trixie-slim": ['ENTRYPOINT ["docker-entrypoint.sh"]', 'CMD ["node"]'],
  "python:3.13-trixie": ['CMD ["python3"]'],
  "python:3.13-slim-trixie": ['CMD ["python3"]'],
  "nginx:1.30-trixie": [
    'ENTRYPOINT ["/docker-entrypoint.sh"]',
    'CMD ["nginx", "-g", "daemon off;"]',
    "STOPSIGNAL SIGQUIT",
  ],
  "golang:1.27-trixie": ['CMD ["bash"]', "ENV GOTOOLCHAIN=local GOPATH=/go"],
  "ruby:3.4-trixie": ['CMD ["irb"]', "ENV GEM_HOME=/usr/local/bundle BUNDLE_SILENCE_ROOT_WARNING=1"],
  "ruby:3.4-slim-trixie": ['CMD ["irb"]', "ENV GEM_HOME=/usr/local/bundle BUNDLE_SILENCE_ROOT_WARNING=1"],
  "php:8.4-apache-trixie": [
    'ENTRYPOINT ["docker-php-entrypoint"]',
    'CMD ["apache2-foreground"]',
    "STOPSIGNAL SIGWINCH",
    "ENV PHP_INI_DIR=/usr/local/etc/php",
    // What is below /run is no part of a root file system that mmdebstrap makes.
    "RUN install -d -m 1777 /run/apache2 /run/lock/apache2 && cd /var/log/apache2 && rm -f *.log && ln -s /dev/stderr error.log && ln -s /dev/stdout access.log && ln -s /dev/stdout other_vhosts_access.log",
  ],
};

/** The stand-in that a name's image is made of. */
function baseOf(name: string): string {
  return /^(ruby|php):/.test(name) ? WEB_STAND_IN : STAND_IN;
}

let unavailable: string | undefined;
const images: string[] = [];
const containers: string[] = [];
const folders: string[] = [];

beforeAll(async () => {
  const engine = findEngine("modern");
  if (engine === undefined) return;
  try {
    await provideStandIns(engine);
  } catch (error) {
    unavailable = (error as Error).message;
  }
}, 900_000);

afterAll(async () => {
  const engine = findEngine("modern");
  if (engine && containers.length > 0) await engine.docker(["rm", "-f", ...containers], { check: false });
  if (engine && images.length > 0) await engine.docker(["rmi", "-f", ...images], { check: false });
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

/** Imports the stand-in, adds this Node and its npm, and gives it the names of the official images. */
async function provideStandIns(engine: Engine): Promise<void> {
  const known = await engine.docker(["image", "inspect", STAND_IN], { check: false });
  if (known.status !== 0) {
    const script = join(ROOT, "test/support/engines/generate-base.sh");
    const tarball = (await run("bash", [script], { timeout: 600_000 })).stdout.trim();
    await engine.docker(["import", tarball, `${STAND_IN}-os`], { timeoutMs: 300_000 });
    const folder = await scratchFolder();
    const npm = dirname(dirname(await realpath((await run("which", ["npm"])).stdout.trim())));
    await cp(process.execPath, join(folder, "node"));
    await cp(npm, join(folder, "npm"), { recursive: true });
    await writeFile(
      join(folder, "Dockerfile"),
      `FROM ${STAND_IN}-os\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nCOPY node /usr/local/bin/node\nCOPY npm /usr/local/lib/node_modules/npm\nRUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm\n`,
    );
    await engine.docker(["build", "-q", "-t", STAND_IN, folder], { timeoutMs: 300_000 });
  }
  await provideWebStandIn(engine);
  for (const [name, config] of Object.entries(IMAGES)) {
    const folder = await scratchFolder();
    await writeFile(join(folder, "Dockerfile"), `FROM ${baseOf(name)}\n${config.join("\n")}\n`);
    await engine.docker(["build", "-q", "-t", standInOf(name), folder], { timeoutMs: 300_000 });
  }
}

async function provideWebStandIn(engine: Engine): Promise<void> {
  if ((await engine.docker(["image", "inspect", WEB_STAND_IN], { check: false })).status === 0) return;
  const script = join(ROOT, "test/support/engines/generate-base.sh");
  const tarball = (await run("bash", [script, "web"], { timeout: 600_000 })).stdout.trim();
  const path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  await engine.docker(["import", "--change", path, tarball, WEB_STAND_IN], { timeoutMs: 300_000 });
}

function standInOf(name: string): string {
  return name in IMAGES ? `initwrap-test/generate-${name.replace(":", "-")}:1` : STAND_IN;
}

/** The flags that put stand-ins in the place of every image that a Dockerfile names. */
function standInFlags(dockerfile: string): readonly string[] {
  const names = [...dockerfile.matchAll(/^FROM (?:--platform=\S+ )?(\S+:\S+)|--from=(\S+:\S+)/gm)].map(
    ([, from, copied]) => (from ?? copied) as string,
  );
  return [...new Set(names)].flatMap((name) => ["--build-context", `${name}=docker-image://${standInOf(name)}`]);
}

async function scratchFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-generate-"));
  folders.push(folder);
  return folder;
}

function requireStandIns(context: SkippableContext): Engine {
  const engine = requireEngine(context);
  requireCapability(context, `the stand-in for official images (${unavailable})`, unavailable === undefined);
  return engine;
}

/** The fixture's project with its generated files, built. */
async function buildFixture(
  engine: Engine,
  name: string,
  files: Readonly<Record<string, string>> = {},
): Promise<string> {
  const folder = await scratchFolder();
  await cp(join(FIXTURES, name, "project"), folder, { recursive: true });
  for (const [path, text] of Object.entries(files)) await writeFile(join(folder, path), text);
  return buildFolder(engine, folder);
}

async function buildFolder(engine: Engine, folder: string): Promise<string> {
  await initwrapOk(["generate", folder], { env: engine.env });
  const image = freshTag("generate");
  images.push(image);
  const flags = standInFlags(await readFile(join(folder, "Dockerfile"), "utf8"));
  await engine.docker(["build", "--network=none", ...flags, "-t", image, folder], { timeoutMs: 300_000 });
  return image;
}

/** A project of these files with its generated ones, built. */
async function buildProject(engine: Engine, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await scratchFolder();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return buildFolder(engine, folder);
}

/** The answer to a request inside the container, head and body, with nothing but its shell. */
async function askInside(engine: Engine, id: string, port: number, path = "/"): Promise<string> {
  const script = `exec 3<>/dev/tcp/127.0.0.1/${port} && printf 'GET ${path} HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n' >&3 && cat <&3`;
  for (let attempt = 0; ; attempt++) {
    const result = await engine.docker(["exec", id, "bash", "-c", script], { check: false });
    if (result.status === 0 || attempt > 100) return result.stdout + result.stderr;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** What a request for `/` inside the container's own network gives. */
async function fetchInside(engine: Engine, id: string, port: number, path = "/"): Promise<string> {
  const script = `fetch("http://127.0.0.1:${port}${path}").then(async (r) => process.stdout.write(r.status + " " + await r.text()))`;
  for (let attempt = 0; ; attempt++) {
    const result = await engine.docker(["exec", id, "node", "-e", script], { check: false });
    if (result.status === 0 || attempt > 50) return result.stdout + result.stderr;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function owner(engine: Engine, id: string): Promise<string> {
  const { stdout } = await engine.docker(["exec", id, "cat", "/proc/1/status"]);
  return /^Uid:\s+(\d+)/m.exec(stdout)?.[1] ?? "";
}

async function firstProcess(engine: Engine, id: string): Promise<string> {
  return (await engine.docker(["exec", id, "cat", "/proc/1/cmdline"])).stdout.split("\0")[0] ?? "";
}

describe("a generated Dockerfile", () => {
  for (const [name, port, answer, uid] of [
    ["node-npm", 3000, "200 hello from node\n", "1000"],
    ["python-plain", 8000, "200 hello from python\n", "10001"],
  ] as const) {
    it(`of ${name} builds, serves, and stops at once`, async (context) => {
      const engine = requireStandIns(context);
      const id = await startUntilReady(engine, await buildFixture(engine, name));
      containers.push(id);
      expect(await fetchInside(engine, id, port)).toBe(answer);
      expect([await owner(engine, id), await firstProcess(engine, id)]).toEqual([uid, "/initwrap"]);
      const stopped = await stopContainer(engine, id, 5);
      expect(stopped.exitCode).toBe(143);
      expect(stopped.milliseconds).toBeLessThan(1000);
    });
  }

  it("of Python with pip brings what its build installed", async (context) => {
    const engine = requireStandIns(context);
    const id = await startUntilReady(engine, await buildFixture(engine, "python-wheel"));
    containers.push(id);
    const stopped = await stopContainer(engine, id, 5);
    expect([stopped.exitCode, stopped.output]).toEqual([143, "ready good day\n"]);
    expect(stopped.milliseconds).toBeLessThan(1000);
  });

  it("of a static site serves pages and no dot files, and ends cleanly on nginx's own signal", async (context) => {
    const engine = requireStandIns(context);
    const image = await buildFixture(engine, "static");
    const id = (await engine.docker(["run", "--detach", "--network=none", image])).stdout.trim();
    containers.push(id);
    expect(await fetchInside(engine, id, 8080)).toContain("200 <!doctype html><title>Shop</title>");
    expect(await fetchInside(engine, id, 8080, "/.initwrap/linux-amd64/initwrap")).toMatch(/^404 /);
    expect([await owner(engine, id), await firstProcess(engine, id)]).toEqual(["101", "/initwrap"]);
    const stopped = await stopContainer(engine, id, 5);
    expect(stopped.exitCode).toBe(0);
    expect(stopped.milliseconds).toBeLessThan(1000);
  });

  it("of Go runs in an image with nothing but the program, its time zones, certificates and /tmp", async (context) => {
    const engine = requireStandIns(context);
    const image = await buildFixture(engine, "go", {
      "go.mod": "module example.com/shop\n\ngo 1.22\n",
      "cmd/server/main.go": await readFile(join(ROOT, "test/e2e/programs/server.go"), "utf8"),
    });
    const id = await startUntilReady(engine, image);
    containers.push(id);
    const stopped = await stopContainer(engine, id, 5);
    expect([stopped.exitCode, stopped.output]).toEqual([143, "ready UTC+2 true\n"]);
    expect(stopped.milliseconds).toBeLessThan(1000);
  });

  it("of Ruby runs with what Bundler installed, and stops at once", async (context) => {
    const engine = requireStandIns(context);
    const image = await buildProject(engine, {
      Gemfile: 'source "https://rubygems.org"\nruby ">= 3.3"\n',
      Procfile: "web: bundle exec ruby server.rb\n",
      "server.rb": await readFile(join(ROOT, "test/e2e/programs/server.rb"), "utf8"),
    });
    const id = await startUntilReady(engine, image);
    containers.push(id);
    expect(await askInside(engine, id, 9292)).toContain("hello from ruby");
    expect([await owner(engine, id), await firstProcess(engine, id)]).toEqual(["10001", "/initwrap"]);
    const stopped = await stopContainer(engine, id, 5);
    expect(stopped.exitCode).toBe(143);
    expect(stopped.milliseconds).toBeLessThan(1000);
  });

  it("of PHP serves pages in Apache without rights, and ends cleanly on Apache's own signal", async (context) => {
    const engine = requireStandIns(context);
    const image = await buildProject(engine, {
      "public/index.php": "<?php echo 'hello from php as ' . get_current_user() . ' ' . (6 * 7);\n",
      "secret.txt": "not a page\n",
    });
    const id = (await engine.docker(["run", "--detach", "--network=none", image])).stdout.trim();
    containers.push(id);
    expect(await askInside(engine, id, 8080)).toMatch(/^HTTP\/1.1 200 [\s\S]*hello from php as \w+ 42/);
    expect(await askInside(engine, id, 8080, "/secret.txt")).toMatch(/^HTTP\/1.1 404 /);
    expect([await owner(engine, id), await firstProcess(engine, id)]).toEqual(["33", "/initwrap"]);
    // Apache takes a second or two for it; killed after five it would end with 137.
    const stopped = await stopContainer(engine, id, 5);
    expect(stopped.exitCode).toBe(0);
  });

  it("of any stack is understood by the builder from its first line to its last", async (context) => {
    const engine = requireStandIns(context);
    const help = (await engine.docker(["buildx", "build", "--help"])).stdout;
    const outline = async (dockerfile: string): Promise<string> => {
      const folder = await scratchFolder();
      await writeFile(join(folder, "Dockerfile"), dockerfile);
      const flags = standInFlags(dockerfile);
      // The outline makes BuildKit evaluate every instruction of every stage without running one.
      const call = help.includes("--call") ? "--call=outline" : "--print=outline";
      const env = { BUILDX_EXPERIMENTAL: "1" };
      const result = await engine.docker(["buildx", "build", call, ...flags, folder], { env, check: false });
      return result.status === 0 ? "understood" : result.stderr;
    };
    for (const name of await readdir(FIXTURES)) {
      expect(await outline(await readFile(join(FIXTURES, name, "Dockerfile"), "utf8")), name).toBe("understood");
    }
    expect(await outline("FROM golang:1.27-trixie\nUSER\n")).toContain("USER requires exactly one argument");
  });
});
