/** Generated Dockerfiles whose build needs no network, built by a real builder and run. */
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { requireCapability, type SkippableContext } from "../support/capability.ts";
import { type Engine, findEngine, requireEngine } from "../support/engine.ts";
import { freshTag, startUntilReady, stopContainer } from "../support/images.ts";
import { ROOT } from "../support/programs.ts";
import {
  askInside,
  type BuildOptions,
  buildImage,
  firstProcess,
  generateAndBuild,
  provideStandIns,
  standInFlags,
} from "../support/stand-ins.ts";
import { verifyDocumentOf } from "../support/verify.ts";

const FIXTURES = join(ROOT, "test/fixtures/generate");

let unavailable: string | undefined;
const images: string[] = [];
const containers: string[] = [];
const folders: string[] = [];

beforeAll(async () => {
  const engine = findEngine("newest");
  if (engine === undefined) return;
  try {
    await provideStandIns(engine, ["base", "ruby-php"]);
  } catch (error) {
    unavailable = (error as Error).message;
  }
}, 900_000);

afterAll(async () => {
  const engine = findEngine("newest");
  if (engine && containers.length > 0) await engine.docker(["rm", "-f", ...containers], { check: false });
  if (engine && images.length > 0) await engine.docker(["rmi", "-f", ...images], { check: false });
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

async function scratchFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "initwrap-generate-"));
  folders.push(folder);
  return folder;
}

function requireStandIns(context: SkippableContext): Engine {
  const engine = requireEngine(context, "newest");
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

async function buildFolder(engine: Engine, folder: string, options: BuildOptions = {}): Promise<string> {
  const image = await generateAndBuild(engine, folder, options);
  images.push(image);
  return image;
}

/** A project of these files with its generated ones, built. */
async function buildProject(
  engine: Engine,
  files: Readonly<Record<string, string>>,
  options: BuildOptions = {},
): Promise<string> {
  const folder = await scratchFolder();
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return buildFolder(engine, folder, options);
}

/** Go with a module proxy, which is a folder: https://go.dev/ref/mod#goproxy-protocol */
async function golangWith(engine: Engine, module: Readonly<Record<string, string>>): Promise<string> {
  const tag = freshTag("generate-golang");
  images.push(tag);
  const zip = `cd /proxy/module && python3 -c "import zipfile, os; z = zipfile.ZipFile('../example.com/greeting/@v/v1.0.0.zip', 'w'); [z.write(f, 'example.com/greeting@v1.0.0/' + f) for f in os.listdir('.')]; z.close()"`;
  const lines = [
    "FROM initwrap-test/generate-golang-1.27-trixie:2",
    "COPY . /proxy",
    `RUN ${zip}`,
    "ENV GOPROXY=file:///proxy GOSUMDB=off",
  ];
  await buildImage(engine, tag, lines, async (folder) => {
    const versions = join(folder, "example.com/greeting/@v");
    await mkdir(versions, { recursive: true });
    await mkdir(join(folder, "module"));
    for (const [path, text] of Object.entries(module)) await writeFile(join(folder, "module", path), text);
    await writeFile(join(versions, "v1.0.0.info"), '{"Version":"v1.0.0","Time":"2020-01-01T00:00:00Z"}');
    await writeFile(join(versions, "v1.0.0.mod"), module["go.mod"] ?? "");
  });
  return tag;
}

/** A sum as go.sum has it: https://pkg.go.dev/golang.org/x/mod/sumdb/dirhash#Hash1 */
function moduleSum(files: Readonly<Record<string, string>>): string {
  const sha256 = (text: string) => createHash("sha256").update(text);
  const lines = Object.keys(files)
    .toSorted()
    .map((path) => `${sha256(files[path] ?? "").digest("hex")}  ${path}\n`);
  return `h1:${sha256(lines.join("")).digest("base64")}`;
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
      expect(await firstProcess(engine, id)).toEqual({ uid, program: "/initwrap" });
      const stopped = await stopContainer(engine, id, 5);
      expect(stopped.exitCode).toBe(143);
      expect(stopped.milliseconds).toBeLessThan(1000);
    });
  }

  it("of a static site serves pages and no dot files, and ends cleanly on nginx's own signal", async (context) => {
    const engine = requireStandIns(context);
    const image = await buildFixture(engine, "static");
    const id = (await engine.docker(["run", "--detach", "--network=none", image])).stdout.trim();
    containers.push(id);
    expect(await fetchInside(engine, id, 8080)).toContain("200 <!doctype html><title>Shop</title>");
    expect(await fetchInside(engine, id, 8080, "/.initwrap/linux-amd64/initwrap")).toMatch(/^404 /);
    expect(await firstProcess(engine, id)).toEqual({ uid: "101", program: "/initwrap" });
    const stopped = await stopContainer(engine, id, 5);
    expect(stopped.exitCode).toBe(0);
    expect(stopped.milliseconds).toBeLessThan(1000);
  });

  it("of a static site finishes what it was asked on QUIT, its image's signal, and cuts it off on TERM", async (context) => {
    const engine = requireStandIns(context);
    const image = await buildFixture(engine, "static");
    // Two requests are begun; after the signal the first is completed, while the second still keeps nginx.
    const script = `
import os, signal, socket, sys, time
def begin():
    one = socket.create_connection(("127.0.0.1", 8080)); one.sendall(b"GET / HTTP/1.1\\r\\nHost: shop\\r\\n"); return one
first, second = begin(), begin()
time.sleep(0.3)
os.kill(1, getattr(signal, sys.argv[1]))
time.sleep(0.3)
first.sendall(b"Connection: close\\r\\n\\r\\n")
print(first.recv(12).decode(), flush=True)
time.sleep(0.3)
`;
    const answered = async (signal: string): Promise<string> => {
      const id = (await engine.docker(["run", "--detach", "--network=none", image])).stdout.trim();
      containers.push(id);
      await fetchInside(engine, id, 8080);
      return (await engine.docker(["exec", id, "python3", "-c", script, signal], { check: false })).stdout;
    };
    expect(await Promise.all(["SIGQUIT", "SIGTERM"].map(answered))).toEqual(["HTTP/1.1 200\n", ""]);
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
    const verified = await verifyDocumentOf([image, "--run"], { env: engine.env });
    expect(verified.diagnostics.map(({ code }) => code)).toEqual(["COMMAND_UNRECORDED"]);
    expect(verified.platforms).toMatchObject([{ run: { exitCode: 143 } }]);
  });

  it("of Go brings the modules that go.sum vouches for, and no others", async (context) => {
    const engine = requireStandIns(context);
    const module = {
      "go.mod": "module example.com/greeting\n\ngo 1.22\n",
      "greeting.go": 'package greeting\n\nconst Text = "hello from a module"\n',
    };
    const golang = await golangWith(engine, module);
    const main = `package main

import (
	"fmt"
	"time"

	"example.com/greeting"
)

func main() {
	fmt.Println("ready", greeting.Text)
	time.Sleep(10 * time.Minute)
}
`;
    const project = (sum: string) => ({
      "go.mod": "module example.com/shop\n\ngo 1.22\n\nrequire example.com/greeting v1.0.0\n",
      "go.sum": `example.com/greeting v1.0.0 ${sum}\nexample.com/greeting v1.0.0/go.mod ${moduleSum({ "go.mod": module["go.mod"] })}\n`,
      "main.go": main,
    });
    const named = Object.entries(module).map(([path, text]) => [`example.com/greeting@v1.0.0/${path}`, text]);
    const options = { images: { "golang:1.27-trixie": golang } };
    const wrong = buildProject(engine, project(moduleSum(module)), options);
    await expect(wrong).rejects.toThrow(/checksum mismatch/);
    const image = await buildProject(engine, project(moduleSum(Object.fromEntries(named))), options);
    const id = await startUntilReady(engine, image);
    containers.push(id);
    const stopped = await stopContainer(engine, id, 5);
    expect([stopped.exitCode, stopped.output]).toEqual([143, "ready hello from a module\n"]);
  });

  it("of Ruby runs with what Bundler installed, and stops at once", async (context) => {
    const engine = requireStandIns(context);
    const image = await buildProject(engine, {
      Gemfile: 'source "https://rubygems.org"\ngem "greeting", path: "greeting"\n',
      "Gemfile.lock":
        "PATH\n  remote: greeting\n  specs:\n    greeting (1.0.0)\n\nGEM\n  remote: https://rubygems.org/\n  specs:\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n  greeting!\n",
      "greeting/greeting.gemspec":
        'Gem::Specification.new { |s| s.name = "greeting"; s.version = "1.0.0"; s.summary = "x"; s.authors = ["x"]; s.files = ["lib/greeting.rb"] }\n',
      "greeting/lib/greeting.rb": 'GREETING = "hello"\n',
      Procfile: "web: bundle exec ruby server.rb\n",
      "server.rb": `require "greeting"\n${await readFile(join(ROOT, "test/e2e/programs/server.rb"), "utf8")}`,
    });
    const id = await startUntilReady(engine, image);
    containers.push(id);
    expect(await askInside(engine, id, 9292)).toContain("hello from ruby");
    expect(await firstProcess(engine, id)).toEqual({ uid: "10001", program: "/initwrap" });
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
    expect(await firstProcess(engine, id)).toEqual({ uid: "33", program: "/initwrap" });
    // Apache takes a second or two for it; killed after five it would end with 137.
    const stopped = await stopContainer(engine, id, 5);
    expect(stopped.exitCode).toBe(0);
  });

  it("of PHP with Composer brings the packages of its lockfile", async (context) => {
    const engine = requireStandIns(context);
    const image = await buildFixture(engine, "php-path");
    const id = (await engine.docker(["run", "--detach", "--network=none", image])).stdout.trim();
    containers.push(id);
    expect(await askInside(engine, id, 8080)).toMatch(/^HTTP\/1.1 200 [\s\S]*hello from php: good day$/);
    expect(await firstProcess(engine, id)).toEqual({ uid: "33", program: "/initwrap" });
    expect((await stopContainer(engine, id, 5)).exitCode).toBe(0);
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
