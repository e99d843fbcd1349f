/** The packages as npm would publish them: packed, installed into an empty folder without install scripts, and used. */
import { execFile } from "node:child_process";
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { zstdCompressSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodeProgram } from "../../scripts/node-program.mjs";
import { requireCapability } from "../support/capability.ts";
import { ROOT } from "../support/programs.ts";

const exec = promisify(execFile);
const SAMPLES = join(ROOT, "test/fixtures/samples");

let folder: string;
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env["PATH"]}` };
const run = (program: string, ...args: string[]) => exec(program, args, { cwd: folder, env, encoding: "utf8" });
const node = (script: string) => exec(process.execPath, ["--input-type=module", "-e", script], { cwd: folder, env });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "initwrap-packed-"));
  for (const name of ["init-core", "cli"]) {
    await exec("npx", ["--yes", "pnpm@12.21.0", "pack", "--pack-destination", folder], {
      cwd: join(ROOT, "packages", name),
      env,
    });
  }
  const tarballs = (await readdir(folder)).filter((name) => name.endsWith(".tgz")).map((name) => `./${name}`);
  await writeFile(join(folder, "package.json"), '{ "private": true }\n');
  await run("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", ...tarballs);
  await cp(SAMPLES, join(folder, "samples"), { recursive: true });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("the packed packages", () => {
  it("bring the command", async () => {
    const { stdout } = await run("node_modules/.bin/initwrap", "--help");
    expect(stdout).toContain("dockerfile");
    expect(stdout).toContain("image");
  });

  it("wrap the sample Dockerfile and the sample archive", async () => {
    const wrapped = await run("node_modules/.bin/initwrap", "dockerfile", "samples/Dockerfile", "--offline");
    expect(wrapped.stdout).toContain('ENTRYPOINT ["/initwrap", "--", "docker-entrypoint.sh"]');
    const { stdout } = await run("node_modules/.bin/initwrap", "image", "samples/app.tar", "-o", "wrapped.tar");
    expect(stdout).toMatch(/^example\/app:1@sha256:[0-9a-f]{64}\n$/);
    expect((await stat(join(folder, "wrapped.tar"))).size).toBeLessThan(100_000);
  });

  it("bring the man pages to where man looks", async () => {
    const tarballs = (await readdir(folder)).filter((name) => name.endsWith(".tgz")).map((name) => `./${name}`);
    const prefix = join(folder, "prefix");
    await run(
      "npm",
      "install",
      "--global",
      "--prefix",
      prefix,
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      ...tarballs,
    );
    const pages = await readdir(join(prefix, "share/man/man1"));
    expect(pages).toContain("initwrap.1");
    expect(pages.sort()).toEqual((await readdir(join(ROOT, "packages/cli/man"))).sort());
  });

  it("bring the pipelines' templates", async () => {
    const { stdout } = await run("node_modules/.bin/initwrap", "ci", "tekton");
    expect(stdout).toContain("IMAGE_DIGEST");
  });

  it("are a library", async () => {
    const { stdout } = await node(`
      import { evaluateDockerfile, parseDockerfile, planDockerfile, wrapDockerfile } from "initwrap";
      import { initFor } from "@initwrap/init-core";
      const text = 'FROM scratch\\nENTRYPOINT ["/app"]\\nCMD ["x"]\\n';
      const { stages } = evaluateDockerfile(parseDockerfile(text));
      const bytes = await wrapDockerfile(text, { offline: true });
      const plan = await planDockerfile(text, { offline: true });
      const init = initFor({ os: "linux", architecture: "amd64" });
      console.log(JSON.stringify([stages[0].config.cmd, Buffer.from(bytes).includes('["/initwrap", "--", "/app"]'), plan.after, init.digest]));
    `);
    const [cmd, wrapped, after, digest] = JSON.parse(stdout);
    expect(cmd).toEqual(["x"]);
    expect(wrapped).toBe(true);
    expect(after).toEqual({ entrypoint: ["/initwrap", "--", "/app"], cmd: ["x"] });
    expect(digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  it("inspect and verify as a library, with types", async () => {
    const script = `
      import { InitwrapError, inspect, verifyImage, type Inspection, type VerifyResult } from "initwrap";
      const file: Inspection = await inspect({ subject: "samples/Dockerfile", offline: true });
      const image: Inspection = await inspect({ subject: "samples/app.tar" });
      const verdict: VerifyResult = await verifyImage({ source: "samples/app.tar" });
      const code = await inspect({ subject: "Dockerfile.none" }).catch((error: unknown) =>
        error instanceof InitwrapError ? error.code : undefined);
      const { kind, subjects } = file;
      console.log(JSON.stringify([kind, subjects[0]?.cmd.value, image.subjects[0]?.entrypoint.value,
        verdict.verified, verdict.diagnostics.map((finding) => finding.code), code]));
    `;
    await writeFile(join(folder, "library.mts"), script);
    const options = ["--module", "nodenext", "--target", "es2024", "--strict", "--noEmit", "--lib", "es2024"];
    const types = ["--typeRoots", join(ROOT, "node_modules/@types"), "--types", "node"];
    await run(join(ROOT, "node_modules/.bin/tsc"), ...options, ...types, "library.mts");
    const { stdout } = await run(process.execPath, "library.mts");
    expect(JSON.parse(stdout)).toEqual(["dockerfile", ["node"], ["/app"], false, ["PID1_NO_INIT"], "INPUT_NOT_FOUND"]);
  });

  it("run a command under an init, and let a program be registered", async () => {
    const ended = run("node_modules/.bin/initwrap", "run", "--", "sh", "-c", "echo $PPID; exit 9");
    await expect(ended).rejects.toMatchObject({ code: 9, stdout: expect.stringMatching(/^[0-9]+\n$/), stderr: "" });
    const words = ["--import", "@initwrap/init-core/register", "--print", "process.listenerCount('SIGCHLD')"];
    expect((await exec(process.execPath, words, { cwd: folder, env })).stdout).toBe("1\n");
  });

  // The oldest that package.json allows; everything above runs on the newest.
  it("run on Node.js 22.3", async (context) => {
    const oldest = await nodeProgram("x64", "22.3.0");
    requireCapability(context, "Node.js 22.3.0 for x64", oldest !== undefined && process.arch === "x64");
    const old = (...args: string[]) => exec(oldest!, args, { cwd: folder, env: { ...env, PATH: dirname(oldest!) } });
    const cli = "node_modules/initwrap/bin/run.js";
    expect((await old(cli, "--version")).stdout).toContain("node-v22.3.0");
    const wrapped = await old(cli, "dockerfile", "samples/Dockerfile", "--offline");
    expect(wrapped.stdout).toContain('ENTRYPOINT ["/initwrap", "--", "docker-entrypoint.sh"]');
    const image = await old(cli, "image", "samples/app.tar", "-o", "wrapped-22.tar");
    expect(image.stdout).toMatch(/^example\/app:1@sha256:[0-9a-f]{64}\n$/);
    // It has no zstd.
    await writeFile(join(folder, "zstd.tar.zst"), zstdCompressSync(await readFile(join(SAMPLES, "app.tar"))));
    for (const [input = "", output = ""] of [
      ["zstd.tar.zst", "from-zstd.tar"],
      ["samples/app.tar", "to-zstd.tar.zst"],
    ]) {
      const refused = old(cli, "image", input, "-o", output);
      await expect(refused).rejects.toMatchObject({
        code: 5,
        stderr: expect.stringContaining("Node.js 22.15 or later"),
      });
      await expect(stat(join(folder, output))).rejects.toMatchObject({ code: "ENOENT" });
    }
    const words = ["--import", "@initwrap/init-core/register", "--print", "process.listenerCount('SIGCHLD')"];
    expect((await old(...words)).stdout).toBe("1\n");
  });

  it("have no install script, name the repository for npm's provenance, and depend on released versions alone", async () => {
    for (const name of ["initwrap", "@initwrap/init-core"]) {
      const manifest = JSON.parse(await readFile(join(folder, "node_modules", name, "package.json"), "utf8"));
      const scripts = Object.keys(manifest.scripts ?? {});
      expect(scripts.filter((script) => /install|prepare/.test(script))).toEqual([]);
      expect(manifest.publishConfig).toEqual({ access: "public", provenance: true });
      expect(manifest.repository.url).toMatch(/^git\+https:\/\//);
      for (const range of Object.values(manifest.dependencies)) expect(range).toMatch(/^\d+\.\d+\.\d+$/);
    }
  });

  it("bring the licences of what is bundled", async () => {
    const licenses = async (name: string) =>
      (await readFile(join(folder, "node_modules", name, "dist/LICENSE.third-party"), "utf8"))
        .split(/^== (.+) [\d.]+ ==$/m)
        .slice(1);
    const cli = await licenses("initwrap");
    const names = cli.filter((_, at) => at % 2 === 0);
    expect(names).toEqual(expect.arrayContaining(["@oclif/core", "handlebars", "ignore", "picomatch", "yaml"]));
    for (const text of cli.filter((_, at) => at % 2 === 1)) expect(text).toMatch(/Copyright|copyright/);
    expect((await licenses("@initwrap/init-core")).join("")).toMatch(/^node-addon-api\s.*Copyright/s);
  });

  it("are not packed by npm, which leaves workspace: versions in them", async () => {
    const packing = exec("npm", ["pack", "--dry-run"], { cwd: join(ROOT, "packages/cli"), env });
    await expect(packing).rejects.toMatchObject({ stderr: expect.stringContaining("only pnpm replaces") });
  });

  it("refuse with the documented exit code", async () => {
    await writeFile(join(folder, "Bad"), "FROM scratch\nNOPE\n");
    await expect(run("node_modules/.bin/initwrap", "dockerfile", "Bad")).rejects.toMatchObject({ code: 3 });
  });
});
